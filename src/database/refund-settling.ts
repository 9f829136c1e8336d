import type { Pool } from 'pg';
import { statusAfterRefund, type RefundState } from '../domain/payments';
import type { OrderStatus, PaymentStatus } from '../domain/orders';
import { appendEvent } from './events';
import { finishReceipt, insertReceipt } from './receipts';
import { findRefund, type Refund } from './refund-rows';
import { moveWhatIsThere } from './stock';
import { statement, transaction, type Queryable } from './transaction';

interface HeldOrder {
  status: OrderStatus;
  workflowId: string;
}

/**
 * The gateway gave the money back: refund, payment, order's payment status and `order.refunded`, in one transaction.
 * Idempotent. One that was given up and shows up all the same is money that moved.
 */
export async function settleRefund(
  pool: Pool,
  done: { refundId: string; gatewayRefundId: string; at: string },
): Promise<void> {
  const { refundId, gatewayRefundId, at } = done;
  await transaction(pool, async (client) => {
    const order = await lockOrderOf(client, refundId);
    const refund = await findRefund(client, refundId);
    if (order === null || refund === null) throw new RangeError('the refund does not exist');
    if (refund.state === 'DONE') return;
    const { orderId, paymentId, amountMinor } = refund;
    const key = { orderId, step: `refund:${refundId}`, op: 'do' } as const;
    await finishReceipt(client, key, 'done', { gatewayRefundId }, ['intended', 'refused']);
    await client.query(
      `update aftercommit.refunds set state = 'DONE', gateway_refund_id = $2, error_code = null, updated_at = $3
       where refund_id = $1`,
      [refundId, gatewayRefundId, at],
    );
    await client.query(
      `update aftercommit.payments set refunded_minor = refunded_minor + $2, updated_at = $3 where payment_id = $1`,
      [paymentId, amountMinor, at],
    );
    await movePaymentStatus(client, { orderId, status: order.status, at });
    await appendEvent(client, {
      orderId,
      type: 'order.refunded',
      detail: { ...detailOf(refund), ...(await paymentAfter(client, orderId)) },
      at,
      workflowId: order.workflowId,
    });
    // A receipt of its own: whatever refunds follow each other, the order's quantity goes back once. Stock that is not there
    // does not hold the money's record up; reconciliation finds what is missing.
    if (refund.restock && (await insertReceipt(client, { orderId, step: 'restock', op: 'do' }, 'done')))
      await moveWhatIsThere(client, orderId, { from: 'sold', to: 'available', at });
  });
}

/** The order's row first, as everywhere. */
async function lockOrderOf(client: Queryable, refundId: string): Promise<HeldOrder | null> {
  const { rows } = await client.query<HeldOrder>(
    `select status, workflow_id as "workflowId" from aftercommit.orders
     where order_id = (select order_id from aftercommit.refunds where refund_id = $1) for no key update`,
    [refundId],
  );
  return rows[0] ?? null;
}

function detailOf({ orderId, refundId, amountMinor, currency, lines }: Refund): Record<string, unknown> {
  const detail = { orderId, refundId, amountMinor, currency };
  return lines.length === 0 ? detail : { ...detail, lines };
}

/**
 * The payment that counts decides, whatever became of others: the refund of one that came late does not touch a confirmed
 * order. Where all money is undone, all of it counts. An order that still waits for its payment goes on waiting.
 */
export async function movePaymentStatus(
  client: Queryable,
  { orderId, status, at }: { orderId: string; status: OrderStatus; at: string },
): Promise<void> {
  if (status === 'PENDING_PAYMENT') return;
  const { rows } = await client.query<{ captured: number; refunded: number }>(
    `select sum(captured_minor)::bigint as captured, sum(refunded_minor)::bigint as refunded
     from aftercommit.payments p where p.order_id = $1 and p.captured_minor > 0
     group by p.undone_at is null order by p.undone_at is null desc limit 1`,
    [orderId],
  );
  const { captured, refunded } = rows[0]!;
  const paymentStatus: PaymentStatus = statusAfterRefund(captured, refunded);
  await client.query(
    'update aftercommit.orders set payment_status = $2, updated_at = $3 where order_id = $1',
    [orderId, paymentStatus, at],
  );
}

/** What the order's payment is now, for those who follow an order by its events. */
async function paymentAfter(client: Queryable, orderId: string): Promise<Record<string, unknown>> {
  const { rows } = await client.query<Record<string, unknown>>(
    `select o.payment_status as "paymentStatus", p.captured_minor as "capturedMinor", p.refunded_minor as "refundedMinor"
     from aftercommit.orders o join aftercommit.order_payments p using (order_id) where o.order_id = $1`,
    [orderId],
  );
  return rows[0] ?? {};
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

/**
 * An operator gives it up: no money moved, and its amount may be refunded again. Idempotent.
 * @returns the state that it is in now: DONE when the gateway made it after all
 */
export async function failRefund(pool: Pool, refundId: string): Promise<RefundState> {
  return transaction(pool, async (client) => {
    if ((await lockOrderOf(client, refundId)) === null) throw new RangeError('the refund does not exist');
    const { orderId, state, errorCode } = (await findRefund(client, refundId))!;
    if (state !== 'PARKED') return state;
    const key = { orderId, step: `refund:${refundId}`, op: 'do' } as const;
    await finishReceipt(client, key, 'refused', { code: errorCode });
    await client.query(
      `update aftercommit.refunds set state = 'FAILED', updated_at = now() where refund_id = $1`,
      [refundId],
    );
    return 'FAILED';
  });
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
