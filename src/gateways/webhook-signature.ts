import {
  headerOf,
  knownSignatures,
  SECRET_PREFIX,
  TOLERANCE_SECONDS,
  verifyMessage,
  type SignatureVerdict,
  type WebhookHeaders,
} from '../consumer/standard-webhooks';

/** A rotation has two. What comes after these is not looked at, so that nobody can make us compute. */
const SIGNATURES_MAX = 20;
/** Longer ids are nobody's. Characters. */
const ID_LENGTH_MAX = 256;
/** Room for that many signatures of 47 characters, and more. */
export const HEADER_LENGTH_MAX = 2_048;
/** Source: Standard Webhooks, "Symmetric signatures": `whsec_` and 24 to 64 bytes in base64. */
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

export interface SignedRequest {
  /** As Node gives them: names in lower case. */
  headers: WebhookHeaders;
  /** The body as it came. One that was parsed and written again has other bytes. */
  body: string | Uint8Array;
}

export type { SignatureRefusal, SignatureVerdict } from '../consumer/standard-webhooks';

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
  if (!options.secrets.every(isWebhookSecret)) {
    throw new RangeError('a webhook secret must be whsec_ and 24 to 64 bytes in base64');
  }
  const keys = options.secrets.map(keyOf);
  if (keys.length === 0) throw new RangeError('at least one secret is needed');
  return {
    verify({ headers, body }) {
      const message = {
        id: headerOf(headers, 'webhook-id', ID_LENGTH_MAX),
        timestamp: headerOf(headers, 'webhook-timestamp', HEADER_LENGTH_MAX),
        signatures: knownSignatures(
          headerOf(headers, 'webhook-signature', HEADER_LENGTH_MAX).split(' ', SIGNATURES_MAX),
        ),
        body,
      };
      const now = options.now().getTime();
      return verifyMessage(message, { keys, now, toleranceSeconds: TOLERANCE_SECONDS });
    },
  };
}

/** Whether it is `whsec_` and 24 to 64 bytes in canonical base64. */
export function isWebhookSecret(secret: string): boolean {
  const key = keyOf(secret);
  const isCanonical = `${SECRET_PREFIX}${key.toString('base64')}` === secret;
  return isCanonical && key.length >= SECRET_BYTES_MIN && key.length <= SECRET_BYTES_MAX;
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
}
