import { setTimeout as delay } from 'node:timers/promises';
import { LOADS } from '../loads';
import { residentBytesOf } from '../rig/process-times';
import type { Rig } from '../rig/rig';
import type { Scenario } from './scenario';
import { placeWaitingOrders } from './waiting-orders';
import { withProduct, type ProductRun } from './with-product';

const ORDERS = 10_000;
const QUICK_ORDERS = 200;
/** Before the first reading: what every process has once it has worked. */
const WARM_UP_SECONDS = 10;
/** For what is only there until the next collection. */
const REST_MS = 15_000;
const QUICK_REST_MS = 1_000;

export const memory: Scenario = {
  name: 'memory',
  title: 'resident memory of an order that waits for its payment',
  run: (rig, { quick }) =>
    withProduct(rig, {}, async (run) => {
      const orders = quick ? QUICK_ORDERS : ORDERS;
      const restMs = quick ? QUICK_REST_MS : REST_MS;
      const load = LOADS.find(({ name }) => name === 'r150')!;
      await rig.load.run({ url: run.product.url, load, seconds: quick ? 1 : WARM_UP_SECONDS });
      await delay(restMs);
      const before = residentOf(run);
      await placeWaitingOrders(rig, run, orders);
      await delay(restMs);
      const after = residentOf(run);
      return {
        lane: run.lane,
        waitingOrders: orders,
        productBytesPerOrder: Math.round((after.product - before.product) / orders),
        temporalBytesPerOrder: Math.round((after.temporal - before.temporal) / orders),
        databaseBytesPerOrder: Math.round((await databaseBytes(rig, run)) / orders),
        residentBytes: { before, after },
      };
    }),
};

function residentOf({ product, place }: ProductRun): { product: number; temporal: number } {
  return {
    product: product.nodes.reduce((sum, { pid }) => sum + residentBytesOf(pid), 0),
    temporal: place.temporal === null ? 0 : residentBytesOf(place.temporal.pid),
  };
}

/** Rows and indexes of the product; the few orders of the warm-up are among them. */
async function databaseBytes(rig: Rig, { place }: ProductRun): Promise<number> {
  const [row] = await rig.postgres.query<{ bytes: number }>(
    `select sum(pg_total_relation_size(c.oid))::float8 as bytes
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'aftercommit' and c.relkind = 'r'`,
    [],
    place.database,
  );
  return row?.bytes ?? 0;
}
