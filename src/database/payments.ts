import type { Pool } from 'pg';
import type { PaymentState } from '../domain/payments';
import { finishReceipt, insertReceipt, readReceipt, type ReceiptState } from './receipts';
import { statement, transaction, type Queryable } from './transaction';

export interface Payment {
  paymentId: string;
  orderId: string;
  method: string;
  amountMinor: number;
  currency: string;
  state: PaymentState;
  keyNumber: number;
  /** When this key was taken, RFC 3339. */
  keyAt: string;
  /** RFC 3339: since when it is being taken back; null while it may pay for the order. */
  undoneAt: string | null;
  authorizationId: string | null;
  captureId: string | null;
  /** Where the customer confirms it, while the gateway waits for that. */
  actionUrl: string | null;
  capturedMinor: number;
  refundedMinor: number;
  errorCode: string | null;
}

/** The columns of a Payment. */
export const PAYMENT_COLUMNS = `payment_id as "paymentId", order_id as "orderId", method, amount_minor as "amountMinor", currency, state,
  key_number as "keyNumber", key_at as "keyAt", undone_at as "undoneAt", authorization_id as "authorizationId",
  capture_id as "captureId", action_url as "actionUrl",
  captured_minor as "capturedMinor", refunded_minor as "refundedMinor", error_code as "errorCode"`;

/** @throws RangeError when there is none: a bug in the caller */
export async function readPayment(pool: Pool, paymentId: string): Promise<Payment> {
  const payment = await findPayment(pool, paymentId);
  if (payment === null) throw new RangeError('the payment does not exist');
  return payment;
}

/** A payment `p` that may still pay for its order, or has paid for it: at most one of an order, which an index sees to. */
export const IS_LIVE = `(p.undone_at is null and p.state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED', 'CAPTURED'))`;

/** The live payment of an order whose row the caller holds, or null. */
export async function livePaymentOf(client: Queryable, orderId: string): Promise<string | null> {
  const { rows } = await client.query<{ payment_id: string }>(
    `select p.payment_id from aftercommit.payments p where p.order_id = $1 and ${IS_LIVE}`,
    [orderId],
  );
  return rows[0]?.payment_id ?? null;
}

export async function findPayment(client: Queryable, paymentId: string): Promise<Payment | null> {
  const { rows } = await client.query<Payment>(
    `select ${PAYMENT_COLUMNS} from aftercommit.payments where payment_id = $1`,
    [paymentId],
  );
  return rows[0] ?? null;
}

/**
 * Writes that a charge is about to be asked for, before anything is sent. Idempotent.
 * @returns false when an undo came first: nothing may be sent any more
 */
export async function intendPayment(
  pool: Pool,
  payment: { orderId: string; paymentId: string },
): Promise<boolean> {
  return transaction(pool, async (client) => {
    const key = { orderId: payment.orderId, step: `pay:${payment.paymentId}`, op: 'do' } as const;
    if (await insertReceipt(client, key, 'intended')) return true;
    return (await readReceipt(client, key))?.state !== 'fenced';
  });
}

/**
 * The first step of an undo: when nothing was ever sent to the gateway, a fence takes the place of the intent, and no
 * charge can be started any more. Idempotent.
 * @returns true when a charge was intended and its outcome must be found out
 */
export async function fencePayment(
  pool: Pool,
  payment: { orderId: string; paymentId: string },
): Promise<boolean> {
  return transaction(pool, async (client) => {
    const key = { orderId: payment.orderId, step: `pay:${payment.paymentId}`, op: 'do' } as const;
    if (await insertReceipt(client, key, 'fenced')) {
      await client.query(
        `update aftercommit.payments
         set state = 'FAILED', error_code = 'cancelled', undone_at = coalesce(undone_at, now()), updated_at = now() where payment_id = $1`,
        [payment.paymentId],
      );
      return false;
    }
    await client.query(
      'update aftercommit.payments set undone_at = now(), updated_at = now() where payment_id = $1 and undone_at is null',
      [payment.paymentId],
    );
    return (await readReceipt(client, key))?.state !== 'fenced';
  });
}

