import { TWILIO_STATUS_PATH } from '../domain/message-status';
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** Ties what a provider reports to one attempt, also when its answer with the sid was lost. */
export interface StatusCallbacks {
  /** Where the provider reports on this attempt; undefined when nobody outside can reach this service. */
  urlFor(attemptId: string): string | undefined;
  /** Whether the token is the one that `urlFor` gave out for this attempt. In constant time. */
  isFrom(attemptId: string, token: string): boolean;
}

/** Keeps this key apart from others that are derived of the same one. Source: RFC 5869, section 3.2. */
const KEY_PURPOSE = 'aftercommit/status-callback';
const KEY_BYTES = 32;
/** 132 bits in base64url, beyond guessing, and short enough for a URL that goes along with every message. */
const TOKEN_CHARACTERS = 22;

/**
 * @param options - `publicUrl`: where this service is reached from outside, null when it is not; `key`: the secrets key
 * as configured, of which the tokens' own key is derived. Every process must have the same one, and a new key makes the
 * tokens of messages that are still under way unknown.
 */
export function createStatusCallbacks(options: { publicUrl: string | null; key: Buffer }): StatusCallbacks {
  const key = Buffer.from(hkdfSync('sha256', options.key, '', KEY_PURPOSE, KEY_BYTES));
  const base = options.publicUrl?.replace(/\/+$/, '');
  const tokenOf = (attemptId: string): string =>
    createHmac('sha256', key).update(`attempt\n${attemptId}`).digest('base64url').slice(0, TOKEN_CHARACTERS);
  return {
    urlFor(attemptId) {
      if (base === undefined) return undefined;
      const query = new URLSearchParams({ na: attemptId, t: tokenOf(attemptId) });
      return `${base}${TWILIO_STATUS_PATH}?${query.toString()}`;
    },
    isFrom(attemptId, token) {
      const given = Buffer.from(token);
      const expected = Buffer.from(tokenOf(attemptId));
      // The length is no secret, and the comparison takes only equal ones.
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}
