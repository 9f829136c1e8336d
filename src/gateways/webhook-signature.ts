import { createHmac, timingSafeEqual } from 'node:crypto';

/** Source: Standard Webhooks, "Verifying webhooks": five minutes both sides, for clocks that differ and old repeats. */
export const TOLERANCE_SECONDS = 300;
/** A rotation has two. What comes after these is not looked at, so that nobody can make us compute. */
const SIGNATURES_MAX = 20;
/** Longer ids are nobody's. Characters. */
const ID_LENGTH_MAX = 256;
/** Room for that many signatures of 47 characters, and more. */
const HEADER_LENGTH_MAX = 2_048;
/** Source: Standard Webhooks, "Symmetric signatures": `whsec_` and 24 to 64 bytes in base64. */
const SECRET_PREFIX = 'whsec_';
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

export interface SignedRequest {
  /** As Node gives them: names in lower case. */
  headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The body as it came. One that was parsed and written again has other bytes. */
  body: string | Uint8Array;
}

/** Why a request is not believed. */
export type SignatureRefusal = 'malformed' | 'too_old' | 'in_the_future' | 'wrong_signature';

/** `id` is the same for every repeat of a message, so it is what to drop duplicates by. */
export type SignatureVerdict =
  { ok: true; id: string; timestampSeconds: number } | { ok: false; reason: SignatureRefusal };

export interface WebhookVerifier {
  /** The time that it takes depends neither on which signature is right nor on how much of one is. */
  verify(request: SignedRequest): SignatureVerdict;
}

/**
 * Tells what a participant signed from anybody else's.
 * Source: Standard Webhooks, "Verifying webhooks".
 * @param options - `secrets`: the new one and, during a rotation, the one before
 * @throws RangeError for no secret, with which nothing would ever be accepted, and for one of another form
 */
export function createWebhookVerifier(options: {
  secrets: readonly string[];
  now: () => Date;
}): WebhookVerifier {
  const keys = options.secrets.map(keyOf);
  if (keys.length === 0) throw new RangeError('at least one secret is needed');
  return {
    verify({ headers, body }) {
      const id = headerOf(headers, 'webhook-id');
      const timestamp = headerOf(headers, 'webhook-timestamp');
      const signatures = signaturesOf(headerOf(headers, 'webhook-signature'));
      if (!isId(id) || !/^\d{1,12}$/.test(timestamp) || signatures.length === 0) {
        return { ok: false, reason: 'malformed' };
      }
      const timestampSeconds = Number(timestamp);
      const stale = staleness(timestampSeconds, options.now());
      if (stale !== null) return { ok: false, reason: stale };
      const expected = keys.map((key) => macOf(key, `${id}.${timestamp}.`, body));
      if (!isOneOf(signatures, expected)) return { ok: false, reason: 'wrong_signature' };
      return { ok: true, id, timestampSeconds };
    },
  };
}

/** Why a time of signing is not believed; null when it is near enough. */
export function staleness(timestampSeconds: number, now: Date): 'too_old' | 'in_the_future' | null {
  const ageSeconds = Math.floor(now.getTime() / 1_000) - timestampSeconds;
  if (ageSeconds > TOLERANCE_SECONDS) return 'too_old';
  return ageSeconds < -TOLERANCE_SECONDS ? 'in_the_future' : null;
}

/** Whether any of the given is any of the expected. All are compared, whichever is right. */
export function isOneOf(given: readonly Buffer[], expected: readonly Buffer[]): boolean {
  const matches = given.flatMap((one) =>
    expected.map((mac) => one.length === mac.length && timingSafeEqual(one, mac)),
  );
  return matches.includes(true);
}

/** A header that is absent, there twice or too long is as good as empty. */
export function headerOf(headers: SignedRequest['headers'], name: string): string {
  const value = headers[name];
  return typeof value === 'string' && value.length <= HEADER_LENGTH_MAX ? value : '';
}

/** The parts are joined with dots: an id with one could be read as another id with another time. */
function isId(id: string): boolean {
  return id !== '' && id.length <= ID_LENGTH_MAX && !id.includes('.');
}

/** The first signatures of the version that is known. */
function signaturesOf(header: string): Buffer[] {
  return header
    .split(' ', SIGNATURES_MAX)
    .filter((entry) => /^v1,[A-Za-z0-9+/]{43}=$/.test(entry))
    .map((entry) => Buffer.from(entry.slice('v1,'.length), 'base64'));
}

function keyOf(secret: string): Buffer {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
  const isCanonical = `${SECRET_PREFIX}${key.toString('base64')}` === secret;
  if (!isCanonical || key.length < SECRET_BYTES_MIN || key.length > SECRET_BYTES_MAX) {
    throw new RangeError('a webhook secret must be whsec_ and 24 to 64 bytes in base64');
  }
  return key;
}

function macOf(key: Buffer, head: string, body: string | Uint8Array): Buffer {
  return createHmac('sha256', key).update(head).update(body).digest();
}
