import type { Queryable } from './transaction';

export interface StockMove {
  from: 'reserved' | 'sold';
  to: 'sold' | 'available';
  /** RFC 3339. */
  at: string;
}

/** Less is there than the order holds: its reservation was damaged by something outside of the service. */
export class StockShortError extends Error {}

/**
 * Moves an order's whole quantity, in sorted order. Last in its transaction: the hottest rows are held shortest.
 * @throws StockShortError when less than the order's quantity is there; the transaction must be rolled back
 */
export async function moveStock(client: Queryable, orderId: string, move: StockMove): Promise<void> {
  if (await isShort(client, orderId, move)) throw new StockShortError('the stock of the order is not there');
  await client.query(
    `update aftercommit.inventory i
     set ${move.from} = i.${move.from} - l.quantity, ${move.to} = i.${move.to} + l.quantity, updated_at = $2
     from (${QUANTITIES}) l where i.sku = l.sku`,
    [orderId, move.at],
  );
}

/** Moves as much of an order's quantity as is there: what goes back is never held up by what somebody else has taken. */
export async function moveWhatIsThere(client: Queryable, orderId: string, move: StockMove): Promise<void> {
  await isShort(client, orderId, move);
  await client.query(
    `update aftercommit.inventory i
     set ${move.from} = i.${move.from} - least(i.${move.from}, l.quantity),
         ${move.to} = i.${move.to} + least(i.${move.from}, l.quantity), updated_at = $2
     from (${QUANTITIES}) l where i.sku = l.sku`,
    [orderId, move.at],
  );
}

const QUANTITIES =
  'select sku, sum(quantity)::int as quantity from aftercommit.order_lines where order_id = $1 group by sku';

/** Locks the order's products, sorted, so that two orders that share some wait for each other instead of deadlocking. */
async function isShort(client: Queryable, orderId: string, { from }: StockMove): Promise<boolean> {
  const { rows } = await client.query<{ short: boolean }>(
    `with held as (
       select i.sku, i.${from} as there from aftercommit.inventory i
       where i.sku in (select sku from aftercommit.order_lines where order_id = $1) order by i.sku for no key update)
     select l.quantity > coalesce(held.there, 0) as short from (${QUANTITIES}) l left join held using (sku)`,
    [orderId],
  );
  return rows.some((row) => row.short);
}
