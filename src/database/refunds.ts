import type { Pool } from 'pg';
import type { OrderStatus } from '../domain/orders';
import type { RefundState } from '../domain/payments';
import { statusAfterRefund } from '../domain/payments';
import {
  IdempotencyKeyReusedError,
  InvalidValueError,
  NothingCapturedError,
  OrderNotSettledError,
  RefundExceedsCapturedError,
} from '../errors';
import { appendEvent } from './events';
import { undoRefundIdOf } from './ids';
import { moveStock } from './orders';
import { finishReceipt, insertReceipt } from './receipts';
import { statement, transaction, type Queryable } from './transaction';

export interface Refund {
  refundId: string;
  orderId: string;
  paymentId: string;
  amountMinor: number;
  currency: string;
  state: RefundState;
  keyNumber: number;
  /** When this key was taken, RFC 3339. */
  keyAt: string;
  captureId: string;
  errorCode: string | null;
}

const READ = `
  select f.refund_id as "refundId", f.order_id as "orderId", f.payment_id as "paymentId", f.amount_minor as "amountMinor",
         f.currency, f.state, f.key_number as "keyNumber", f.key_at as "keyAt", p.capture_id as "captureId", f.error_code as "errorCode"
  from aftercommit.refunds f join aftercommit.payments p using (payment_id)`;

export async function readRefund(pool: Pool, refundId: string): Promise<Refund | null> {
  const [row] = await statement<Refund>(pool, `${READ} where f.refund_id = $1`, [refundId]);
  return row ?? null;
}

export interface RefundRequest {
  refundId: string;
  orderId: string;
  /** Minor units; null is all that is left. */
  amountMinor: number | null;
  reason: string | null;
  restock: boolean;
  actor: string;
  /** null for a refund that no HTTP request asked for. */
  fingerprint: string | null;
}

/**
 * Writes that a refund is to be made, under the payment's lock: all refunds together, pending ones counted, never exceed
 * what was captured. Idempotent by refund id.
 * @throws NothingCapturedError, RefundExceedsCapturedError, IdempotencyKeyReusedError (none retryable)
 */
export async function requestRefund(
  pool: Pool,
  request: RefundRequest,
): Promise<{ refund: Refund; inserted: boolean }> {
  return transaction(pool, async (client) => {
    const { rows: orders } = await client.query<{ status: OrderStatus }>(
      'select status from aftercommit.orders where order_id = $1 for no key update',
      [request.orderId],
    );
    // The locks first: the statements after them see every refund that was asked for before.
    const { rows: payments } = await client.query<{
      payment_id: string;
      captured_minor: number;
      currency: string;
    }>(
      'select payment_id, captured_minor, currency from aftercommit.payments where order_id = $1 for no key update',
      [request.orderId],
    );
    const existing = await findRefund(client, request);
    if (existing !== null) return { refund: existing, inserted: false };
    const payment = payments[0];
    if (payment === undefined || payment.captured_minor === 0) {
      throw new NothingCapturedError('Nothing was captured for this order, so nothing can be refunded.');
    }
    if (request.fingerprint !== null) refuseUnsettled(orders[0]?.status);
    const amountMinor = await refundable(client, payment, request);
    const step = `refund:${request.refundId}`;
    await insertReceipt(client, { orderId: request.orderId, step, op: 'do' }, 'intended', { amountMinor });
    await client.query(
      `insert into aftercommit.refunds (refund_id, order_id, payment_id, amount_minor, currency, reason, restock, actor,
                                        fingerprint, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now())`,
      [
        request.refundId,
        request.orderId,
        payment.payment_id,
        amountMinor,
        payment.currency,
        request.reason,
        request.restock,
        request.actor,
        request.fingerprint,
      ],
    );
    const { rows } = await client.query<Refund>(`${READ} where f.refund_id = $1`, [request.refundId]);
    return { refund: rows[0]!, inserted: true };
  });
}

/** Nobody outside refunds an order whose payment is still being settled or undone: two hands would move the same money. */
function refuseUnsettled(status: OrderStatus | undefined): void {
  if (status === 'CONFIRMED' || status === 'SHIPPED' || status === 'COMPLETED') return;
  throw new OrderNotSettledError('The payment of this order is being settled or undone, or was undone.', {
    extensions: { state: status ?? 'UNKNOWN' },
  });
}

/** The refund of an earlier try of the same request. */
async function findRefund(client: Queryable, request: RefundRequest): Promise<Refund | null> {
  const { rows } = await client.query<Refund & { fingerprint: string | null }>(
    `select found.*, f.fingerprint from (${READ}) as found join aftercommit.refunds f on f.refund_id = found."refundId"
     where f.refund_id = $1`,
    [request.refundId],
  );
  const refund = rows[0];
  if (refund === undefined) return null;
  if (refund.fingerprint !== request.fingerprint) {
    throw new IdempotencyKeyReusedError('This Idempotency-Key was used for another refund.');
  }
  return refund;
}

/** The amount to refund, in minor units: what was asked for, if captured minus all refunds, pending ones counted, covers it. */
async function refundable(
  client: Queryable,
  payment: { captured_minor: number },
  request: RefundRequest,
): Promise<number> {
  const { rows } = await client.query<{ taken: number }>(
    'select coalesce(sum(amount_minor), 0)::bigint as taken from aftercommit.refunds where order_id = $1',
    [request.orderId],
  );
  const left = payment.captured_minor - rows[0]!.taken;
  const amountMinor = request.amountMinor ?? left;
  if (amountMinor <= left && amountMinor > 0) {
    if (!request.restock || amountMinor === left) return amountMinor;
    throw new InvalidValueError(
      'Stock goes back with the refund of all that is left: the whole order returns, once.',
      {
        fields: [{ pointer: '/restock', message: 'only with a refund of all that is left' }],
      },
    );
  }
  throw new RefundExceedsCapturedError(`At most ${left} minor units are left to refund.`, {
    fields: [{ pointer: '/amountMinor', message: `at most ${left}` }],
    extensions: { refundableMinor: left },
  });
}

