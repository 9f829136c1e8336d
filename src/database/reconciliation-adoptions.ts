import type { Pool } from 'pg';
import { isUndone, type OrderStatus } from '../domain/orders';
import { applyPaymentChange, findPayment, rememberIntent } from './payments';
import { statement, transaction } from './transaction';

/**
 * Writes a capture that only the gateway knew of. Idempotent.
 * @returns `owed` when the order cannot take it any more: it has to go back
 */
export async function adoptCapture(
  pool: Pool,
  capture: { paymentId: string; authorizationId: string; captureId: string },
): Promise<'paid' | 'owed'> {
  const { paymentId, authorizationId, captureId } = capture;
  return transaction(pool, async (client) => {
    // The order's row first, as everywhere.
    const { rows } = await client.query<{ order_id: string; status: OrderStatus }>(
      `select order_id, status from aftercommit.orders
       where order_id = (select order_id from aftercommit.payments where payment_id = $1) for no key update`,
      [paymentId],
    );
    const order = rows[0];
    if (order === undefined) throw new RangeError('the payment does not exist');
    const ids = { orderId: order.order_id, paymentId };
    await rememberIntent(client, ids);
    const before = await findPayment(client, paymentId);
    const payment = await applyPaymentChange(client, ids, {
      state: 'CAPTURED',
      authorizationId,
      captureId,
      errorCode: before?.errorCode ?? undefined,
    });
    return payment.undoneAt !== null || isUndone(order.status) ? 'owed' : 'paid';
  });
}

/** Parked steps of a run that was replaced: nobody waits for their decision any more. Idempotent. */
export async function closeEpochConflicts(pool: Pool, orderId: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.parked_steps set state = 'RESOLVED', resolved_at = now()
     where order_id = $1 and reason = 'epoch_conflict' and state = 'OPEN'`,
    [orderId],
  );
}
