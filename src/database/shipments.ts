import type { Pool } from 'pg';
import { trackedStates, type ShipmentState, type TrackingState } from '../domain/fulfilment';
import type { OrderStatus, ShippingAddress } from '../domain/orders';
import { appendEvent } from './events';
import { isUuid } from './ids';
import { statement, transaction, type Queryable } from './transaction';

export interface Shipment {
  shipmentId: string;
  state: ShipmentState;
  errorCode: string | null;
  /** Null once the person was erased. */
  address: ShippingAddress | null;
  lines: { sku: string; quantity: number }[];
}

/** Personal data, read at the moment of booking and stored nowhere else. Null for an order that does not ship. */
export async function readShipment(pool: Pool, orderId: string): Promise<Shipment | null> {
  const [row] = await statement<Shipment>(
    pool,
    `select s.shipment_id as "shipmentId", s.state, s.error_code as "errorCode", c.shipping as address,
       (select json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity) order by l.line_number)
        from aftercommit.order_lines l where l.order_id = s.order_id) as lines
     from aftercommit.shipments s left join aftercommit.order_contacts c using (order_id) where s.order_id = $1`,
    [orderId],
  );
  return row ?? null;
}

export interface Tracking {
  shipmentId: string;
  state: TrackingState;
  /** Null when only an operator tells. */
  trackingId: string | null;
  /** RFC 3339. */
  at: string;
}

/** `unknown`: no shipment of ours; `contradiction`: goods on their way that were refused or cancelled. */
export type Tracked = { kind: 'changed' | 'old' | 'contradiction'; orderId: string } | { kind: 'unknown' };

/** The same in a transaction of its own, for what the carrier was asked. */
export async function recordTracking(pool: Pool, tracking: Tracking): Promise<Tracked> {
  return transaction(pool, (client) => applyTracking(client, tracking));
}

/**
 * What the carrier says of a shipment: its state, the order's status and the events that tell of it, in the caller's
 * transaction. Idempotent: old news changes nothing.
 */
export async function applyTracking(client: Queryable, tracking: Tracking): Promise<Tracked> {
  if (!isUuid(tracking.shipmentId)) return { kind: 'unknown' };
  const { rows: found } = await client.query<{ order_id: string }>(
    'select order_id from aftercommit.shipments where shipment_id = $1',
    [tracking.shipmentId],
  );
  const orderId = found[0]?.order_id;
  if (orderId === undefined) return { kind: 'unknown' };
  // The order's row first, as everywhere.
  const { rows: orders } = await client.query<TrackedOrder>(
    'select status, workflow_id from aftercommit.orders where order_id = $1 for no key update',
    [orderId],
  );
  const { rows } = await client.query<{ state: ShipmentState }>(
    'select state from aftercommit.shipments where order_id = $1 for no key update',
    [orderId],
  );
  const states = trackedStates(rows[0]!.state, tracking.state);
  if (states === null) return { kind: 'contradiction', orderId };
  for (const state of states) await advance(client, orderId, orders[0]!, { ...tracking, state });
  return { kind: states.length === 0 ? 'old' : 'changed', orderId };
}

interface TrackedOrder {
  status: OrderStatus;
  workflow_id: string;
}

const AFTER = {
  SHIPPED: { from: ['CONFIRMED'], status: 'SHIPPED', event: 'order.shipped' },
  DELIVERED: { from: ['CONFIRMED', 'SHIPPED'], status: 'COMPLETED', event: 'order.delivered' },
} as const;

async function advance(
  client: Queryable,
  orderId: string,
  order: TrackedOrder,
  { shipmentId, trackingId, state, at }: Tracking,
): Promise<void> {
  const { rows } = await client.query<{ tracking_id: string | null }>(
    `update aftercommit.shipments set state = $2, tracking_id = coalesce(tracking_id, $3), updated_at = $4
     where order_id = $1 returning tracking_id`,
    [orderId, state, trackingId, at],
  );
  // An operator decides about goods that came back.
  if (state === 'RETURNED') return;
  const { from, status, event } = AFTER[state];
  const { rowCount } = await client.query(
    `update aftercommit.orders set status = $2, updated_at = $3 where order_id = $1 and status = any($4)`,
    [orderId, status, at, from],
  );
  if (rowCount !== 1) return;
  const detail = { orderId, shipmentId, trackingId: rows[0]!.tracking_id };
  await appendEvent(client, { orderId, type: event, detail, at, workflowId: order.workflow_id });
}

/** An operator says that the goods arrived, whatever the carrier says. Idempotent; what is past that stays as it is. */
export async function completeShipment(pool: Pool, step: { orderId: string; at: string }): Promise<void> {
  await transaction(pool, async (client) => {
    const { rows } = await client.query<{
      shipment_id: string;
      tracking_id: string | null;
      state: ShipmentState;
    }>('select shipment_id, tracking_id, state from aftercommit.shipments where order_id = $1', [
      step.orderId,
    ]);
    const shipment = rows[0];
    if (shipment === undefined) throw new RangeError('the order does not ship');
    await applyTracking(client, {
      shipmentId: shipment.shipment_id,
      trackingId: shipment.tracking_id,
      state: 'DELIVERED',
      at: step.at,
    });
  });
}
