import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * The part of Standard Webhooks that all receivers share: those of deliveries, by `verifyWebhook`, and the service's own,
 * which reads what participants send. Which secrets are taken and how much is looked at is each one's own business.
 * Source: Standard Webhooks, "Verifying webhooks".
 */

/** Source: Standard Webhooks, "Verifying webhooks": five minutes both sides, for clocks that differ and old repeats. */
export const TOLERANCE_SECONDS = 300;
export const SECRET_PREFIX = 'whsec_';

/** As Node gives them: names in lower case. */
export type WebhookHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Why a request is not believed. */
export type SignatureRefusal = 'malformed' | 'too_old' | 'in_the_future' | 'wrong_signature';

/** `id` is the same for every repeat of a message, so it is what to drop duplicates by. */
export type SignatureVerdict =
  { ok: true; id: string; timestampSeconds: number } | { ok: false; reason: SignatureRefusal };

export interface SignedMessage {
  id: string;
  timestamp: string;
  /** As they were given, decoded. */
  signatures: readonly Buffer[];
  /** The body as it came. One that was parsed and written again has other bytes. */
  body: string | Uint8Array;
}

/**
 * Tells whether a message was signed with one of the keys, and recently. The time that it takes depends neither on which
 * signature is right nor on how much of one is.
 * @param options - `now`: milliseconds since 1970; `toleranceSeconds`: how old or how far in the future it may be
 */
export function verifyMessage(
  { id, timestamp, signatures, body }: SignedMessage,
  options: { keys: readonly Buffer[]; now: number; toleranceSeconds: number },
): SignatureVerdict {
  // The parts are joined with dots: an id with one could be read as another id with another time.
  if (id === '' || id.includes('.') || !/^\d{1,12}$/.test(timestamp) || signatures.length === 0) {
    return { ok: false, reason: 'malformed' };
  }
  const timestampSeconds = Number(timestamp);
  const stale = staleness(timestampSeconds, options);
  if (stale !== null) return { ok: false, reason: stale };
  const expected = options.keys.map((key) => macOf(key, `${id}.${timestamp}.`, body));
  if (!isOneOf(signatures, expected)) return { ok: false, reason: 'wrong_signature' };
  return { ok: true, id, timestampSeconds };
}

/** Why a time of signing is not believed; null when it is near enough. @param options.now - milliseconds since 1970 */
export function staleness(
  timestampSeconds: number,
  { now, toleranceSeconds }: { now: number; toleranceSeconds: number },
): 'too_old' | 'in_the_future' | null {
  const ageSeconds = Math.floor(now / 1_000) - timestampSeconds;
  if (ageSeconds > toleranceSeconds) return 'too_old';
  return ageSeconds < -toleranceSeconds ? 'in_the_future' : null;
}

/** Whether any of the given is any of the expected. All are compared, whichever is right. */
export function isOneOf(given: readonly Buffer[], expected: readonly Buffer[]): boolean {
  const matches = given.flatMap((one) =>
    expected.map((mac) => one.length === mac.length && timingSafeEqual(one, mac)),
  );
  return matches.includes(true);
}

/** A header that is absent, there twice or longer than `lengthMax` characters is as good as empty. */
export function headerOf(headers: WebhookHeaders, name: string, lengthMax: number): string {
  const value = headers[name];
  return typeof value === 'string' && value.length <= lengthMax ? value : '';
}

/** Those entries of `webhook-signature` that are of the version that is known. */
export function knownSignatures(entries: readonly string[]): Buffer[] {
  return entries
    .filter((entry) => /^v1,[A-Za-z0-9+/]{43}=$/.test(entry))
    .map((entry) => Buffer.from(entry.slice('v1,'.length), 'base64'));
}

function macOf(key: Buffer, head: string, body: string | Uint8Array): Buffer {
  return createHmac('sha256', key).update(head).update(body).digest();
}
