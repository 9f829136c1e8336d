import { createHmac, timingSafeEqual } from 'node:crypto';

/** Source: Standard Webhooks, "Verifying webhooks": five minutes, for clocks that differ and repeats that are old. */
const TOLERANCE_SECONDS = 300;
/** A rotation has two; whoever sends hundreds wants us to compute. */
const SIGNATURES_MAX = 8;
/** Room for so many signatures of 47 characters, and for an id. */
const HEADER_LENGTH_MAX = 512;
const SECRET_PREFIX = 'whsec_';

export interface WebhookToVerify {
  /** As Node gives them: names in lower case. */
  headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The body as it came. One that was parsed and written again has other bytes. */
  body: string | Uint8Array;
  /** `whsec_…`, the new one and, during a rotation, the one before. */
  secrets: readonly string[];
  /** Milliseconds since 1970. */
  now: number;
  /** How old or how far in the future a message may be. Default: 300. */
  toleranceSeconds?: number | undefined;
}

/** `id` is the event's: the same for every repeat, so it is what to drop duplicates by. */
export type WebhookVerdict =
  | { ok: true; id: string; timestampSeconds: number }
  | { ok: false; reason: 'malformed' | 'too_old' | 'in_the_future' | 'wrong_signature' };

/**
 * Tells whether a request was signed by one who knows a secret, and recently. Answer 400 when it was not, and do nothing
 * else with it. The time that it takes depends neither on which signature is right nor on how much of one is.
 * Source: Standard Webhooks, "Verifying webhooks".
 * @throws RangeError when there is no secret: nothing would ever be accepted
 */
export function verifyWebhook(webhook: WebhookToVerify): WebhookVerdict {
  const { headers, body, secrets, now, toleranceSeconds = TOLERANCE_SECONDS } = webhook;
  if (secrets.length === 0) throw new RangeError('at least one secret is needed');
  const id = headerOf(headers, 'webhook-id');
  const timestamp = headerOf(headers, 'webhook-timestamp');
  const signatures = signaturesOf(headerOf(headers, 'webhook-signature'));
  // The parts are joined with dots: an id with one could be read as another id with another time.
  if (id === '' || id.includes('.') || !/^\d{1,12}$/.test(timestamp) || signatures === null) {
    return { ok: false, reason: 'malformed' };
  }
  const ageSeconds = Math.floor(now / 1_000) - Number(timestamp);
  if (ageSeconds > toleranceSeconds) return { ok: false, reason: 'too_old' };
  if (ageSeconds < -toleranceSeconds) return { ok: false, reason: 'in_the_future' };
  const expected = secrets.map((secret) => macOf(secret, `${id}.${timestamp}.`, body));
  const matches = signatures.flatMap((given) => expected.map((mac) => equal(given, mac)));
  if (!matches.includes(true)) return { ok: false, reason: 'wrong_signature' };
  return { ok: true, id, timestampSeconds: Number(timestamp) };
}

/** A header that is absent, there twice or too long is as good as empty. */
function headerOf(headers: WebhookToVerify['headers'], name: string): string {
  const value = headers[name];
  return typeof value === 'string' && value.length <= HEADER_LENGTH_MAX ? value : '';
}

/** The signatures of the version that is known; null when there is none, or too many to be meant seriously. */
function signaturesOf(header: string): Buffer[] | null {
  const entries = header.split(' ');
  if (entries.length > SIGNATURES_MAX) return null;
  const known = entries.filter((entry) => /^v1,[A-Za-z0-9+/]{43}=$/.test(entry));
  return known.length === 0 ? null : known.map((entry) => Buffer.from(entry.slice('v1,'.length), 'base64'));
}

function macOf(secret: string, head: string, body: string | Uint8Array): Buffer {
  const encoded = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret;
  return createHmac('sha256', Buffer.from(encoded, 'base64')).update(head).update(body).digest();
}

function equal(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}
