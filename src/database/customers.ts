import type { Pool } from 'pg';
import { statement } from './transaction';

/** Personal data of an order's customer, read at the moment of sending and stored nowhere else. */
export async function readContact(
  pool: Pool,
  orderId: string,
): Promise<{ id: string; phone: string } | null> {
  const [row] = await statement<{ id: string; phone: string }>(
    pool,
    'select customer_id as id, phone from aftercommit.order_contacts where order_id = $1',
    [orderId],
  );
  return row ?? null;
}
