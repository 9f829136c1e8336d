import type { Pool } from 'pg';
import type { PointsState } from '../domain/fulfilment';
import { statement } from './transaction';

/** What an order earned. Null when it earned none. */
export interface PointsEntry {
  entryId: string;
  customerId: string;
  points: number;
  state: PointsState;
  errorCode: string | null;
}

export async function readPoints(pool: Pool, orderId: string): Promise<PointsEntry | null> {
  const [row] = await statement<PointsEntry>(
    pool,
    `select entry_id as "entryId", customer_id as "customerId", points, state, error_code as "errorCode"
     from aftercommit.points where order_id = $1`,
    [orderId],
  );
  return row ?? null;
}
