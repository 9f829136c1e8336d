import { createHmac } from 'node:crypto';
import { headerOf, isOneOf, staleness, TOLERANCE_SECONDS } from '../consumer/standard-webhooks';
import { isObject, type JsonObject } from './http-exchange';
import { codeOf, type PaymentEvent } from './payment-webhooks';
import { readIntent, timeOfSeconds } from './stripe-objects';
import { createWebhookReader, textOf, type WebhookReader } from './webhook-reader';
import { HEADER_LENGTH_MAX, type SignatureVerdict, type SignedRequest } from './webhook-signature';

/** Two while a secret is rolled, and room for versions that are not known here. */
const ELEMENTS_MAX = 20;

/** Source: docs.stripe.com/api/events/types. */
const TYPES: Record<string, PaymentEvent['type']> = {
  'payment_intent.amount_capturable_updated': 'payment.authorized',
  'payment_intent.payment_failed': 'payment.declined',
  'payment_intent.succeeded': 'payment.captured',
  'payment_intent.canceled': 'payment.voided',
};

/**
 * Reads Stripe's webhooks. Events of PaymentIntents that another integration made are ignored.
 * Source: docs.stripe.com/webhooks, "Verify webhook signatures manually".
 * @param options - `secrets`: of the endpoint, `whsec_…`; while it is rolled, the new one and the one before
 * @throws RangeError for no secret, or an empty one
 */
export function createStripeWebhooks(options: {
  secrets: readonly string[];
  now: () => Date;
}): WebhookReader<PaymentEvent> {
  const { secrets, now } = options;
  if (secrets.length === 0 || secrets.includes('')) throw new RangeError('at least one secret is needed');
  return createWebhookReader({
    verify: (request) => verify(request, secrets, now()),
    idOf: (document) => textOf(document, 'id'),
    eventOf: (type, document, id) => {
      const own = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
      return own && eventOf(own, document, id);
    },
  });
}

/** The secret is the key as it stands, its prefix included. */
function verify(request: SignedRequest, secrets: readonly string[], now: Date): SignatureVerdict {
  const header = headerOf(request.headers, 'stripe-signature', HEADER_LENGTH_MAX);
  const elements = header.split(',', ELEMENTS_MAX);
  const valuesOf = (name: string): string[] =>
    elements.filter((one) => one.startsWith(`${name}=`)).map((one) => one.slice(name.length + 1));
  const [timestamp = '', ...more] = valuesOf('t');
  const signatures = valuesOf('v1').filter((value) => /^[0-9a-f]{64}$/.test(value));
  if (!/^\d{1,12}$/.test(timestamp) || more.length > 0 || signatures.length === 0) {
    return { ok: false, reason: 'malformed' };
  }
  const timestampSeconds = Number(timestamp);
  const stale = staleness(timestampSeconds, {
    now: now.getTime(),
    toleranceSeconds: TOLERANCE_SECONDS,
  });
  if (stale !== null) return { ok: false, reason: stale };
  const expected = secrets.map((secret) =>
    createHmac('sha256', secret).update(`${timestamp}.`).update(request.body).digest(),
  );
  const given = signatures.map((value) => Buffer.from(value, 'hex'));
  if (!isOneOf(given, expected)) return { ok: false, reason: 'wrong_signature' };
  return { ok: true, id: '', timestampSeconds };
}

/** @returns undefined for a PaymentIntent that is not ours, null for content that cannot be read */
function eventOf(
  type: PaymentEvent['type'],
  document: JsonObject,
  id: string,
): PaymentEvent | null | undefined {
  const data = isObject(document['data']) ? document['data'] : {};
  const object = isObject(data['object']) ? data['object'] : {};
  const created = document['created'];
  const intent = orNull(() => readIntent(object));
  const occurredAt = typeof created === 'number' ? orNull(() => timeOfSeconds(created)) : null;
  if (intent === null || occurredAt === null) return null;
  const { paymentId, orderId, currency, chargeId } = intent;
  if (paymentId === null || orderId === null) return undefined;
  const isCaptured = type === 'payment.captured';
  if (isCaptured && chargeId === null) return null;
  return {
    id,
    type,
    occurredAt,
    paymentId,
    orderId,
    authorizationId: intent.id,
    captureId: isCaptured ? chargeId : null,
    amountMinor: isCaptured ? intent.receivedMinor : intent.amountMinor,
    currency,
    code: type === 'payment.declined' ? declineCodeOf(object) : null,
  };
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function declineCodeOf(intent: JsonObject): string | null {
  const error = intent['last_payment_error'];
  if (!isObject(error)) return null;
  const declineCode = codeOf(textOf(error, 'decline_code'));
  return declineCode === null || declineCode === 'generic_decline'
    ? codeOf(textOf(error, 'code'))
    : declineCode;
}
