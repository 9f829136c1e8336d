import type { Pool } from 'pg';
import type { PaymentState } from '../domain/payments';
import { finishReceipt, insertReceipt, readReceipt, type ReceiptState } from './receipts';
import { statement, transaction } from './transaction';

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
  authorizationId: string | null;
  captureId: string | null;
  capturedMinor: number;
  refundedMinor: number;
  errorCode: string | null;
}

const COLUMNS = `payment_id as "paymentId", order_id as "orderId", method, amount_minor as "amountMinor", currency, state,
  key_number as "keyNumber", key_at as "keyAt", authorization_id as "authorizationId", capture_id as "captureId",
  captured_minor as "capturedMinor", refunded_minor as "refundedMinor", error_code as "errorCode"`;

export async function readPayment(pool: Pool, paymentId: string): Promise<Payment> {
  const [row] = await statement<Payment>(
    pool,
    `select ${COLUMNS} from aftercommit.payments where payment_id = $1`,
    [paymentId],
  );
  if (row === undefined) throw new RangeError('the payment does not exist');
  return row;
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
        `update aftercommit.payments set state = 'FAILED', error_code = 'cancelled', updated_at = now() where payment_id = $1`,
        [payment.paymentId],
      );
      return false;
    }
    return (await readReceipt(client, key))?.state !== 'fenced';
  });
}

/** A step of a payment's life and the states it may come from: a late answer never takes a payment back. */
const MAY_FOLLOW: Record<Exclude<PaymentState, 'INTENDED'>, PaymentState[]> = {
  AUTHORIZED: ['INTENDED'],
  // A capture that shows up late is money that moved, whatever was believed before.
  CAPTURED: ['INTENDED', 'AUTHORIZED', 'VOIDED', 'DECLINED', 'FAILED'],
  DECLINED: ['INTENDED', 'AUTHORIZED'],
  VOIDED: ['INTENDED', 'AUTHORIZED'],
  FAILED: ['INTENDED', 'AUTHORIZED'],
};

/** Receipt states that a capture may replace: also a refusal that turned out to be wrong. */
const LATE: ReceiptState[] = ['intended', 'refused'];

export interface PaymentChange {
  state: Exclude<PaymentState, 'INTENDED'>;
  authorizationId?: string | undefined;
  captureId?: string | undefined;
  errorCode?: string | undefined;
}

/**
 * Stores a definite answer of the gateway, with the receipt's outcome once there is one. Idempotent; an answer that comes
 * after a later state changes nothing.
 */
export async function recordPayment(pool: Pool, payment: Payment, change: PaymentChange): Promise<Payment> {
  return transaction(pool, async (client) => {
    const key = { orderId: payment.orderId, step: `pay:${payment.paymentId}`, op: 'do' } as const;
    if (change.state === 'CAPTURED')
      await finishReceipt(client, key, 'done', { captureId: change.captureId }, LATE);
    if (change.state === 'DECLINED' || change.state === 'FAILED' || change.state === 'VOIDED') {
      await finishReceipt(client, key, 'refused', { code: change.errorCode ?? change.state.toLowerCase() });
    }
    await client.query(
      `update aftercommit.payments
       set state = $2, authorization_id = coalesce($3, authorization_id), capture_id = coalesce($4, capture_id),
           captured_minor = case when $2 = 'CAPTURED' then amount_minor else captured_minor end,
           error_code = $5, updated_at = now()
       where payment_id = $1 and state = any($6)`,
      [
        payment.paymentId,
        change.state,
        change.authorizationId ?? null,
        change.captureId ?? null,
        change.errorCode ?? null,
        MAY_FOLLOW[change.state],
      ],
    );
    const { rows } = await client.query<Payment>(
      `select ${COLUMNS} from aftercommit.payments where payment_id = $1`,
      [payment.paymentId],
    );
    return rows[0]!;
  });
}

/** Takes the next idempotency key after a definite failure of `payment.keyNumber`. Idempotent: two tries raise it once. */
export async function raisePaymentKey(pool: Pool, payment: Payment): Promise<Payment> {
  await statement(
    pool,
    `update aftercommit.payments set key_number = key_number + 1, key_at = now(), updated_at = now()
     where payment_id = $1 and key_number = $2 and state in ('INTENDED', 'AUTHORIZED')`,
    [payment.paymentId, payment.keyNumber],
  );
  return readPayment(pool, payment.paymentId);
}
