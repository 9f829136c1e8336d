import type { Pool } from 'pg';
import {
  committedView,
  orderDetail,
  orderWorkflowId,
  orderLinks,
  statesAfterCommit,
  totalMinor,
  type Ending,
  type OrderLine,
  type OrderProgress,
  type OrderRequest,
  type OrderStatus,
  type OrderView,
  type PaymentMode,
  type PaymentStatus,
  type Places,
} from '../domain/orders';
import { ORDER_SOURCE } from '../domain/events';
import { OrderNotCancellableError } from '../errors';
import { statusAfterRefund } from '../domain/payments';
import { appendEvent, notificationOf } from './events';
import { eventIdOf, paymentIdOf } from './ids';
import { pageOf, type Page } from './page';
import type { PhoneHash } from './phone-hash';
import { insertReceipt, lockOrder, readReceipt } from './receipts';
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
    workflow_id: orderWorkflowId(orderId),
    status: after.status,
    payment_mode: request.payment.mode,
    payment_status: after.paymentStatus,
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
        ...orderDetail({ orderId, customerId, lines: request.lines, currency: request.currency }),
        seq: 1,
      },
    },
    notification: notificationOf({ type: after.event, eventId, customerId }),
    payment:
      request.payment.mode === 'none'
        ? null
        : { payment_id: paymentIdOf(orderId), method: request.payment.method ?? '' },
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
  epoch: number | null;
  ending: Ending | null;
}

