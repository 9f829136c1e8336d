import { createPool } from '../../src/database/pool';
import { silentLog, type TestDatabase } from '../../test/support/database';
import { writeOldEvents } from '../../test/support/old-events';
import { PRODUCT_BOOKS } from '../arms/books';
import { LOADS } from '../loads';
import { openPublishing, type Publishing } from '../publishing';
import { median, spreadOf, type Spread } from '../quantiles';
import type { Place, Rig } from '../rig/rig';
import type { Scenario } from './scenario';
import { placeWaitingOrders } from './waiting-orders';
import { withProduct } from './with-product';

const OLD_EVENTS = 1_000_000;
const QUICK_OLD_EVENTS = 5_000;
const OLD_DAYS = 30;
const ROUNDS = 40;
const SAMPLES_PER_ROUND = 60;
const WARM_UP = 200;
const WAITING_ORDERS = 10_000;
const QUICK_WAITING_ORDERS = 100;
/** Of each state: none waiting, all waiting. */
const STRETCHES = 3;
const STRETCH_SECONDS = 20;

export const growth: Scenario = {
  name: 'growth',
  title: 'a million old events, and ten thousand orders that wait',
  async run(rig, { quick }) {
    return {
      publishMs: await publishingBesideOldEvents(rig, quick),
      answeredMs: await answersBesideWaitingOrders(rig, quick),
    };
  },
};

/**
 * From the commit of an event to the end of its delivery, with an empty table and with a full one in turns. Temporal is not
 * on the way: what grows is PostgreSQL's.
 */
async function publishingBesideOldEvents(rig: Rig, quick: boolean): Promise<Record<string, unknown>> {
  const oldEvents = quick ? QUICK_OLD_EVENTS : OLD_EVENTS;
  const empty = await openPlace(rig);
  const full = await openPlace(rig);
  try {
    await writeOldEvents(full.place.databaseUrl, { count: oldEvents, newestDays: OLD_DAYS });
    for (const table of ['outbox', 'deliveries', 'delivery_attempts'])
      await rig.postgres.query(`vacuum (analyze) aftercommit.${table}`, [], full.place.database);
    await rig.postgres.query('checkpoint');
    const arms = [empty, full];
    for (const { publishing } of arms) await sample(publishing, quick ? 10 : WARM_UP);
    const samples: [number[], number[]] = [[], []];
    for (let round = 0; round < (quick ? 2 : ROUNDS); round += 1) {
      // Each round begins with the other one.
      for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
        samples[index].push(...(await sample(arms[index]!.publishing, SAMPLES_PER_ROUND)));
    }
    const [emptySpread, fullSpread] = samples.map(spreadOf) as [Spread, Spread];
    return { oldEvents, empty: emptySpread, full: fullSpread, ratio: fullSpread.p50 / emptySpread.p50 };
  } finally {
    await empty.close();
    await full.close();
  }
}

async function openPlace(
  rig: Rig,
): Promise<{ place: Place; publishing: Publishing; close(): Promise<void> }> {
  const place = await rig.place({ needsTemporal: false, books: PRODUCT_BOOKS }, { settle: false });
  const pool = createPool({ url: place.databaseUrl, size: 4, name: 'bench', log: silentLog });
  const database: TestDatabase = { url: place.databaseUrl, pool, drop: () => place.forget() };
  const publishing = await openPublishing(database, rig.receivers.sinkUrl);
  return {
    place,
    publishing,
    async close() {
      await publishing.close();
      await pool.end();
      await place.forget();
    },
  };
}

async function sample(publishing: Publishing, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let n = 0; n < count; n += 1) samples.push(await publishing.publishOne());
  return samples;
}

/** The same processes before and after the waiting orders came, so that nothing but them differs. */
function answersBesideWaitingOrders(rig: Rig, quick: boolean): Promise<Record<string, unknown>> {
  return withProduct(rig, {}, async (run) => {
    const waitingOrders = quick ? QUICK_WAITING_ORDERS : WAITING_ORDERS;
    const load = LOADS.find(({ name }) => name === 'r20')!;
    const seconds = quick ? 2 : STRETCH_SECONDS;
    const p50 = async (): Promise<number> => {
      const asks = await rig.load.run({ url: run.product.url, load, seconds });
      const accepted = asks.filter(({ status }) => status === 201);
      return median(accepted.map(({ dueAt, answeredAt }) => answeredAt - dueAt));
    };
    const stretches = async (): Promise<number> => {
      const medians: number[] = [];
      for (let stretch = 0; stretch < STRETCHES; stretch += 1) medians.push(await p50());
      return median(medians);
    };
    await p50();
    const without = await stretches();
    await placeWaitingOrders(rig, run, waitingOrders);
    await p50();
    const beside = await stretches();
    return { lane: run.lane, waitingOrders, p50Without: without, p50Beside: beside, ratio: beside / without };
  });
}
