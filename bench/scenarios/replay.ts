import { setTimeout as delay } from 'node:timers/promises';
import { writeOldEvents } from '../../test/support/old-events';
import type { Rig } from '../rig/rig';
import type { Scenario } from './scenario';
import { withProduct } from './with-product';

const EVENTS = 200_000;
const QUICK_EVENTS = 2_000;
/** The most that the API takes. */
const RATE_PER_SECOND = 10_000;
const POLL_MS = 20;
const STALLED_MS = 60_000;

export const replay: Scenario = {
  name: 'replay',
  title: 'events a second out of the archive, one to a POST',
  run(rig, { quick }) {
    const events = quick ? QUICK_EVENTS : EVENTS;
    const prepare = (place: { databaseUrl: string }): Promise<void> =>
      writeOldEvents(place.databaseUrl, { count: events, newestDays: 1 });
    return withProduct(rig, { prepare }, async ({ product, lane }) => {
      await call('PUT', `${product.url}/v1/rules/old-events`, {
        pattern: { source: ['bench'] },
        targets: [{ target: 'sink' }],
      });
      await rig.receivers.reset();
      const askedAt = performance.now();
      await call('POST', `${product.url}/v1/replays`, {
        types: ['old'],
        target: 'sink',
        ratePerSecond: RATE_PER_SECOND,
      });
      const { firstAt, lastAt } = await untilReceived(rig, events);
      const { events: received } = await rig.receivers.receipts();
      return {
        lane,
        events,
        target: 'http, one event to a POST',
        eventsPerSecond: Math.round((received.size * 1_000) / (lastAt - askedAt)),
        fromFirstArrivalPerSecond: Math.round((received.size * 1_000) / (lastAt - firstAt)),
        missing: events - received.size,
      };
    });
  },
};

async function call(method: string, url: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url} is answered ${answer.status}: ${text}`);
}

/** Until all have come, or nothing came for a while. */
async function untilReceived(rig: Rig, events: number): Promise<{ firstAt: number; lastAt: number }> {
  const startedAt = performance.now();
  let [firstAt, lastAt, received] = [startedAt, startedAt, 0];
  while (received < events && performance.now() - lastAt < STALLED_MS) {
    const counts = await rig.receivers.counts();
    if (counts.events > received) {
      lastAt = performance.now();
      if (received === 0) firstAt = lastAt;
      received = counts.events;
    }
    await delay(POLL_MS);
  }
  return { firstAt, lastAt };
}
