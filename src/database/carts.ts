import type { Pool } from 'pg';
import type { CartState } from '../domain/fulfilment';
import { statement } from './transaction';

/** The shopping cart that became an order. Null when it came from none. */
export interface ClearedCart {
  cartId: string;
  state: CartState;
  errorCode: string | null;
}

export async function readCart(pool: Pool, orderId: string): Promise<ClearedCart | null> {
  const [row] = await statement<ClearedCart>(
    pool,
    `select cart_id as "cartId", state, error_code as "errorCode" from aftercommit.carts where order_id = $1`,
    [orderId],
  );
  return row ?? null;
}
