import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import { pinoHttp } from 'pino-http';
import type { Logger } from '../log';

/** The id that ties an answer to its log line. */
export function requestIdOf(res: Response): string {
  return res.locals['requestId'] as string;
}

/** Gives every request an id of our own: one that a caller sends could be anything, and could be somebody else's. */
export const assignRequestId: RequestHandler = (_req, res, next) => {
  const requestId = randomUUID();
  res.locals['requestId'] = requestId;
  res.setHeader('X-Request-Id', requestId);
  next();
};

/**
 * One line per answer: method, route, status, milliseconds, request id and caller. The route is the pattern, not the
 * path; no header, query or body is ever logged, because they hold keys and personal data.
 */
export function logRequests(log: Logger): RequestHandler {
  return pinoHttp<Request, Response>({
    logger: log,
    quietReqLogger: true,
    quietResLogger: true,
    customAttributeKeys: { reqId: 'requestId' },
    genReqId: (_req, res) => requestIdOf(res),
    customLogLevel: (_req, res) =>
      res.statusCode >= 500 ? 'error' : res.statusCode >= 400 ? 'warn' : 'info',
    customSuccessMessage: () => 'request',
    customErrorMessage: () => 'request',
    customSuccessObject: entryOf,
    customErrorObject: (req, res, _error, value) => entryOf(req, res, value),
    autoLogging: { ignore: (req) => req.path === '/healthz' || req.path === '/readyz' },
  }) as RequestHandler;
}

function entryOf(req: Request, res: Response, value: unknown): object {
  return {
    method: req.method,
    route: (res.locals['route'] as string | undefined) ?? null,
    status: res.statusCode,
    ms: (value as { responseTime: number }).responseTime,
    caller: (res.locals['caller'] as string | undefined) ?? null,
    ...(res.writableFinished ? {} : { aborted: true }),
  };
}
