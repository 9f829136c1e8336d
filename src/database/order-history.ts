import type { Pool } from 'pg';
import type { OrderEvent } from '../domain/order-history';
import { statement } from './transaction';

/** Events of one order, at most; an order has some tens. */
const EVENTS_MAX = 1_000;

/** The events of an order, by seq. Those that are older than their retention are not there any more. */
export async function readOrderEvents(pool: Pool, orderId: string): Promise<OrderEvent[]> {
  return statement<OrderEvent>(
    pool,
    `select type, seq, created_at as time, jsonb_build_object('orderId', aggregate_id) || payload as detail
     from aftercommit.outbox where aggregate_type = 'order' and aggregate_id = $1 order by seq limit ${EVENTS_MAX}`,
    [orderId],
  );
}
