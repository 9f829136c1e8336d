import type { OrderLine } from '../domain/orders';
import type { Queryable } from './transaction';

/** The lines of an order as they were sent. Empty when there is no such order. */
export async function readLines(client: Queryable, orderId: string): Promise<OrderLine[]> {
  const { rows } = await client.query<OrderLine>(
    `select sku, quantity, unit_price_minor as "unitPriceMinor" from aftercommit.order_lines
     where order_id = $1 order by line_number`,
    [orderId],
  );
  return rows;
}
