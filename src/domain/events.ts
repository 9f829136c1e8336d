/** Where order events say that they come from. Source: the source documents' rule. */
export const ORDER_SOURCE = 'ecommerce.orders';

/** The event types that an order writes. Source: the table "States and events" of the HTTP contract. */
export type OrderEventType =
  'order.placed' | 'order.confirmed' | 'order.payment_failed' | 'order.cancelled' | 'order.refunded';

/** The envelope that every target gets, in EventBridge's terms. The same event is always the same bytes. */
export interface EventEnvelope {
  id: string;
  source: string;
  'detail-type': string;
  /** RFC 3339, UTC: when the transaction wrote the event. */
  time: string;
  detail: EventDetail;
}

/** What happened. `seq` counts 1, 2, 3 … per order; no personal data. */
export interface EventDetail {
  orderId: string;
  seq: number;
  [member: string]: unknown;
}

/** The exact text that is sent for an event when no transformer changes it. Member order is part of the promise. */
export function envelopeText(event: EventEnvelope): string {
  return JSON.stringify({
    id: event.id,
    source: event.source,
    'detail-type': event['detail-type'],
    time: event.time,
    detail: event.detail,
  });
}
