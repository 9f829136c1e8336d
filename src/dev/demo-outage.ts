import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { processEnvironment } from '../config';
import { runMain } from '../main';
import { startFakeSink } from './fake-sink';
import { removeData } from './parts';
import { openCamera, type Camera } from './pictures';
import { SAMPLE_ORDER, stockSample } from './story';
import { startSystem } from './system';

/**
 * `npm run demo:outage`: a target is denied, what happens meanwhile is delivered elsewhere and visible as undelivered
 * here, the target comes back, and it drains in order. `-- --pictures DIR` takes pictures of the Web UI when there is a
 * browser. Nothing outside of this machine is called, and its data is thrown away.
 */
const ORDERS = 4;
const POLL_MS = 100;
/** Waits between attempts double: 1 s, 2 s, 4 s … A short outage is over within some of them. */
const DRAIN_MAX_MS = 120_000;

const say = (line = ''): void => void process.stdout.write(`${line}\n`);

/** Variables of this list are all that the demo takes over: embedded parts only, for it places orders. */
const TAKEN_OVER = ['PATH', 'HOME', 'AFTERCOMMIT_CACHE_DIR', 'XDG_CACHE_HOME', 'TEMPORAL_CLI_PATH'];

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { pictures: { type: 'string' } } });
  const given = processEnvironment();
  const environment = Object.fromEntries(TAKEN_OVER.map((name) => [name, given[name]]));
  const dataDirectory = mkdtempSync(path.join(tmpdir(), 'aftercommit-demo-'));
  say('Starting the whole system on throwaway data …');
  const programs = path.resolve(__dirname, '..');
  const system = await startSystem({ environment, dataDirectory, programs, say });
  const sink = await startFakeSink({ port: 0, logFile: path.join(dataDirectory, 'sink.jsonl') });
  let camera: Camera | null = null;
  try {
    await system.ready;
    camera = values.pictures === undefined ? null : await openCamera(environment, values.pictures);
    if (values.pictures !== undefined && camera === null) say('No browser was found: no pictures.');
    const webUi = new Map(system.parts.places).get('Web UI')!;
    await tell({ url: system.url, webUi, sinkUrl: sink.url, camera });
  } finally {
    await camera?.close();
    await sink.close();
    await system.stop();
    await removeData(dataDirectory);
  }
}

interface Scene {
  url: string;
  webUi: string;
  sinkUrl: string;
  camera: Camera | null;
}

async function tell({ url, webUi, sinkUrl, camera }: Scene): Promise<void> {
  const { get, send } = createCaller(url);
  const runs = `${webUi}/namespaces/default/workflows`;
  await stockSample(url);
  for (const name of ['billing', 'search']) {
    await send('PUT', `/v1/targets/${name}`, { kind: 'http', url: `${sinkUrl}/${name}` });
    await send('PUT', `/v1/rules/orders-to-${name}`, {
      pattern: { source: ['ecommerce.orders'] },
      targets: [{ target: name }],
    });
  }
  say(`\n1. The target "billing" is denied: it answers 503 to everything.`);
  await send('POST', `${sinkUrl}/_control`, {
    faults: [{ path: '/billing', status: 503, times: 1_000_000 }],
  });

  say(`2. ${ORDERS} orders come in, each with two events: order.placed and order.confirmed.`);
  const orders: string[] = [];
  for (let n = 0; n < ORDERS; n += 1) {
    const order = { ...SAMPLE_ORDER, payment: { mode: 'charge', method: 'tok_visa' } };
    const { orderId } = await send<{ orderId: string }>('POST', '/v1/orders', order);
    orders.push(orderId);
  }
  const arrivedAt = async (path: string): Promise<Arrival[]> => {
    const entries = await get<LogEntry[]>(`${sinkUrl}/_log`);
    return entries.flatMap((entry) => {
      if (entry.path !== path || entry.answer !== 200) return [];
      const { detail } = JSON.parse(entry.body) as { detail: { orderId: string; seq: number } };
      return [{ order: orders.indexOf(detail.orderId) + 1, seq: detail.seq }];
    });
  };
  await until('"search" has every event', async () => (await arrivedAt('/search')).length === 2 * ORDERS);
  say(`3. The target "search" has all ${2 * ORDERS} of them; "billing" holds up nobody but itself.`);

  const waiting = await get<{ backlog: number }>('/v1/targets/billing');
  const { lag } = await get<{ lag: object }>('/readyz');
  say(`4. What "billing" did not take is visible: GET /v1/targets/billing says backlog ${waiting.backlog},`);
  say(
    `   GET /v1/deliveries?target=billing&state=READY lists it with every attempt, GET /readyz says ${JSON.stringify(lag)}.`,
  );
  const first = orders[0]!;
  const delivery = `${runs}/${encodeURIComponent(`deliver/${first}`)}`;
  await until('its workflow waits', async () => {
    const { data } = await get<{ data: { attempts: unknown[] }[] }>(
      `/v1/deliveries?target=billing&orderId=${first}`,
    );
    return data.some(({ attempts }) => attempts.length >= 3);
  });
  say(`   In the Web UI the workflow deliver/${first} waits for its next attempt:`);
  say(`   ${delivery}`);
  await camera?.take(`${runs}?query=${encodeURIComponent('ExecutionStatus="Running"')}`, 'outage-running');
  await camera?.take(delivery, 'outage-waiting');

  say('5. "billing" comes back.');
  await send('POST', `${sinkUrl}/_control`, { reset: true });
  const backAt = Date.now();
  await until('"billing" has every event', async () => (await arrivedAt('/billing')).length >= 2 * ORDERS);
  say(`6. Everything is there after ${((Date.now() - backAt) / 1_000).toFixed(1)} s, in order per order:`);
  for (const { order, seq } of await arrivedAt('/billing')) say(`   order ${order}, seq ${seq}`);
  await until(
    'its workflow has ended',
    async () => (await get<{ backlog: number }>('/v1/targets/billing')).backlog === 0,
  );
  await camera?.take(delivery, 'outage-drained');
  say('\nNothing polled, nothing was lost, and nobody reconciled by hand.');
}

interface Arrival {
  order: number;
  seq: number;
}

interface LogEntry {
  path: string;
  answer: unknown;
  body: string;
}

interface Caller {
  get: <T>(path: string) => Promise<T>;
  send: <T>(method: string, path: string, body: object) => Promise<T>;
}

function createCaller(url: string): Caller {
  const call = async <T>(path: string, init: RequestInit): Promise<T> => {
    const response = await fetch(new URL(path, url), init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  };
  return {
    get: (path) => call(path, {}),
    send: (method, path, body) =>
      call(path, {
        method,
        headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
        body: JSON.stringify(body),
      }),
  };
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DRAIN_MAX_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Not within ${DRAIN_MAX_MS / 1_000} s: ${what}.`);
    await delay(POLL_MS);
  }
}

runMain(main);
