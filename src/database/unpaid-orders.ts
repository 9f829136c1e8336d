import type { Pool } from 'pg';
import { ORDER_SOURCE } from '../domain/events';
import type { Ending } from '../domain/orders';
import { notificationOf } from './events';
import { OWN_ORDERS } from './groups';
import { eventIdOf } from './ids';
import { transaction, type Queryable } from './transaction';

interface DueOrder {
  orderId: string;
  seq: number;
  customerId: string;
  workflowId: string;
}

/**
 * Releases the orders of a group that were not paid in time, in one transaction: stock back, EXPIRED, `order.expired`, the
 * message. Orders with a payment are left to workflows of their own. Idempotent by the `commit` undo receipt.
 * @returns the orders that this call released
 */
export async function releaseUnpaid(
  pool: Pool,
  release: { groupId: string; ending: Ending; at: string; limit: number },
): Promise<string[]> {
  const { groupId, ending, at, limit } = release;
  return transaction(pool, async (client) => {
    const { rows: due } = await client.query<DueOrder>(
      `select o.order_id as "orderId", o.last_seq + 1 as seq, o.customer_id as "customerId", o.workflow_id as "workflowId"
       from aftercommit.orders o
       where o.order_id in (${OWN_ORDERS}) and o.status = 'PENDING_PAYMENT' and o.payment_mode = 'wait' and o.deadline <= now()
         and not exists (select 1 from aftercommit.payments p where p.order_id = o.order_id)
       order by o.order_id limit $2 for no key update of o`,
      [groupId, limit],
    );
    const unpaid = await withoutPayment(client, due);
    if (unpaid.length === 0) return [];
    const rows = unpaid.map((order) => rowOf(order, ending));
    await client.query('select aftercommit.release_orders($1, $2, $3)', [
      JSON.stringify(rows),
      JSON.stringify(ending),
      at,
    ]);
    return unpaid.map(({ orderId }) => orderId);
  });
}

/**
 * Looks once more, with the orders' locks held: a payment that was asked for while this waited for its order's lock changed
 * nothing in the order's row, so the statement that waited has not seen it.
 */
async function withoutPayment(client: Queryable, due: readonly DueOrder[]): Promise<DueOrder[]> {
  if (due.length === 0) return [];
  const { rows } = await client.query<{ orderId: string }>(
    'select distinct order_id as "orderId" from aftercommit.payments where order_id = any ($1::uuid[])',
    [due.map(({ orderId }) => orderId)],
  );
  const paid = new Set(rows.map(({ orderId }) => orderId));
  return due.filter(({ orderId }) => !paid.has(orderId));
}

/** One element of `release_orders`' argument. */
function rowOf({ orderId, seq, customerId, workflowId }: DueOrder, ending: Ending): object {
  const eventId = eventIdOf(orderId, ending.event, seq);
  const { code, status } = ending;
  return {
    order_id: orderId,
    seq,
    workflow_id: workflowId,
    event: {
      id: eventId,
      source: ORDER_SOURCE,
      type: ending.event,
      // As `endOrder` writes it.
      payload: { orderId, code, status, paymentStatus: 'FAILED', customerId, seq },
    },
    notification: notificationOf({ type: ending.event, eventId, customerId }),
  };
}
