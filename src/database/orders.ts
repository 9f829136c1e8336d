import type { Pool } from 'pg';
import { ORDER_SOURCE } from '../domain/events';
import { NOTHING_TO_FULFIL, type Fulfilment } from '../domain/fulfilment';
import {
  committedView,
  deadlineOf,
  orderDetail,
  orderWorkflowId,
  statesAfterCommit,
  totalMinor,
  type Ending,
  type OrderProgress,
  type OrderRequest,
  type OrderStatus,
  type PaymentMode,
  type PaymentStatus,
  type Places,
} from '../domain/orders';
import { notificationOf } from './events';
import { FULFILMENT_COLUMN } from './fulfilment';
import { eventIdOf, paymentIdOf, shipmentIdOf } from './ids';
import { IS_LIVE } from './payments';
import type { PhoneHash } from './phone-hash';
import { insertReceipt } from './receipts';
import type { StoredAnswer } from './requests';
import { statement, transaction, type Queryable } from './transaction';

/**
 * Commits orders in one transaction and one round trip: receipt, order, lines, guarded stock, event, message.
 * Idempotent by order id: a repeat changes nothing. The order, the stock and the event come together or not at all.
 */
export async function placeOrders(
  pool: Pool,
  orders: { orderId: string; caller: string; request: OrderRequest }[],
  context: { at: string; places: Places; phoneHash: PhoneHash },
): Promise<PlacedOrder[]> {
  const rows = orders.map((order) => rowsOf(order, context));
  return statement<PlacedOrder>(
    pool,
    `select order_id as "orderId", state, outcome ->> 'code' as code, decided_now as "decidedNow"
     from aftercommit.place_orders($1, $2)`,
    [JSON.stringify(rows), context.at],
  );
}

/** What the receipt of a commit holds, and whether this call wrote it. */
export interface PlacedOrder {
  orderId: string;
  state: 'done' | 'refused' | 'fenced';
  code: string | null;
  decidedNow: boolean;
}

/** One element of `place_orders`' argument. */
function rowsOf(
  order: { orderId: string; caller: string; request: OrderRequest },
  context: { at: string; places: Places; phoneHash: PhoneHash },
): object {
  const { orderId, request } = order;
  const after = statesAfterCommit(request.payment.mode);
  const eventId = eventIdOf(orderId, after.event, 1);
  const customerId = request.customer.id;
  return {
    order_id: orderId,
    caller: order.caller,
    customer_id: customerId,
    phone: request.customer.phone,
    phone_hash: context.phoneHash(request.customer.phone),
    country: request.customer.country ?? null,
    channels: request.customer.channels,
    shipping: request.shipping ?? null,
    cart_id: request.cartId ?? null,
    workflow_id: orderWorkflowId(orderId),
    status: after.status,
    payment_mode: request.payment.mode,
    payment_status: after.paymentStatus,
    deadline:
      request.payment.mode === 'wait' ? deadlineOf(context.at, request.payment.deadlineSeconds) : null,
    total_minor: totalMinor(request.lines),
    currency: request.currency,
    take: after.take,
    lines: request.lines.map((line, index) => ({
      line_number: index,
      sku: line.sku,
      quantity: line.quantity,
      unit_price_minor: line.unitPriceMinor,
    })),
    event: {
      id: eventId,
      source: ORDER_SOURCE,
      type: after.event,
      payload: {
        ...orderDetail({
          orderId,
          customerId,
          lines: request.lines,
          currency: request.currency,
          paymentMode: request.payment.mode,
        }),
        seq: 1,
      },
    },
    notification: notificationOf({ type: after.event, eventId, customerId }),
    payment:
      request.payment.mode === 'charge'
        ? { payment_id: paymentIdOf(orderId), method: request.payment.method ?? '' }
        : null,
    shipment_id: shipmentIdOf(orderId),
    answer_status: 201,
    answer_body: JSON.stringify(committedView({ orderId, request, at: context.at, places: context.places })),
  };
}

interface ProgressRow {
  state: 'done' | 'refused' | 'fenced';
  code: string | null;
  status: OrderStatus | null;
  payment_status: PaymentStatus | null;
  payment_mode: PaymentMode | null;
  payment_id: string | null;
  payment_is_live: boolean | null;
  deadline: string | null;
  fulfilment: Fulfilment | null;
  epoch: number | null;
  ending: Ending | null;
}

/** What was decided, or null while nothing is. */
export async function readProgress(client: Queryable, orderId: string): Promise<OrderProgress | null> {
  const { rows } = await client.query<ProgressRow>(
    `select r.state, r.outcome ->> 'code' as code, o.status, o.payment_status, o.payment_mode, o.deadline, o.epoch, o.ending,
       p.payment_id, ${IS_LIVE} as payment_is_live,
       ${FULFILMENT_COLUMN} as fulfilment
     from aftercommit.step_receipts r
     left join aftercommit.orders o on o.order_id = r.order_id
     left join lateral (select * from aftercommit.order_payments where order_id = r.order_id) p on true
     where r.order_id = $1 and r.step = 'commit' and r.op = 'do'`,
    [orderId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    decision: row.state === 'done' ? 'committed' : row.state === 'refused' ? 'rejected' : 'closed',
    code: row.state === 'fenced' ? 'transaction_closed' : row.code,
    status: row.status ?? 'REJECTED',
    paymentStatus: row.payment_status ?? 'NONE',
    paymentMode: row.payment_mode ?? 'none',
    paymentId: row.payment_id,
    paymentIsLive: row.payment_id !== null && row.payment_is_live === true,
    deadline: row.deadline,
    fulfilment: row.status === null ? NOTHING_TO_FULFIL : (row.fulfilment ?? NOTHING_TO_FULFIL),
    epoch: row.epoch ?? 1,
    ending: row.ending,
  };
}

/**
 * Makes the commit of an order impossible unless it has happened: a fence on `commit`. Waits for a commit that is still
 * running. Idempotent; the answer is final.
 */
export async function closeTransaction(pool: Pool, orderId: string): Promise<OrderProgress> {
  return transaction(pool, async (client) => {
    await insertReceipt(client, { orderId, step: 'commit', op: 'do' }, 'fenced', {
      code: 'transaction_closed',
    });
    await client.query('update aftercommit.order_requests set body = null where order_id = $1', [orderId]);
    const progress = await readProgress(client, orderId);
    if (progress === null) throw new RangeError('a fenced order has a receipt');
    return progress;
  });
}

/** Stores the answer to a rejected request unless one is stored. Returns the one that counts: the first. */
export async function storeAnswer(pool: Pool, orderId: string, answer: StoredAnswer): Promise<StoredAnswer> {
  const [row] = await statement<{ answer_status: number; answer_body: string }>(
    pool,
    `update aftercommit.step_receipts
     set answer_status = coalesce(answer_status, $2), answer_body = coalesce(answer_body, $3)
     where order_id = $1 and step = 'commit' and op = 'do' returning answer_status, answer_body`,
    [orderId, answer.status, answer.body],
  );
  if (row === undefined) throw new RangeError('an answer needs a decision');
  return { status: row.answer_status, body: row.answer_body };
}
