import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import { ForbiddenError, UnauthenticatedError } from '../errors';

/** What a key may do. `admin` implies all others. Source: the HTTP contract, "Access". */
export const SCOPES = ['orders:read', 'orders:write', 'events:write', 'operate', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** One key. Several keys may name one caller, so that a key can be replaced without a gap. */
export interface ApiKey {
  /** Stable: order ids are made from it. */
  caller: string;
  /** SHA-256 of the key, 64 hexadecimal digits. The key itself is stored nowhere. */
  sha256: string;
  scopes: readonly string[];
}

interface Caller {
  name: string;
  scopes: readonly string[];
}

/** Without keys the service listens on loopback only, and whoever is there may do everything. */
const LOCAL: Caller = { name: 'local', scopes: SCOPES };

/** Source: RFC 6750, section 2.1; the scheme's name may be written in any case. */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * Finds out who asks. Keys keep callers' Idempotency-Keys apart and say what may be done; they do not hide one caller's
 * orders from another: every key with `orders:read` reads all orders, every key with `orders:write` may cancel and refund
 * all. Callers that must not see each other need installations of their own.
 */
export function authenticate(keys: readonly ApiKey[]): RequestHandler {
  const known = keys.map((key) => ({
    digest: Buffer.from(key.sha256, 'hex'),
    caller: { name: key.caller, scopes: key.scopes },
  }));
  return (req, res, next) => {
    const caller = known.length === 0 ? LOCAL : findCaller(known, req);
    if (caller === null) {
      res.setHeader('WWW-Authenticate', 'Bearer');
      throw new UnauthenticatedError('Send Authorization: Bearer with a valid key.');
    }
    res.locals['caller'] = caller.name;
    res.locals['scopes'] = caller.scopes;
    next();
  };
}

/** Compares digests in constant time, and all of them, so that the time tells nothing about how near a guess was. */
function findCaller(known: readonly { digest: Buffer; caller: Caller }[], req: Request): Caller | null {
  const headers = req.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization');
  const token = headers.length === 1 ? BEARER.exec(req.headers.authorization ?? '')?.[1] : undefined;
  if (token === undefined) return null;
  const digest = createHash('sha256').update(token, 'utf8').digest();
  let found: Caller | null = null;
  for (const key of known) {
    if (key.digest.length === digest.length && timingSafeEqual(key.digest, digest)) found = key.caller;
  }
  return found;
}

/** The stable name of who asks. */
export function callerOf(res: Response): string {
  return res.locals['caller'] as string;
}

/** @throws ForbiddenError when the caller's key lacks the scope */
export function requireScope(scope: Scope): RequestHandler {
  return (_req, res, next) => {
    const scopes = res.locals['scopes'] as readonly string[];
    if (!scopes.includes(scope) && !scopes.includes('admin')) {
      throw new ForbiddenError(`This needs the scope ${scope}.`);
    }
    next();
  };
}
