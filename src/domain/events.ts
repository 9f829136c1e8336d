/** Where order events say that they come from. Source: the source documents' rule. */
export const ORDER_SOURCE = 'ecommerce.orders';

/** Where the service's events about itself say that they come from. */
export const SERVICE_SOURCE = 'aftercommit';

/** The event types that an order writes. Source: the table "States and events" of the HTTP contract. */
export type OrderEventType =
  | 'order.placed'
  | 'order.confirmed'
  | 'order.payment_failed'
  | 'order.cancelled'
  | 'order.expired'
  | 'order.shipped'
  | 'order.delivered'
  | 'order.refunded';

/** The envelope that every target gets, in EventBridge's terms. The same event is always the same bytes. */
export interface EventEnvelope {
  id: string;
  source: string;
  'detail-type': string;
  /** RFC 3339, UTC: when the transaction wrote the event. */
  time: string;
  detail: EventDetail;
}

/** What happened. `seq` counts 1, 2, 3 … per order, or per subject of callers' own events; no personal data. */
export interface EventDetail {
  /** Of an order's events only. */
  orderId?: string;
  /** Of a caller's own events that have one. */
  subject?: string;
  seq: number;
  [member: string]: unknown;
}

/** What messages say of an event, as far as it tells. */
export function orderFacts(payload: Readonly<Record<string, unknown>>): {
  totalMinor?: number;
  amountMinor?: number;
  currency?: string;
} {
  const { totalMinor, amountMinor, currency } = payload as ReturnType<typeof orderFacts>;
  return {
    ...(totalMinor === undefined ? {} : { totalMinor }),
    ...(amountMinor === undefined ? {} : { amountMinor }),
    ...(currency === undefined ? {} : { currency }),
  };
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
