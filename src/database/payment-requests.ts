import type { Pool } from 'pg';
import type { OrderStatus } from '../domain/orders';
import { IdempotencyKeyReusedError, OrderNotPayableError, PaymentInProgressError } from '../errors';
import { appendEvent } from './events';
import type { OrderStep } from './order-settling';
import { findPayment, livePaymentOf, PAYMENT_COLUMNS, type Payment } from './payments';
import { insertReceipt, lockOrder } from './receipts';
import { transaction, type Queryable } from './transaction';

/** Payments that callers ask for, of orders that wait for one. */

export interface PaymentRequest {
  paymentId: string;
  orderId: string;
  method: string;
  fingerprint: string;
}

/**
 * Writes that a caller wants an order paid that waits for it. Idempotent by payment id.
 * @throws OrderNotPayableError, PaymentInProgressError, IdempotencyKeyReusedError (none retryable)
 */
export async function requestPayment(
  pool: Pool,
  request: PaymentRequest,
): Promise<{ payment: Payment; inserted: boolean }> {
  const { paymentId, orderId, method, fingerprint } = request;
  return transaction(pool, async (client) => {
    // The lock first: the statements after it see every payment that was asked for before.
    const order = await lockPayable(client, orderId);
    const known = await findRequested(client, request);
    if (known !== null) return { payment: known, inserted: false };
    if (order?.waits !== true) throw notPayable(order);
    await refuseSecond(client, orderId);
    await client.query(
      `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, fingerprint, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, now(), now())`,
      [paymentId, orderId, method, order.total_minor, order.currency, fingerprint],
    );
    return { payment: (await findPayment(client, paymentId))!, inserted: true };
  });
}

interface PayableOrder {
  status: string;
  total_minor: number;
  currency: string;
  is_due: boolean | null;
  /** True while it may be paid. */
  waits: boolean;
}

async function lockPayable(client: Queryable, orderId: string): Promise<PayableOrder | undefined> {
  const { rows } = await client.query<PayableOrder>(
    `select status, total_minor, currency, deadline <= now() as is_due,
       payment_mode = 'wait' and status = 'PENDING_PAYMENT' and deadline > now() as waits
     from aftercommit.orders where order_id = $1 for no key update`,
    [orderId],
  );
  return rows[0];
}

async function findRequested(client: Queryable, request: PaymentRequest): Promise<Payment | null> {
  const { rows } = await client.query<Payment & { fingerprint: string | null }>(
    `select ${PAYMENT_COLUMNS}, fingerprint from aftercommit.payments where payment_id = $1`,
    [request.paymentId],
  );
  const known = rows[0];
  if (known === undefined) return null;
  if (known.fingerprint !== request.fingerprint)
    throw new IdempotencyKeyReusedError('This Idempotency-Key was used for another payment.');
  return known;
}

function notPayable(order: PayableOrder | undefined): OrderNotPayableError {
  const state = order?.status ?? 'UNKNOWN';
  const message =
    order?.status === 'PENDING_PAYMENT' && order.is_due === true
      ? 'The time to pay for this order is over.'
      : 'This order does not wait for a payment.';
  return new OrderNotPayableError(message, { extensions: { state } });
}

async function refuseSecond(client: Queryable, orderId: string): Promise<void> {
  const paymentId = await livePaymentOf(client, orderId);
  if (paymentId === null) return;
  throw new PaymentInProgressError('Another payment for this order is under way.', {
    extensions: { paymentId },
  });
}

/**
 * A payment of an order that goes on waiting came to nothing: `order.payment_failed`, so that the customer is told.
 * Idempotent by its receipt.
 * @throws EpochConflictError (not retryable)
 */
export async function announceDecline(
  pool: Pool,
  step: OrderStep & { paymentId: string; code: string },
): Promise<void> {
  await transaction(pool, async (client) => {
    const columns = 'status, workflow_id as "workflowId"';
    const order = await lockOrder<{ status: OrderStatus; workflowId: string }>(client, step, columns);
    await writeDecline(client, { ...step, ...order });
  });
}

/** The same in the transaction of a caller who holds the order's row. */
export async function writeDecline(
  client: Queryable,
  decline: {
    orderId: string;
    paymentId: string;
    code: string;
    at: string;
    status: string;
    workflowId: string;
  },
): Promise<void> {
  const { orderId, paymentId, code, at, status, workflowId } = decline;
  if (status !== 'PENDING_PAYMENT') return;
  const key = { orderId, step: `payment_failed:${paymentId}`, op: 'do' } as const;
  if (!(await insertReceipt(client, key, 'done', { code }))) return;
  await client.query('update aftercommit.orders set updated_at = $2 where order_id = $1', [orderId, at]);
  const detail = { orderId, paymentId, code, status };
  await appendEvent(client, { orderId, type: 'order.payment_failed', detail, at, workflowId });
}
