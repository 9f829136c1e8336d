import { ORDER_SOURCE, type OrderEventType } from '../domain/events';
import {
  orderDetail,
  type Ending,
  type OrderStatus,
  type PaymentMode,
  type PaymentStatus,
} from '../domain/orders';
import { appendEvent } from './events';
import { eventIdOf } from './ids';
import { readLines } from './order-lines';
import type { Queryable } from './transaction';

/** An event that an order must have had, by its state, and that is not there. */
export interface MissingEvent {
  type: OrderEventType;
  refundId: string | null;
}

interface OrderRow {
  customer_id: string;
  currency: string;
  payment_mode: PaymentMode;
  payment_status: PaymentStatus;
  status: OrderStatus;
  ending: Ending | null;
  workflow_id: string;
}

/**
 * Writes the events that an order's state says there must have been. The caller holds the order's row.
 * @param events.seq - the free number of the only one that is missing: it was there once, so it gets the id that it had, and
 * nobody is told a second time. Null: they never were, so they come last, and people are told.
 */
export async function writeMissingEvents(
  client: Queryable,
  events: { orderId: string; missing: readonly MissingEvent[]; seq: number | null; at: string },
): Promise<void> {
  const { orderId, missing, seq, at } = events;
  const { rows } = await client.query<OrderRow>(
    'select customer_id, currency, payment_mode, payment_status, status, ending, workflow_id from aftercommit.orders where order_id = $1',
    [orderId],
  );
  const order = rows[0]!;
  for (const event of missing) {
    const detail = await detailOf(client, { ...event, orderId }, order);
    const { type } = event;
    const { workflow_id: workflowId } = order;
    if (seq === null) await appendEvent(client, { orderId, type, detail, at, workflowId });
    else await putBack(client, { orderId, type, detail, at, workflowId, seq, customerId: order.customer_id });
  }
}

async function putBack(
  client: Queryable,
  event: {
    orderId: string;
    type: OrderEventType;
    detail: Record<string, unknown>;
    at: string;
    workflowId: string;
    seq: number;
    customerId: string;
  },
): Promise<void> {
  const { orderId, type, detail, at, workflowId, seq, customerId } = event;
  await client.query(
    `insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, workflow_id)
     values ($1, 'order', $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
    [
      eventIdOf(orderId, type, seq),
      orderId,
      seq,
      ORDER_SOURCE,
      type,
      JSON.stringify({ ...detail, customerId, seq }),
      at,
      workflowId,
    ],
  );
}

/** What the event says, made anew from the rows that it told of. */
async function detailOf(
  client: Queryable,
  { orderId, type, refundId }: MissingEvent & { orderId: string },
  order: OrderRow,
): Promise<Record<string, unknown>> {
  switch (type) {
    case 'order.placed':
    case 'order.confirmed': {
      const { customer_id: customerId, currency, payment_mode: paymentMode } = order;
      const lines = await readLines(client, orderId);
      const detail = orderDetail({ orderId, customerId, currency, paymentMode, lines });
      return type === 'order.placed' || paymentMode === 'none'
        ? detail
        : { ...detail, capturedMinor: detail['totalMinor'] };
    }
    case 'order.shipped':
    case 'order.delivered': {
      const { rows } = await client.query<{ shipmentId: string; trackingId: string | null }>(
        'select shipment_id as "shipmentId", tracking_id as "trackingId" from aftercommit.shipments where order_id = $1',
        [orderId],
      );
      return { orderId, ...rows[0] };
    }
    case 'order.refunded': {
      const { rows } = await client.query<Record<string, unknown>>(
        `select f.amount_minor as "amountMinor", f.currency, p.captured_minor as "capturedMinor", p.refunded_minor as "refundedMinor"
         from aftercommit.refunds f join aftercommit.order_payments p using (order_id) where f.refund_id = $1`,
        [refundId],
      );
      return { orderId, refundId, ...rows[0], paymentStatus: order.payment_status };
    }
    default:
      return {
        orderId,
        code: order.ending?.code ?? 'unknown',
        status: order.status,
        paymentStatus: order.payment_status,
      };
  }
}