/** Whatever the gateway did was asked for by somebody: from now on an undo must ask it what happened. Idempotent. */
export async function rememberIntent(
  client: Queryable,
  { orderId, paymentId }: Pick<Payment, 'orderId' | 'paymentId'>,
): Promise<void> {
  await client.query(
    `insert into aftercommit.step_receipts (order_id, step, op, state) values ($1, $2, 'do', 'intended')
     on conflict (order_id, step, op) do update set state = 'intended' where step_receipts.state = 'fenced'`,
    [orderId, `pay:${paymentId}`],
  );
}

/** A step of a payment's life and the states it may come from: a late answer never takes a payment back. */
const MAY_FOLLOW: Record<Exclude<PaymentState, 'INTENDED'>, PaymentState[]> = {
  REQUIRES_ACTION: ['INTENDED'],
  AUTHORIZED: ['INTENDED', 'REQUIRES_ACTION'],
  // A capture that shows up late is money that moved, whatever was believed before.
  CAPTURED: ['INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED', 'VOIDED', 'DECLINED', 'FAILED'],
  // Our own void is told by a webhook too, which may come before the reason for it is stored.
  DECLINED: ['INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED', 'VOIDED'],
  VOIDED: ['INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED'],
  FAILED: ['INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED'],
};

/** Receipt states that a capture may replace: also a refusal that turned out to be wrong. */
const LATE: ReceiptState[] = ['intended', 'refused'];

export interface PaymentChange {
  state: Exclude<PaymentState, 'INTENDED'>;
  authorizationId?: string | undefined;
  captureId?: string | undefined;
  actionUrl?: string | undefined;
  errorCode?: string | undefined;
}

/**
 * Stores a definite answer of the gateway, with the receipt's outcome once there is one. Idempotent; an answer that comes
 * after a later state changes nothing.
 */
export async function recordPayment(pool: Pool, payment: Payment, change: PaymentChange): Promise<Payment> {
  return transaction(pool, (client) => applyPaymentChange(client, payment, change));
}

/** The same in the caller's transaction. */
export async function applyPaymentChange(
  client: Queryable,
  payment: Pick<Payment, 'orderId' | 'paymentId'>,
  change: PaymentChange,
): Promise<Payment> {
  const key = { orderId: payment.orderId, step: `pay:${payment.paymentId}`, op: 'do' } as const;
  if (change.state === 'CAPTURED')
    await finishReceipt(client, key, 'done', { captureId: change.captureId }, LATE);
  if (change.state === 'DECLINED' || change.state === 'FAILED' || change.state === 'VOIDED') {
    await finishReceipt(client, key, 'refused', { code: change.errorCode ?? change.state.toLowerCase() });
  }
  // A capture of a payment that was given up finds another one in its place, or none that it may take: it stays undone, and
  // why it was given up stays there.
  await client.query(
    `update aftercommit.payments p
     set state = $2, authorization_id = coalesce($3, authorization_id), capture_id = coalesce($4, capture_id),
         captured_minor = case when $2 = 'CAPTURED' then amount_minor else captured_minor end,
         action_url = case when $2 = 'REQUIRES_ACTION' then $7 end,
         undone_at = case when $2 = 'CAPTURED' and p.state in ('DECLINED', 'VOIDED', 'FAILED') then coalesce(undone_at, now()) else undone_at end,
         error_code = case when $2 = 'CAPTURED' and (undone_at is not null or p.state in ('DECLINED', 'VOIDED', 'FAILED'))
           then coalesce($5, error_code) else $5 end,
         updated_at = now()
     where payment_id = $1 and state = any($6)`,
    [
      payment.paymentId,
      change.state,
      change.authorizationId ?? null,
      change.captureId ?? null,
      change.errorCode ?? null,
      MAY_FOLLOW[change.state],
      change.actionUrl ?? null,
    ],
  );
  const changed = await findPayment(client, payment.paymentId);
  if (changed === null) throw new RangeError('the payment does not exist');
  return changed;
}

/** Takes the next idempotency key after a definite failure of `payment.keyNumber`. Idempotent: two tries raise it once. */
export async function raisePaymentKey(pool: Pool, payment: Payment): Promise<Payment> {
  await statement(
    pool,
    `update aftercommit.payments set key_number = key_number + 1, key_at = now(), updated_at = now()
     where payment_id = $1 and key_number = $2 and state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED')`,
    [payment.paymentId, payment.keyNumber],
  );
  return readPayment(pool, payment.paymentId);
}
