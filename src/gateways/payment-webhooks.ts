import { isObject, type JsonObject } from './http-exchange';
import { createWebhookReader, textOf, timeOf, type WebhookReader } from './webhook-reader';
import { createWebhookVerifier } from './webhook-signature';

/**
 * What the gateway tells on its own. It may come twice, late, in any order, for an order that nobody knows, or before the
 * answer to the call that caused it.
 */
export interface PaymentEvent {
  /** The same for every repeat. */
  id: string;
  /**
   * `payment.authorized` and `payment.declined`: what became of an authorization, also after the customer acted.
   * `payment.captured`: the money is ours. `payment.voided`: it never will be.
   */
  type: 'payment.authorized' | 'payment.declined' | 'payment.captured' | 'payment.voided';
  /** RFC 3339: when it happened. */
  occurredAt: string;
  paymentId: string;
  orderId: string;
  authorizationId: string;
  /** Of `payment.captured`. */
  captureId: string | null;
  /** What was captured, or else authorized. */
  amountMinor: number;
  currency: string;
  /** Of `payment.declined`. */
  code: string | null;
}

export const PAYMENT_EVENT_TYPES: readonly string[] = [
  'payment.authorized',
  'payment.declined',
  'payment.captured',
  'payment.voided',
] satisfies PaymentEvent['type'][];

/** Reads the gateway's webhooks: `{ type, timestamp, data: { … } }`, signed as Standard Webhooks say. */
export function createPaymentWebhooks(options: {
  secrets: readonly string[];
  now: () => Date;
}): WebhookReader<PaymentEvent> {
  const verifier = createWebhookVerifier(options);
  return createWebhookReader({
    verify: (request) => verifier.verify(request),
    eventOf(type, document, id) {
      if (!PAYMENT_EVENT_TYPES.includes(type)) return undefined;
      return eventOf(type as PaymentEvent['type'], document, id);
    },
  });
}

function eventOf(type: PaymentEvent['type'], document: JsonObject, id: string): PaymentEvent | null {
  const data = isObject(document['data']) ? document['data'] : {};
  const occurredAt = timeOf(document, 'timestamp');
  const paymentId = textOf(data, 'paymentId');
  const orderId = textOf(data, 'orderId');
  const authorizationId = textOf(data, 'authorizationId');
  const captureId = textOf(data, 'captureId');
  const amountMinor = data['amountMinor'];
  const currency = textOf(data, 'currency');
  if (occurredAt === null || paymentId === null || orderId === null || authorizationId === null) return null;
  if (typeof amountMinor !== 'number' || !Number.isSafeInteger(amountMinor) || amountMinor <= 0) return null;
  if (currency === null || !/^[A-Z]{3}$/.test(currency)) return null;
  if (type === 'payment.captured' && captureId === null) return null;
  const code = textOf(data, 'code');
  return {
    id,
    type,
    occurredAt,
    paymentId,
    orderId,
    authorizationId,
    captureId,
    amountMinor,
    currency,
    code: codeOf(code),
  };
}

/** The code when it looks like one: free text of the other side may repeat what nobody should read. */
export function codeOf(code: string | null): string | null {
  return code !== null && /^[a-z0-9_]{1,64}$/.test(code) ? code : null;
}