/**
 * Asks for the undo of a whole payment: what is left of it. Idempotent: whoever asks gets the same refund.
 * @returns null when nothing is left to give back
 */
export async function requestUndo(
  pool: Pool,
  payment: { orderId: string; paymentId: string },
): Promise<string | null> {
  const refundId = undoRefundIdOf(payment.paymentId);
  try {
    await requestRefund(pool, {
      refundId,
      orderId: payment.orderId,
      amountMinor: null,
      reason: 'the order was undone',
      restock: false,
      actor: 'aftercommit',
      fingerprint: null,
    });
    return refundId;
  } catch (error) {
    if (error instanceof NothingCapturedError || error instanceof RefundExceedsCapturedError) return null;
    throw error;
  }
}

/** The gateway gave the money back: refund, payment, order's payment status and `order.refunded`, in one transaction. Idempotent. */
export async function settleRefund(
  pool: Pool,
  done: { refundId: string; gatewayRefundId: string; at: string },
): Promise<void> {
  await transaction(pool, async (client) => {
    // The order's row first, as everywhere.
    await client.query(
      `select 1 from aftercommit.orders
       where order_id = (select order_id from aftercommit.refunds where refund_id = $1) for no key update`,
      [done.refundId],
    );
    const { rows } = await client.query<{
      order_id: string;
      payment_id: string;
      amount_minor: number;
      currency: string;
      restock: boolean;
      state: RefundState;
    }>(
      'select order_id, payment_id, amount_minor, currency, restock, state from aftercommit.refunds where refund_id = $1 for no key update',
      [done.refundId],
    );
    const refund = rows[0];
    if (refund === undefined) throw new RangeError('the refund does not exist');
    if (refund.state === 'DONE') return;
    const orderId = refund.order_id;
    await finishReceipt(client, { orderId, step: `refund:${done.refundId}`, op: 'do' }, 'done', {
      gatewayRefundId: done.gatewayRefundId,
    });
    await client.query(
      `update aftercommit.refunds set state = 'DONE', gateway_refund_id = $2, error_code = null, updated_at = $3 where refund_id = $1`,
      [done.refundId, done.gatewayRefundId, done.at],
    );
    const paid = await client.query<{ captured_minor: number; refunded_minor: number }>(
      `update aftercommit.payments set refunded_minor = refunded_minor + $2, updated_at = $3 where payment_id = $1
       returning captured_minor, refunded_minor`,
      [refund.payment_id, refund.amount_minor, done.at],
    );
    const { captured_minor: captured, refunded_minor: refunded } = paid.rows[0]!;
    const order = await client.query<{ workflow_id: string }>(
      'update aftercommit.orders set payment_status = $2, updated_at = $3 where order_id = $1 returning workflow_id',
      [orderId, statusAfterRefund(captured, refunded), done.at],
    );
    await appendEvent(client, {
      orderId,
      type: 'order.refunded',
      detail: {
        orderId,
        refundId: done.refundId,
        amountMinor: refund.amount_minor,
        currency: refund.currency,
      },
      at: done.at,
      workflowId: order.rows[0]!.workflow_id,
    });
    // A receipt of its own: whatever refunds follow each other, the order's quantity goes back once.
    if (refund.restock && (await insertReceipt(client, { orderId, step: 'restock', op: 'do' }, 'done')))
      await moveStock(client, orderId, { from: 'sold', to: 'available', at: done.at });
  });
}

/** The gateway refused for good: an operator must decide. Idempotent. */
export async function parkRefund(pool: Pool, refund: { refundId: string; code: string }): Promise<void> {
  await statement(
    pool,
    `update aftercommit.refunds set state = 'PARKED', error_code = $2, updated_at = now() where refund_id = $1 and state = 'PENDING'`,
    [refund.refundId, refund.code],
  );
}

/** An operator says: try again, with a new key, because the old one's answer is final. Idempotent. */
export async function retryRefund(pool: Pool, refundId: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.refunds set state = 'PENDING', key_number = key_number + 1, key_at = now(), updated_at = now()
     where refund_id = $1 and state = 'PARKED'`,
    [refundId],
  );
}

/** Takes the next idempotency key after a stored error of `keyNumber`. Idempotent: two tries raise it once. */
export async function raiseRefundKey(
  pool: Pool,
  refund: { refundId: string; keyNumber: number },
): Promise<void> {
  await statement(
    pool,
    'update aftercommit.refunds set key_number = key_number + 1, key_at = now(), updated_at = now() where refund_id = $1 and key_number = $2',
    [refund.refundId, refund.keyNumber],
  );
}

/**
 * Refunds that were asked for before `olderThan` (RFC 3339) and are not done, oldest first. Not those of an order that is
 * being undone: its own run makes them. For reconciliation.
 */
export async function pendingRefunds(
  pool: Pool,
  olderThan: string,
  limit: number,
): Promise<{ refundId: string; orderId: string }[]> {
  return statement(
    pool,
    `select f.refund_id as "refundId", f.order_id as "orderId"
     from aftercommit.refunds f join aftercommit.orders o using (order_id)
     where f.state = 'PENDING' and f.created_at < $1 and o.status <> 'COMPENSATING'
     order by f.created_at limit $2`,
    [olderThan, limit],
  );
}
