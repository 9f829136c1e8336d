import type { Pool } from 'pg';
import type { OrderStatus } from '../domain/orders';
import {
  IdempotencyKeyReusedError,
  InvalidValueError,
  NothingCapturedError,
  OrderNotSettledError,
  RefundExceedsCapturedError,
} from '../errors';
import { undoRefundIdOf } from './ids';
import { insertReceipt } from './receipts';
import { checkRefundLines, type CheckedLine } from './refund-lines';
import { findRefund, type Refund, type RefundLine } from './refund-rows';
import { transaction, type Queryable } from './transaction';

export interface RefundRequest {
  refundId: string;
  orderId: string;
  /** Minor units; null is all that is left. Not read where there are lines: then it is their sum. */
  amountMinor: number | null;
  /** What it is for, if the caller said so; null or empty otherwise. */
  lines?: readonly RefundLine[] | null;
  reason: string | null;
  restock: boolean;
  actor: string;
  /** Tells another request under the same id from a repeat of this one. */
  fingerprint: string;
}

/** The payment that a refund is of, held until the transaction ends. */
interface HeldPayment {
  paymentId: string;
  capturedMinor: number;
  currency: string;
  isUndone: boolean;
  /** An operator gave a refund of it up: that money is still owed, and nobody works on it. */
  hasFailedRefund: boolean;
}

/**
 * Writes that a refund of the payment that counts is to be made, under the order's lock: all refunds of a payment together,
 * pending ones counted and failed ones not, never exceed what was captured. Idempotent by refund id.
 * @throws NothingCapturedError, OrderNotSettledError, RefundExceedsCapturedError, InvalidValueError,
 *   IdempotencyKeyReusedError (none retryable)
 */
export async function requestRefund(
  pool: Pool,
  request: RefundRequest,
): Promise<{ refund: Refund; inserted: boolean }> {
  return transaction(pool, async (client) => {
    const { orderId, refundId } = request;
    // The lock first: the statements after it see every refund that was asked for before.
    const status = await lockOrderStatus(client, orderId);
    const existing = await findRefund(client, refundId);
    if (existing !== null) return { refund: sameRequest(existing, request), inserted: false };
    const payment = await holdPayment(client, orderId);
    if (payment === null)
      throw new NothingCapturedError('Nothing was captured for this order, so nothing can be refunded.');
    refuseUnsettled(status, payment);
    const lines = await checkRefundLines(client, orderId, request.lines ?? []);
    const amountMinor = await refundable(client, payment, { ...request, lines });
    return {
      refund: await insertRefund(client, request, { ...payment, amountMinor, lines }),
      inserted: true,
    };
  });
}

async function lockOrderStatus(client: Queryable, orderId: string): Promise<OrderStatus | null> {
  const { rows } = await client.query<{ status: OrderStatus }>(
    'select status from aftercommit.orders where order_id = $1 for no key update',
    [orderId],
  );
  return rows[0]?.status ?? null;
}

/** The live payment; where there is none, one of which a refund was given up. Null when no money was taken. */
async function holdPayment(client: Queryable, orderId: string): Promise<HeldPayment | null> {
  const { rows } = await client.query<HeldPayment>(
    `select p.payment_id as "paymentId", p.captured_minor as "capturedMinor", p.currency,
            p.undone_at is not null as "isUndone",
            exists (select 1 from aftercommit.refunds f
                    where f.payment_id = p.payment_id and f.state = 'FAILED') as "hasFailedRefund"
     from aftercommit.payments p where p.order_id = $1 and p.captured_minor > 0
     order by p.undone_at is null desc, "hasFailedRefund" desc, p.created_at desc limit 1 for no key update of p`,
    [orderId],
  );
  return rows[0] ?? null;
}

/** Nobody outside refunds an order whose payment is still being settled or undone: two hands would move the same money. */
function refuseUnsettled(status: OrderStatus | null, { isUndone, hasFailedRefund }: HeldPayment): void {
  const isMoving = status === null || status === 'PENDING_PAYMENT' || status === 'COMPENSATING';
  const isSettled = status === 'CONFIRMED' || status === 'SHIPPED' || status === 'COMPLETED';
  if (isUndone ? hasFailedRefund && !isMoving : isSettled) return;
  throw new OrderNotSettledError('The payment of this order is being settled or undone, or was undone.', {
    extensions: { state: status ?? 'UNKNOWN' },
  });
}

