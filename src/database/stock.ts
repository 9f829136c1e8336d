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
 * Moves an order's whole quantity, in sorted order, and in its sale what its units are there. Last in its transaction: the
 * hottest rows are held shortest.
 * @throws StockShortError when less than the order's quantity is there; the transaction must be rolled back
 */
export async function moveStock(client: Queryable, orderId: string, move: StockMove): Promise<void> {
  if (await lockAndCheckShort(client, orderId, move))
    throw new StockShortError('the stock of the order is not there');
  await moveLocked(client, orderId, move);
}

/** Moves as much of an order's quantity as is there: what goes back is never held up by what somebody else has taken. */
export async function moveWhatIsThere(client: Queryable, orderId: string, move: StockMove): Promise<void> {
  await lockAndCheckShort(client, orderId, move);
  await moveLocked(client, orderId, move);
}

const QUANTITIES =
  'select sku, sum(quantity)::int as quantity from aftercommit.order_lines where order_id = $1 group by sku';

/**
 * Moves the units within the order's sale, if it is of one, then locks the order's products, sorted, so that two orders that
 * share some wait for each other instead of deadlocking. In one round trip, and in this order, as a commit does: the scan of
 * the products does not begin before its condition on `moved` is known.
 * @returns true when less is there than the order's quantity, of any of them
 */
async function lockAndCheckShort(
  client: Queryable,
  orderId: string,
  { from, to, at }: StockMove,
): Promise<boolean> {
  const { rows } = await client.query<{ short: boolean }>(
    `with moved as materialized (select aftercommit.move_in_sale($1, '${from}', '${to}', $2)),
     held as (
       select i.sku, i.${from} as there from aftercommit.inventory i
       where exists (select 1 from moved) and i.sku in (select sku from aftercommit.order_lines where order_id = $1)
       order by i.sku for no key update)
     select l.quantity > coalesce(held.there, 0) as short from (${QUANTITIES}) l left join held using (sku)`,
    [orderId, at],
  );
  return rows.some((row) => row.short);
}

/** As much as is there, which is the whole quantity where nothing is short. The caller holds the locks. */
async function moveLocked(client: Queryable, orderId: string, { from, to, at }: StockMove): Promise<void> {
  await client.query(
    `update aftercommit.inventory i
     set ${from} = i.${from} - least(i.${from}, l.quantity), ${to} = i.${to} + least(i.${from}, l.quantity), updated_at = $2
     from (${QUANTITIES}) l where i.sku = l.sku`,
    [orderId, at],
  );
}
