import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import { TooManyRequestsError } from '../errors';
import { callerOf } from './authentication';
import type { RateLimit } from './deps';

/**
 * Counts the requests of each caller in a fixed window. Counted per process: with several of them, a caller gets that
 * many times the limit. Callers are told apart by their key, never by an address, which a header could forge.
 */
export function limitRequests(limit: RateLimit): RequestHandler {
  return rateLimit({
    limit: limit.limit,
    windowMs: limit.windowMs,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    validate: false,
    keyGenerator: (_req, res) => callerOf(res),
    handler: (_req, res, next) => {
      const retryAfterSeconds = Math.max(1, Number(res.getHeader('Retry-After') ?? limit.windowMs / 1_000));
      next(
        new TooManyRequestsError('Too many requests; wait before the next.', {
          retryAfterSeconds: Math.ceil(retryAfterSeconds),
        }),
      );
    },
  });
}