function sameRequest(refund: Refund, { fingerprint }: RefundRequest): Refund {
  if (refund.fingerprint === fingerprint) return refund;
  throw new IdempotencyKeyReusedError('This Idempotency-Key was used for another refund.');
}

/** Captured minus all refunds that count, in minor units. */
async function leftOf(
  client: Queryable,
  payment: Pick<HeldPayment, 'paymentId' | 'capturedMinor'>,
): Promise<number> {
  const { rows } = await client.query<{ taken: number }>(
    `select coalesce(sum(amount_minor), 0)::bigint as taken from aftercommit.refunds
     where payment_id = $1 and state <> 'FAILED'`,
    [payment.paymentId],
  );
  return payment.capturedMinor - rows[0]!.taken;
}

/** The amount to refund, in minor units: what was asked for, if what is left covers it. */
async function refundable(
  client: Queryable,
  payment: HeldPayment,
  request: Pick<RefundRequest, 'amountMinor' | 'restock'> & { lines: readonly CheckedLine[] },
): Promise<number> {
  const left = await leftOf(client, payment);
  const { lines } = request;
  const ofLines = lines.reduce((sum, line) => sum + line.amountMinor, 0);
  const amountMinor = lines.length > 0 ? ofLines : (request.amountMinor ?? left);
  if (amountMinor > left || amountMinor <= 0) {
    throw new RefundExceedsCapturedError(`At most ${left} minor units are left to refund.`, {
      fields: [{ pointer: lines.length > 0 ? '/lines' : '/amountMinor', message: `at most ${left}` }],
      extensions: { refundableMinor: left },
    });
  }
  if (!request.restock || amountMinor === left) return amountMinor;
  const message = 'only with a refund of all that is left';
  throw new InvalidValueError(
    'Stock goes back with the refund of all that is left: the whole order returns, once.',
    { fields: [{ pointer: '/restock', message }] },
  );
}

type NewRefund = Pick<RefundRequest, 'refundId' | 'orderId' | 'reason' | 'restock' | 'actor'> & {
  fingerprint: string | null;
};

async function insertRefund(
  client: Queryable,
  { refundId, orderId, reason, restock, actor, fingerprint }: NewRefund,
  of: Pick<HeldPayment, 'paymentId' | 'currency'> & { amountMinor: number; lines: readonly CheckedLine[] },
): Promise<Refund> {
  const { paymentId, currency, amountMinor, lines } = of;
  const key = { orderId, step: `refund:${refundId}`, op: 'do' } as const;
  await insertReceipt(client, key, 'intended', { amountMinor });
  await client.query(
    `insert into aftercommit.refunds (refund_id, order_id, payment_id, amount_minor, currency, reason, restock, actor,
                                      fingerprint, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now())`,
    [refundId, orderId, paymentId, amountMinor, currency, reason, restock, actor, fingerprint],
  );
  await client.query(
    `insert into aftercommit.refund_lines (refund_id, line_number, amount_minor)
     select $1, l."lineNumber", l."amountMinor" from jsonb_to_recordset($2) as l ("lineNumber" int, "amountMinor" bigint)`,
    [refundId, JSON.stringify(lines)],
  );
  return (await findRefund(client, refundId))!;
}

/**
 * Takes a whole payment back: it pays for its order no more, and what is left of it is to be refunded. Idempotent: whoever
 * asks gets the same refund, also one that an operator gave up.
 * @returns null when nothing is left to give back
 */
export async function requestUndo(
  pool: Pool,
  payment: { orderId: string; paymentId: string },
): Promise<string | null> {
  const { orderId, paymentId } = payment;
  const refundId = undoRefundIdOf(paymentId);
  return transaction(pool, async (client) => {
    await lockOrderStatus(client, orderId);
    const { rows } = await client.query<{ captured_minor: number; currency: string }>(
      `update aftercommit.payments set undone_at = coalesce(undone_at, now()), updated_at = now()
       where payment_id = $1 and order_id = $2 returning captured_minor, currency`,
      [paymentId, orderId],
    );
    if (rows[0] === undefined) throw new RangeError('the payment does not exist');
    if ((await findRefund(client, refundId)) !== null) return refundId;
    const { captured_minor: capturedMinor, currency } = rows[0];
    const amountMinor = await leftOf(client, { paymentId, capturedMinor });
    if (amountMinor === 0) return null;
    const undo = { refundId, orderId, reason: 'the payment was undone', restock: false };
    const by = { actor: 'aftercommit', fingerprint: null };
    await insertRefund(client, { ...undo, ...by }, { paymentId, currency, amountMinor, lines: [] });
    return refundId;
  });
}
