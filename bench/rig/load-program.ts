import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { skuAt } from '../loads';
import { serveProgram } from './child-program';
import { createClock, type Clock } from './clock';
import type { Ask, LoadAnswer, LoadOrder } from './load';

/** The program behind `startLoadGenerator`. */

/** Sockets of an open loop: more orders than that are never under way at its rates. */
const OPEN_LOOP_CONNECTIONS = 256;
/** How often an open loop looks what is due, in milliseconds. */
const TICK_MS = 1;
/** No arm needs longer to answer; what does is lost to its caller. */
const ANSWER_MS_MAX = 180_000;
const CUSTOMERS = 100_000;
/** Repeats of one order whose answer was a refusal for now, and the wait between them. */
const REPEATS_MAX = 600;
const REPEAT_WAIT_MS = 250;

interface Caller {
  order: LoadOrder;
  pools: Pool[];
  clock: Clock;
  asks: Ask[];
  asked: number;
}

async function run(order: LoadOrder): Promise<Ask[]> {
  const { connections = OPEN_LOOP_CONNECTIONS } = order.load;
  const pools = [order.url, ...(order.others ?? [])].map(
    (url) =>
      new Pool(url, {
        connections,
        pipelining: 1,
        headersTimeout: ANSWER_MS_MAX,
        bodyTimeout: ANSWER_MS_MAX,
      }),
  );
  const caller: Caller = { order, pools, clock: createClock(), asks: [], asked: 0 };
  try {
    if (order.load.ratePerSecond === undefined) await closedLoop(caller, connections);
    else await openLoop(caller, order.load.ratePerSecond);
    return caller.asks;
  } finally {
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

async function closedLoop(caller: Caller, connections: number): Promise<void> {
  const endsAt = caller.clock.now() + caller.order.seconds * 1_000;
  const loop = async (): Promise<void> => {
    while (caller.clock.now() < endsAt) await ask(caller, caller.clock.now());
  };
  await Promise.all(Array.from({ length: connections }, loop));
}

async function openLoop(caller: Caller, ratePerSecond: number): Promise<void> {
  const startedAt = caller.clock.now();
  const total = Math.round(ratePerSecond * caller.order.seconds);
  const under: Promise<void>[] = [];
  while (under.length < total) {
    const dueAt = startedAt + (under.length * 1_000) / ratePerSecond;
    if (dueAt <= caller.clock.now()) under.push(ask(caller, dueAt));
    else await delay(TICK_MS);
  }
  await Promise.all(under);
}

async function ask(caller: Caller, dueAt: number): Promise<void> {
  const position = caller.asked++;
  const pool = caller.pools[position % caller.pools.length]!;
  const key = randomUUID();
  const sku = skuAt(Math.floor(Math.random() * caller.order.load.skus));
  const body = orderBody(sku, position);
  let answer = await post(pool, key, body);
  if (caller.order.repeatRefused === true) {
    for (
      let repeat = 0;
      answer.status !== 201 && answer.status !== 409 && repeat < REPEATS_MAX;
      repeat += 1
    ) {
      await delay(REPEAT_WAIT_MS);
      answer = await post(pool, key, body);
    }
  }
  caller.asks.push({ key, sku, dueAt, answeredAt: caller.clock.now(), ...answer });
}

async function post(pool: Pool, key: string, body: string): Promise<{ status: number; orderId: string }> {
  try {
    const { statusCode, body: stream } = await pool.request({
      method: 'POST',
      path: '/v1/orders',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body,
    });
    const text = await stream.text();
    if (statusCode !== 201) return { status: statusCode, orderId: '' };
    return { status: statusCode, orderId: (JSON.parse(text) as { orderId: string }).orderId };
  } catch {
    return { status: 0, orderId: '' };
  }
}

/** Every buyer is somebody else, with a number of their own. */
function orderBody(sku: string, position: number): string {
  const customer = (position * 7_919) % CUSTOMERS;
  return JSON.stringify({
    customer: { id: `cus_${customer}`, phone: `+1415${2_000_000 + customer}`, channels: ['sms'] },
    lines: [{ sku, quantity: 1, unitPriceMinor: 1_000 }],
    currency: 'EUR',
    payment: { mode: 'none' },
  });
}

serveProgram<LoadOrder, LoadAnswer>(async (order) => ({ asks: await run(order) }));
