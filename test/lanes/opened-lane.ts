import type { Pool } from '../../src/database/pool';
import { openFlashLane, type FlashLimits } from '../../src/lanes/flash-lane';
import type { FlashLane, FlashOrder } from '../../src/lanes/lane';
import { FLASH_LIMITS } from '../../src/lanes/limits';
import { askedOf } from '../database/group-fixtures';
import { phoneHash } from '../database/place';
import type { Wanted } from '../database/sale-fixtures';
import { silentLog } from '../support/database';
import { createWorld, stubTemporal, type StubTemporal, type World } from './lane-rig';

/** A flash lane over a real database, whose world is the test's. */
export interface OpenedLane {
  lane: FlashLane;
  temporal: StubTemporal;
  world: World;
}

/** Its windows last longer than a test, unless told otherwise. */
export async function openLane(pool: Pool, limits: Partial<FlashLimits> = {}): Promise<OpenedLane> {
  const temporal = stubTemporal();
  const world = createWorld(pool);
  const lane = await openFlashLane({
    pool,
    temporal: temporal.client,
    deliveries: world.deps,
    places: { temporalUiUrl: null, namespace: 'default' },
    phoneHash,
    log: silentLog,
    limits: {
      ...FLASH_LIMITS,
      keepOpen: false,
      windowMs: 60_000,
      graceMs: 60_000,
      queueMax: 2_000,
      backlogMax: 800,
      ...limits,
    },
  });
  return { lane, temporal, world };
}

/** What of an order differs from the usual. */
export type Wish = Partial<Wanted> & Partial<Pick<FlashOrder['request'], 'shipping' | 'cartId'>>;

/** An order of no sale; its name stands for its key. */
export function flashOrder(
  name: string,
  sku: string,
  { shipping, cartId, ...wanted }: Wish = {},
): FlashOrder {
  const order = askedOf(name, sku, wanted);
  const request = {
    ...order.request,
    ...(shipping === undefined ? {} : { shipping }),
    ...(cartId === undefined ? {} : { cartId }),
  };
  return { ...order, request, fingerprint: order.fingerprint! };
}

export interface PlacedRow {
  group_id: string;
  workflow_id: string;
  status: string;
}

export async function rowOf(pool: Pool, { orderId }: FlashOrder): Promise<PlacedRow | undefined> {
  const { rows } = await pool.query<PlacedRow>(
    'select group_id, workflow_id, status from aftercommit.orders where order_id = $1',
    [orderId],
  );
  return rows[0];
}

/** Deliveries of some orders, as `target state attempts`, sorted. */
export async function deliveriesOf(pool: Pool, orders: readonly FlashOrder[]): Promise<string[]> {
  const { rows } = await pool.query<{ text: string }>(
    `select target_name || ' ' || state || ' ' || attempts as text from aftercommit.deliveries
     where aggregate_id = any ($1) order by 1`,
    [orders.map(({ orderId }) => orderId)],
  );
  return rows.map(({ text }) => text);
}
