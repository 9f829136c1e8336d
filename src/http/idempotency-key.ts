import type { Request } from 'express';
import { IdempotencyKeyMalformedError, IdempotencyKeyMissingError } from '../errors';

/** Characters of the key itself, without quotes. Source: the HTTP contract. */
const KEY_LENGTH_MAX = 255;
const VISIBLE = /^[\x21-\x7e]+$/;
/** A string of RFC 9651 (structured fields), section 3.3.3: quotes and backslashes inside are escaped. */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;

/**
 * The key under which a request is done once. `"abc"`, as the IETF draft writes it, and bare `abc` are the same key.
 * @throws IdempotencyKeyMissingError, IdempotencyKeyMalformedError
 */
export function idempotencyKeyOf(req: Pick<Request, 'rawHeaders'>): string {
  // From the raw headers: Node joins two of them into one value that looks like a key.
  const values = req.rawHeaders.filter(
    (_, i, all) => i % 2 === 1 && all[i - 1]!.toLowerCase() === 'idempotency-key',
  );
  const [value] = values;
  if (value === undefined)
    throw new IdempotencyKeyMissingError('Send an Idempotency-Key: a repeat is then safe.');
  if (values.length > 1) throw new IdempotencyKeyMalformedError('Send one Idempotency-Key, not several.');
  const key = unquote(value.trim());
  if (key === null || key.length > KEY_LENGTH_MAX || !VISIBLE.test(key)) {
    throw new IdempotencyKeyMalformedError(
      `An Idempotency-Key has 1 to ${KEY_LENGTH_MAX} visible ASCII characters, quoted or bare.`,
    );
  }
  return key;
}

/** Null for a text that begins like a quoted one and does not end like it. */
function unquote(value: string): string | null {
  if (!value.startsWith('"')) return value;
  return QUOTED.exec(value)?.[1]?.replaceAll(/\\(["\\])/g, '$1') ?? null;
}
