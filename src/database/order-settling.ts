import type { Pool } from 'pg';
import type { Fulfilment } from '../domain/fulfilment';
import { orderDetail, type OrderStatus, type PaymentMode } from '../domain/orders';
import { statusAfterRefund } from '../domain/payments';
import { pointsEarned } from '../domain/points';
import { appendEvent } from './events';
import { readFulfilment } from './fulfilment';
import { pointsEntryIdOf, shipmentIdOf } from './ids';
import { readLines } from './order-lines';
import { insertReceipt, lockOrder, readReceipt } from './receipts';
import { moveStock, StockShortError } from './stock';
import { transaction, type Queryable } from './transaction';

export interface OrderStep {
  orderId: string;
  epoch: number;
  /** RFC 3339. */
  at: string;
}

/** Refused: `order_closed`, `not_captured`, `amount_mismatch` or `stock_short`; the payment must be undone. */
export type SettleOutcome = { settled: true; fulfilment: Fulfilment } | { settled: false; code: string };

export interface SettleStep extends OrderStep {
  /** False where no ledger of points is configured. */
  earnsPoints: boolean;
}

const KEY = { step: 'settle', op: 'do' } as const;

/**
 * SQL: true once an order was confirmed, for its units are sold from then on.
 * @param order - what the query calls its row of `orders`
 */
export const isSold = (order: string): string => `(${order}.payment_mode = 'none' or exists (
  select 1 from aftercommit.step_receipts r
  where r.order_id = ${order}.order_id and r.step = 'settle' and r.op = 'do' and r.state = 'done'))`;

/**
 * Paid: reservation to sold, order CONFIRMED, `order.confirmed`, and what is to be done next, in one transaction.
 * Idempotent by the `settle` receipt.
 * @throws EpochConflictError (not retryable)
 */
export async function settleOrder(pool: Pool, step: SettleStep): Promise<SettleOutcome> {
  try {
    return await transaction(pool, (client) => settle(client, step));
  } catch (error) {
    if (!(error instanceof StockShortError)) throw error;
    return transaction(pool, (client) => refuseUnlessDecided(client, step.orderId, 'stock_short'));
  }
}

interface SettledOrder {
  status: OrderStatus;
  workflow_id: string;
  customer_id: string;
  currency: string;
  total_minor: number;
  payment_mode: PaymentMode;
}

async function settle(client: Queryable, step: SettleStep): Promise<SettleOutcome> {
  const { orderId, at } = step;
  if (!(await insertReceipt(client, { orderId, ...KEY }, 'done'))) return stored(client, orderId);
  const columns = 'status, workflow_id, customer_id, currency, total_minor, payment_mode';
  const order = await lockOrder<SettledOrder>(client, step, columns);
  if (order.status !== 'PENDING_PAYMENT') return refuse(client, orderId, 'order_closed');
  const payment = await capturedPayment(client, orderId);
  if (payment === null) return withoutReceipt(client, orderId, 'not_captured');
  if (!isWhole(order, payment)) return withoutReceipt(client, orderId, 'amount_mismatch');

  await client.query(
    `update aftercommit.orders set status = 'CONFIRMED', payment_status = $3, updated_at = $2 where order_id = $1`,
    [orderId, at, statusAfterRefund(payment.captured, payment.refunded)],
  );
  const detail = orderDetail({
    orderId,
    customerId: order.customer_id,
    lines: await readLines(client, orderId),
    currency: order.currency,
    paymentMode: order.payment_mode,
  });
  await appendEvent(client, {
    orderId,
    type: 'order.confirmed',
    detail: { ...detail, capturedMinor: payment.captured },
    at,
    workflowId: order.workflow_id,
  });
  await client.query('select aftercommit.intend_fulfilment($1, $2, $3, $4, $5)', [
    orderId,
    shipmentIdOf(orderId),
    pointsEntryIdOf(orderId),
    step.earnsPoints ? pointsEarned(payment.captured) : 0,
    at,
  ]);
  const fulfilment = await readFulfilment(client, orderId);
  await moveStock(client, orderId, { from: 'reserved', to: 'sold', at });
  return { settled: true, fulfilment };
}

/** What an earlier try, or an ending, has decided. */
async function stored(client: Queryable, orderId: string): Promise<SettleOutcome> {
  const receipt = await readReceipt(client, { orderId, ...KEY });
  if (receipt?.state === 'done') return { settled: true, fulfilment: await readFulfilment(client, orderId) };
  const code = receipt?.outcome['code'];
  return { settled: false, code: typeof code === 'string' ? code : 'order_closed' };
}

/** For good: whatever pays later, this order will not be confirmed any more. Replaces the receipt of this transaction. */
async function refuse(client: Queryable, orderId: string, code: string): Promise<SettleOutcome> {
  await client.query(
    `update aftercommit.step_receipts set state = 'refused', outcome = $2
     where order_id = $1 and step = 'settle' and op = 'do'`,
    [orderId, JSON.stringify({ code })],
  );
  return { settled: false, code };
}

/** The same after the transaction was rolled back: a try beside this one may have found the stock again. */
async function refuseUnlessDecided(client: Queryable, orderId: string, code: string): Promise<SettleOutcome> {
  if (!(await insertReceipt(client, { orderId, ...KEY }, 'refused', { code })))
    return stored(client, orderId);
  return { settled: false, code };
}

/** This payment does not pay for the order, but another one may. */
async function withoutReceipt(client: Queryable, orderId: string, code: string): Promise<SettleOutcome> {
  await client.query(
    `delete from aftercommit.step_receipts where order_id = $1 and step = 'settle' and op = 'do'`,
    [orderId],
  );
  return { settled: false, code };
}

interface CapturedPayment {
  captured: number;
  refunded: number;
  currency: string;
}

async function capturedPayment(client: Queryable, orderId: string): Promise<CapturedPayment | null> {
  const { rows } = await client.query<CapturedPayment>(
    `select captured_minor as captured, refunded_minor as refunded, currency from aftercommit.payments
     where order_id = $1 and undone_at is null and state = 'CAPTURED'`,
    [orderId],
  );
  return rows[0] ?? null;
}

function isWhole(order: SettledOrder, payment: CapturedPayment): boolean {
  return payment.captured === order.total_minor && payment.currency === order.currency;
}