/** What was decided, or null while nothing is. */
export async function readProgress(client: Queryable, orderId: string): Promise<OrderProgress | null> {
  const { rows } = await client.query<ProgressRow>(
    `select r.state, r.outcome ->> 'code' as code, o.status, o.payment_status, o.payment_mode, p.payment_id, o.epoch, o.ending
     from aftercommit.step_receipts r
     left join aftercommit.orders o on o.order_id = r.order_id
     left join aftercommit.payments p on p.order_id = r.order_id
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

export interface OrderStep {
  orderId: string;
  epoch: number;
  /** RFC 3339. */
  at: string;
}

/**
 * Paid: reservation to sold, order CONFIRMED, `order.confirmed`, in one transaction. Idempotent by the `settle` receipt.
 * @returns false when the order is being closed or is closed: the payment must be undone
 * @throws EpochConflictError (not retryable)
 */
export async function settleOrder(pool: Pool, step: OrderStep): Promise<boolean> {
  const { orderId, at } = step;
  return transaction(pool, async (client) => {
    const key = { orderId, step: 'settle', op: 'do' } as const;
    if (!(await insertReceipt(client, key, 'done')))
      return (await readReceipt(client, key))?.state === 'done';
    const order = await lockOrder<{
      status: OrderStatus;
      workflow_id: string;
      customer_id: string;
      currency: string;
    }>(client, step, 'status, workflow_id, customer_id, currency');
    if (order.status !== 'PENDING_PAYMENT') {
      await client.query(
        `update aftercommit.step_receipts set state = 'refused' where order_id = $1 and step = 'settle' and op = 'do'`,
        [orderId],
      );
      return false;
    }
    const lines = await readLines(client, orderId);
    await client.query(
      `update aftercommit.orders set status = 'CONFIRMED', payment_status = $3, updated_at = $2 where order_id = $1`,
      [orderId, at, await paidStatus(client, orderId)],
    );
    const detail = orderDetail({ orderId, customerId: order.customer_id, lines, currency: order.currency });
    await appendEvent(client, {
      orderId,
      type: 'order.confirmed',
      detail,
      at,
      workflowId: order.workflow_id,
    });
    await moveStock(client, orderId, { from: 'reserved', to: 'sold', at });
    return true;
  });
}

/** What the payment's own row says: nobody assumes that nothing was refunded yet. */
async function paidStatus(client: Queryable, orderId: string): Promise<PaymentStatus> {
  const { rows } = await client.query<{ captured: number; refunded: number }>(
    'select captured_minor as captured, refunded_minor as refunded from aftercommit.payments where order_id = $1',
    [orderId],
  );
  return statusAfterRefund(rows[0]?.captured ?? 0, rows[0]?.refunded ?? 0);
}

/**
 * Marks an order as being closed, so that nothing settles it any more. Idempotent.
 * @returns false when it is too late: the order is in a terminal state
 * @throws EpochConflictError (not retryable)
 */
export async function beginEnding(pool: Pool, step: OrderStep & { ending: Ending }): Promise<boolean> {
  return transaction(pool, async (client) => {
    const order = await lockOrder<{ status: OrderStatus }>(client, step, 'status');
    if (order.status === 'COMPENSATING') return true;
    if (order.status !== 'PENDING_PAYMENT') return false;
    await client.query(
      `update aftercommit.orders set status = 'COMPENSATING', ending = $2, updated_at = $3 where order_id = $1`,
      [step.orderId, JSON.stringify(step.ending), step.at],
    );
    return true;
  });
}

/**
 * Undoes a commit: stock back to available, the order closed, its counter-event, in one transaction. Idempotent by the
 * `commit` undo receipt; over a commit that never happened it leaves a fence and does nothing else.
 * @throws EpochConflictError, OrderNotCancellableError (not retryable)
 */
export async function endOrder(pool: Pool, step: OrderStep & { ending: Ending }): Promise<void> {
  const { orderId, at, ending } = step;
  await transaction(pool, async (client) => {
    const closed = { code: 'transaction_closed' };
    if (await insertReceipt(client, { orderId, step: 'commit', op: 'do' }, 'fenced', closed)) return;
    if (!(await insertReceipt(client, { orderId, step: 'commit', op: 'undo' }, 'done', ending))) return;
    const order = await lockOrder<{ status: OrderStatus; workflow_id: string }>(
      client,
      step,
      'status, workflow_id',
    );
    if (order.status !== 'PENDING_PAYMENT' && order.status !== 'COMPENSATING') {
      throw new OrderNotCancellableError('The order is past the point where its stock can be released.');
    }
    await client.query(
      `update aftercommit.orders
       set status = $2, updated_at = $3, ending = $4,
           payment_status = case when payment_status = 'PENDING' then 'FAILED' else payment_status end
       where order_id = $1`,
      [orderId, ending.status, at, JSON.stringify(ending)],
    );
    const detail = { orderId, code: ending.code };
    await appendEvent(client, { orderId, type: ending.event, detail, at, workflowId: order.workflow_id });
    await moveStock(client, orderId, { from: 'reserved', to: 'available', at });
  });
}

/** Moves an order's whole quantity, each SKU guarded by its check constraint, in sorted order. Last in its transaction. */
export async function moveStock(
  client: Queryable,
  orderId: string,
  move: { from: 'reserved' | 'sold'; to: 'sold' | 'available'; at: string },
): Promise<void> {
  await client.query(
    `select 1 from aftercommit.inventory
     where sku in (select sku from aftercommit.order_lines where order_id = $1) order by sku for no key update`,
    [orderId],
  );
  await client.query(
    `update aftercommit.inventory i
     set ${move.from} = i.${move.from} - l.quantity, ${move.to} = i.${move.to} + l.quantity, updated_at = $2
     from (select sku, sum(quantity)::int as quantity from aftercommit.order_lines where order_id = $1 group by sku) l
     where i.sku = l.sku`,
    [orderId, move.at],
  );
}

async function readLines(client: Queryable, orderId: string): Promise<OrderLine[]> {
  const { rows } = await client.query<OrderLine>(
    `select sku, quantity, unit_price_minor as "unitPriceMinor" from aftercommit.order_lines
     where order_id = $1 order by line_number`,
    [orderId],
  );
  return rows;
}

interface OrderRow {
  order_id: string;
  customer_id: string;
  status: OrderStatus;
  payment_mode: PaymentMode;
  payment_status: PaymentStatus;
  total_minor: number;
  currency: string;
  workflow_id: string;
  created_at: string;
  updated_at: string;
  lines: OrderLine[];
  captured_minor: number | null;
  refunded_minor: number | null;
  error_code: string | null;
}

const ORDER = `
  select o.*, p.captured_minor, p.refunded_minor, p.error_code,
    (select json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity, 'unitPriceMinor', l.unit_price_minor) order by l.line_number)
     from aftercommit.order_lines l where l.order_id = o.order_id) as lines`;

/** An order as callers see it now, or null. */
export async function readOrder(pool: Pool, orderId: string, places: Places): Promise<OrderView | null> {
  const [row] = await statement<OrderRow>(
    pool,
    `${ORDER} from aftercommit.orders o left join aftercommit.payments p using (order_id) where o.order_id = $1`,
    [orderId],
  );
  return row === undefined ? null : viewOf(row, places);
}

export interface OrderFilter {
  status?: OrderStatus | undefined;
  customerId?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** Orders, newest first. */
export async function listOrders(pool: Pool, filter: OrderFilter, places: Places): Promise<Page<OrderView>> {
  return pageOf<OrderView, OrderRow>(pool, {
    text: `${ORDER}, o.order_id as page_id, o.created_at as page_at
           from aftercommit.orders o left join aftercommit.payments p using (order_id)
           where ($1::text is null or o.status = $1) and ($2::text is null or o.customer_id = $2)
             and ($3::timestamptz is null or o.created_at >= $3) and ($4::timestamptz is null or o.created_at < $4)`,
    values: [filter.status ?? null, filter.customerId ?? null, filter.from ?? null, filter.to ?? null],
    page: filter,
    view: (row) => viewOf(row, places),
  });
}

function viewOf(row: OrderRow, places: Places): OrderView {
  return {
    orderId: row.order_id,
    status: row.status,
    customerId: row.customer_id,
    lines: row.lines,
    totalMinor: row.total_minor,
    currency: row.currency,
    payment: {
      mode: row.payment_mode,
      status: row.payment_status,
      capturedMinor: row.captured_minor ?? 0,
      refundedMinor: row.refunded_minor ?? 0,
      errorCode: row.error_code,
    },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    workflowId: row.workflow_id,
    links: orderLinks(row.order_id, places),
  };
}
