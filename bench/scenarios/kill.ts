import { setTimeout as delay } from 'node:timers/promises';
import { PRODUCT_BOOKS } from '../arms/books';
import { findDuplicates, findWrongs, readEvidence } from '../audit';
import { SKUS, type Load } from '../loads';
import type { Ask } from '../rig/load';
import type { Rig } from '../rig/rig';
import type { Scenario } from './scenario';
import { withProduct, type ProductRun } from './with-product';

/** Long enough for two starts of processes beside the load. */
const SECONDS = 60;
const QUICK_SECONDS = 30;
/** Of each SKU: they sell out on the fast lane, so that the last unit is fought for too. */
const UNITS = 10;
const CONNECTIONS = 64;
/** What a dead process had claimed is taken over after 40 s; then it is delivered. */
const DRAIN_MS_MAX = 180_000;
const POLL_MS = 250;
/** A process that ends because of the loss has ended by then. */
const SUPERVISOR_MS = 5_000;

export const kill: Scenario = {
  name: 'kill',
  title: 'kill -9 of worker, API and PostgreSQL under load',
  run(rig, { quick }) {
    const prepare = async ({ database }: { database: string }): Promise<void> =>
      void (await rig.postgres.query('update aftercommit.inventory set available = $1', [UNITS], database));
    return withProduct(rig, { layout: 'apart', prepare }, async (run) => {
      await rig.receivers.reset();
      const seconds = quick ? QUICK_SECONDS : SECONDS;
      const load: Load = { name: 'kill', title: 'kill', connections: CONNECTIONS, skus: SKUS };
      const { url } = run.product;
      const asking = rig.load.run({ url, load, seconds, repeatRefused: true });
      const killed = await killAll(rig, run, (seconds * 1_000) / 4);
      const asks = await asking;
      await untilDone(rig, run);
      const evidence = await readEvidence(rig, run.place, { books: PRODUCT_BOOKS });
      const accepted = asks.filter(({ status }) => status === 201).length;
      return {
        lane: run.lane,
        killed,
        accepted,
        soldOut: asks.filter(({ status }) => status === 409).length,
        /** After two and a half minutes of repeats. */
        neitherNor: otherStatuses(asks),
        ...findWrongs(asks, evidence, UNITS),
        orders: new Set(evidence.orders.map((order) => order.order_id)).size,
        messages: evidence.receipts.messages.length,
        duplicates: findDuplicates(asks, evidence),
      };
    });
  },
};

function otherStatuses(asks: readonly Ask[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of asks)
    if (status !== 201 && status !== 409) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** One after the other, each started again at once; the next only when the one before is back. */
async function killAll(rig: Rig, { product }: ProductRun, everyMs: number): Promise<string[]> {
  const killed: string[] = [];
  for (const name of ['worker', 'api']) {
    await delay(everyMs);
    const node = product.nodes.find((one) => one.name === name)!;
    process.kill(node.pid, 'SIGKILL');
    await node.exited;
    await product.restart(name);
    await product.ready();
    killed.push(name);
  }
  await delay(everyMs);
  await rig.postgres.killAndRestart();
  return [...killed, 'postgres', ...(await restartEnded(product))];
}

/** As a supervisor does with a process that gave up because PostgreSQL was away. */
async function restartEnded(product: ProductRun['product']): Promise<string[]> {
  await delay(SUPERVISOR_MS);
  const ended = product.nodes.filter((node) => !node.isRunning()).map(({ name }) => name);
  for (const name of ended) await product.restart(name);
  return ended.map((name) => `${name} (by itself)`);
}

/** Every order that is in the database is published and its message recorded, or the time is up. */
async function untilDone(rig: Rig, { place }: ProductRun): Promise<void> {
  const deadline = Date.now() + DRAIN_MS_MAX;
  while (Date.now() < deadline) {
    const [row] = await rig.postgres.query<{ orders: number }>(
      'select count(*)::int as orders from aftercommit.orders',
      [],
      place.database,
    );
    const [done] = await rig.postgres.query<{ recorded: number }>(
      PRODUCT_BOOKS.recordedSql,
      [],
      place.database,
    );
    if (row !== undefined && done !== undefined && done.recorded >= row.orders) return;
    await delay(POLL_MS);
  }
}
