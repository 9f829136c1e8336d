import {
  headerOf,
  knownSignatures,
  SECRET_PREFIX,
  TOLERANCE_SECONDS,
  verifyMessage,
  type SignatureVerdict,
  type WebhookHeaders,
} from './standard-webhooks';

/** A rotation has two; whoever sends hundreds wants us to compute. */
const SIGNATURES_MAX = 8;
/** Room for so many signatures of 47 characters, and for an id. */
const HEADER_LENGTH_MAX = 512;

export interface WebhookToVerify {
  /** As Node gives them: names in lower case. */
  headers: WebhookHeaders;
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
export type WebhookVerdict = SignatureVerdict;

/**
 * Tells whether a request was signed by one who knows a secret, and recently. Answer 400 when it was not, and do nothing
 * else with it. The time that it takes depends neither on which signature is right nor on how much of one is.
 * Source: Standard Webhooks, "Verifying webhooks".
 * @throws RangeError when there is no secret: nothing would ever be accepted
 */
export function verifyWebhook(webhook: WebhookToVerify): WebhookVerdict {
  const { body, secrets, now, toleranceSeconds = TOLERANCE_SECONDS } = webhook;
  if (secrets.length === 0) throw new RangeError('at least one secret is needed');
  const header = (name: string): string => headerOf(webhook.headers, name, HEADER_LENGTH_MAX);
  const entries = header('webhook-signature').split(' ');
  return verifyMessage(
    {
      id: header('webhook-id'),
      timestamp: header('webhook-timestamp'),
      signatures: entries.length > SIGNATURES_MAX ? [] : knownSignatures(entries),
      body,
    },
    { keys: secrets.map(keyOf), now, toleranceSeconds },
  );
}

function keyOf(secret: string): Buffer {
  const encoded = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret;
  return Buffer.from(encoded, 'base64');
}
