import type { Pool } from 'pg';
import {
  isStockReturned,
  mayBeUndone,
  type Ending,
  type OrderStatus,
  type PaymentStatus,
} from '../domain/orders';
import { OrderNotCancellableError } from '../errors';
import { appendEvent } from './events';
import { isSold, type OrderStep } from './order-settling';
import { insertReceipt, lockOrder } from './receipts';
import { moveWhatIsThere } from './stock';
import { transaction, type Queryable } from './transaction';

/**
 * `not_yet`: the deadline has not passed by the database's clock. `paid`: a payment was captured before the deadline was
 * acted upon, and wins. `too_late`: the order is past the point where it can be undone.
 */
export type BeginOutcome = 'begun' | 'not_yet' | 'paid' | 'too_late';

/**
 * Marks an order as being closed, so that nothing settles it any more. Idempotent.
 * @throws EpochConflictError (not retryable)
 */
export async function beginEnding(pool: Pool, step: OrderStep & { ending: Ending }): Promise<BeginOutcome> {
  return transaction(pool, async (client) => {
    const order = await lockOrder<{
      status: OrderStatus;
      is_due: boolean | null;
      ships: boolean;
      is_paid: boolean;
    }>(
      client,
      step,
      `status, deadline <= now() as is_due,
       exists (select 1 from aftercommit.shipments s where s.order_id = orders.order_id) as ships,
       exists (select 1 from aftercommit.payments p
               where p.order_id = orders.order_id and p.undone_at is null and p.state = 'CAPTURED') as is_paid`,
    );
    if (order.status === 'COMPENSATING') return 'begun';
    if (!mayBeUndone(order, step.ending.code)) return 'too_late';
    if (step.ending.status === 'EXPIRED' && order.is_due !== true) return 'not_yet';
    if (step.ending.status === 'EXPIRED' && order.is_paid) return 'paid';
    await client.query(
      `update aftercommit.orders set status = 'COMPENSATING', ending = $2, updated_at = $3 where order_id = $1`,
      [step.orderId, JSON.stringify(step.ending), step.at],
    );
    return 'begun';
  });
}

/**
 * Undoes a commit: stock back to available, the order closed, its counter-event, in one transaction. Idempotent by the
 * `commit` undo receipt; over a commit that never happened it leaves a fence and does nothing else.
 * @throws EpochConflictError, OrderNotCancellableError (not retryable)
 */
export async function endOrder(pool: Pool, step: OrderStep & { ending: Ending }): Promise<void> {
  const { orderId, at } = step;
  await transaction(pool, async (client) => {
    const closed = { code: 'transaction_closed' };
    if (await insertReceipt(client, { orderId, step: 'commit', op: 'do' }, 'fenced', closed)) return;
    const order = await lockOrder<EndedOrder>(
      client,
      step,
      `status, workflow_id, ending, ${isSold('orders')} as is_sold`,
    );
    // As it was begun: another reason that came later is none.
    const ending = order.ending ?? step.ending;
    if (!(await insertReceipt(client, { orderId, step: 'commit', op: 'undo' }, 'done', ending))) return;
    if (order.status !== 'PENDING_PAYMENT' && order.status !== 'COMPENSATING') {
      throw new OrderNotCancellableError('The order is past the point where its stock can be released.');
    }
    const { rows } = await client.query<{ payment_status: PaymentStatus }>(
      `update aftercommit.orders
       set status = $2, updated_at = $3, ending = $4,
           payment_status = case when payment_status = 'PENDING' then 'FAILED' else payment_status end
       where order_id = $1 returning payment_status`,
      [orderId, ending.status, at, JSON.stringify(ending)],
    );
    const detail = {
      orderId,
      code: ending.code,
      status: ending.status,
      paymentStatus: rows[0]!.payment_status,
    };
    await appendEvent(client, { orderId, type: ending.event, detail, at, workflowId: order.workflow_id });
    await giveStockBack(client, { ...step, ending }, order.is_sold);
  });
}

interface EndedOrder {
  status: OrderStatus;
  workflow_id: string;
  ending: Ending | null;
  is_sold: boolean;
}

/** Stock that is not there does not keep the order from its end: reconciliation finds what is missing. */
async function giveStockBack(
  client: Queryable,
  { orderId, at, ending }: OrderStep & { ending: Ending },
  isSold: boolean,
): Promise<void> {
  if (!isSold) return moveWhatIsThere(client, orderId, { from: 'reserved', to: 'available', at });
  if (!isStockReturned(ending.code)) return;
  // A receipt of its own: a refund that put the goods back before has it already.
  if (await insertReceipt(client, { orderId, step: 'restock', op: 'do' }, 'done'))
    await moveWhatIsThere(client, orderId, { from: 'sold', to: 'available', at });
}
