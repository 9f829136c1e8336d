import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { skuAt } from '../loads';
import { median } from '../quantiles';
import type { Scenario } from './scenario';
import { withProduct, type ProductRun } from './with-product';

const STARTS = 7;
const QUICK_STARTS = 1;
const POLL_MS = 5;
const START_MS_MAX = 60_000;

export const coldStart: Scenario = {
  name: 'cold-start',
  title: 'from the start of the processes to the first 201',
  run: (rig, { quick }) =>
    withProduct(rig, {}, async (run) => {
      const startsMs: number[] = [];
      for (let start = 0; start < (quick ? QUICK_STARTS : STARTS); start += 1) {
        await run.product.stop();
        const startedAt = performance.now();
        await Promise.all(run.product.nodes.map(({ name }) => run.product.restart(name)));
        await untilCreated(run);
        startsMs.push(performance.now() - startedAt);
      }
      return { lane: run.lane, medianMs: Math.round(median(startsMs)), startsMs: startsMs.map(Math.round) };
    }),
};

/** Asks under a new key each time: an order that was taken too early must not be waited for. */
async function untilCreated({ product }: ProductRun): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (performance.now() < deadline) {
    const answer = await fetch(`${product.url}/v1/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
      body: JSON.stringify({
        customer: { id: 'cus_1', phone: '+14152000001', channels: ['sms'] },
        lines: [{ sku: skuAt(0), quantity: 1, unitPriceMinor: 1_000 }],
        currency: 'EUR',
        payment: { mode: 'none' },
      }),
    }).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.status === 201) return;
    await delay(POLL_MS);
  }
  throw new Error(`no 201 within ${START_MS_MAX / 1_000} s`);
}
