import { readLog } from '../chaos/checker';
import { startTemporalServer, type TemporalServer } from '../../src/dev/temporal-server';
import { findTemporalCli } from '../../src/dev/temporal-cli';
import { concurrently } from '../../src/activities/concurrently';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { controlFake } from '../dev/fake-control';
import { PHONE_CANARY, startStack, type HttpAnswer, type Stack } from '../e2e/stack';
import { waitFor } from '../support/wait';
import { runCli } from './cli';

/** Source: the issue, point 6: 1,000 open orders resume from PostgreSQL within 5 minutes, and nothing is repeated. */
const OPEN_ORDERS = Number(process.env['AFTERCOMMIT_TEST_OPEN_ORDERS'] ?? 1_000);
const RESUMED_WITHIN_MS = 5 * 60_000;
const AT_ONCE = 16;
const TOTAL_MINOR = 2_000;

/** What an order waits for when Temporal loses its data. */
const KINDS = ['for its payment', 'for the gateway', 'for the carrier', 'for its refund'] as const;
type Kind = (typeof KINDS)[number];

let stack: Stack;
let directory: string;
let fresh: TemporalServer | null = null;
const placed = new Map<Kind, string[]>(KINDS.map((kind) => [kind, []]));

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'aftercommit-rebuild-'));
  stack = await startStack();
  await stack.sendToSink({ name: 'all', path: '/all' });
}, 120_000);
afterAll(async () => {
  await fresh?.stop();
  await stack.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

const SHIPPING = { name: 'A', line1: 'B', postalCode: '1', city: 'C', country: 'DE' };
const WEEK_SECONDS = 604_800;

async function place(n: number): Promise<void> {
  const kind = KINDS[n % KINDS.length]!;
  const sku = await stack.stock(`SKU-${n}`, 10);
  const how = {
    'for its payment': { deadlineSeconds: WEEK_SECONDS },
    'for the gateway': { method: 'tok_visa' },
    'for the carrier': { shipping: SHIPPING },
    'for its refund': { method: 'tok_visa' },
  }[kind];
  const order = {
    key: `rebuild-${n}`,
    sku,
    quantity: 2,
    unitPriceMinor: TOTAL_MINOR / 2,
    phone: PHONE_CANARY,
    ...how,
  };
  const { body } = await succeeding(stack.placeOrder({ ...order, wait: 30 }));
  placed.get(kind)!.push(String(body['orderId']));
}

async function succeeding(answering: Promise<HttpAnswer>): Promise<HttpAnswer> {
  const answer = await answering;
  if (answer.status >= 300) throw new Error(`answered ${answer.status}: ${answer.text}`);
  return answer;
}

const numbersOf = (kind: Kind): number[] =>
  Array.from({ length: OPEN_ORDERS }, (_, n) => n).filter((n) => KINDS[n % KINDS.length] === kind);

async function count(sql: string): Promise<number> {
  const { rows } = await stack.database.pool.query<{ n: number }>(`select (${sql})::int as n`);
  return rows[0]!.n;
}

/** Orders of every kind, each in the middle of what it waits for. */
async function openOrders(): Promise<void> {
  await concurrently(numbersOf('for its refund'), AT_ONCE, place);
  await waitFor(
    'the orders to be refunded are paid',
    async () => (await count(`select count(*) from aftercommit.orders where status <> 'CONFIRMED'`)) === 0,
    { deadlineMs: 120_000 },
  );
  await concurrently(numbersOf('for its payment'), AT_ONCE, place);
  await concurrently(numbersOf('for the carrier'), AT_ONCE, place);
  await waitFor(
    'the carrier has the goods, and everybody was told',
    async () =>
      (await count(`select count(*) from aftercommit.shipments where state <> 'BOOKED'`)) === 0 &&
      (await count(
        `select count(*) from aftercommit.notification_attempts where state in ('READY', 'SENDING', 'AMBIGUOUS')`,
      )) === 0,
    { deadlineMs: 180_000 },
  );
  // From here on the gateway answers nobody: charges and refunds stay without an outcome. Neither does the receiver.
  await controlFake(stack.fakeUrls.payments, { down: true });
  await controlFake(stack.fakeUrls.sink, { down: true });
  await concurrently(placed.get('for its refund')!, AT_ONCE, async (orderId) => {
    const asked = { amountMinor: 500, reason: 'rebuild' };
    await succeeding(
      stack.request('POST', `/v1/orders/${orderId}/refunds`, asked, {
        'idempotency-key': `refund-${orderId}`,
      }),
    );
  });
  await concurrently(numbersOf('for the gateway'), AT_ONCE, place);
}

/** Everything that Temporal knew is gone: another server, empty, at the same address. */
async function loseTemporal(): Promise<void> {
  await stack.killWorker();
  await stack.temporalServer.stop();
  const { port } = new URL(`tcp://${stack.temporalServer.address}`);
  fresh = await startTemporalServer({
    executable: await findTemporalCli({ env: process.env, say: () => undefined }),
    port: Number(port),
    logFile: path.join(directory, 'temporal.log'),
    pidFile: path.join(directory, 'temporal.pid.json'),
  });
}

const factsOf = (fake: 'payments' | 'twilio', type: string): number =>
  readLog(stack.logFiles[fake]).filter((entry) => entry.type === type).length;

/** Requests of one kind that a fake carried out for each order, twice or more. */
function repeated(
  fake: 'payments' | 'twilio',
  type: string,
  keyOf: (entry: Record<string, unknown>) => string,
): string[] {
  const seen = new Map<string, number>();
  for (const entry of readLog(stack.logFiles[fake])) {
    if (entry.type === type) seen.set(keyOf(entry), (seen.get(keyOf(entry)) ?? 0) + 1);
  }
  return [...seen].filter(([, times]) => times > 1).map(([key, times]) => `${key}: ${times}`);
}

it('resumes every open order from PostgreSQL, and repeats no charge and no message', async () => {
  await openOrders();
  const open = await count(`
    select count(*) from aftercommit.orders o where status in ('PENDING_PAYMENT', 'COMPENSATING')
      or exists (select 1 from aftercommit.shipments s where s.order_id = o.order_id and s.state = 'BOOKED')
      or exists (select 1 from aftercommit.refunds f where f.order_id = o.order_id and f.state = 'PENDING')`);
  expect(open).toBe(OPEN_ORDERS);

  await loseTemporal();
  const startedAt = Date.now();
  await stack.startWorker();
  const cli = await runCli(stack, ['orders', 'rebuild', '--json']);
  const startedMs = Date.now() - startedAt;
  await controlFake(stack.fakeUrls.payments, { down: false });
  await controlFake(stack.fakeUrls.sink, { down: false });
  await waitFor('every order goes on', isResumed, {
    deadlineMs: RESUMED_WITHIN_MS,
    describe: async () => JSON.stringify(await leftOver()),
  });
  const resumedMs = Date.now() - startedAt;

  process.stdout.write(
    `${OPEN_ORDERS} open orders: all started after ${seconds(startedMs)}, all went on after ${seconds(resumedMs)}\n${cli.stdout}\n`,
  );
  expect(cli).toMatchObject({ code: 0 });
  expect(resumedMs).toBeLessThan(RESUMED_WITHIN_MS);
  await payAndDeliver();
  // The evidence is there: three kinds were paid, one of them refunded in part, and everybody was told.
  expect([factsOf('payments', 'captured'), factsOf('payments', 'refunded')]).toEqual([
    (OPEN_ORDERS * 3) / 4,
    OPEN_ORDERS / 4,
  ]);
  expect(factsOf('twilio', 'accepted')).toBeGreaterThanOrEqual(OPEN_ORDERS);
  expect(repeated('payments', 'captured', (entry) => String(entry['orderId']))).toEqual([]);
  expect(repeated('payments', 'refunded', (entry) => String(entry['refundId']))).toEqual([]);
  expect(await doubledMessages()).toEqual([]);
  expect(await stack.violations()).toEqual([]);
});

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(0)} s`;

interface LeftOver {
  charges: number;
  refunds: number;
  undelivered: number;
  runs: number;
}

async function leftOver(): Promise<LeftOver> {
  return {
    charges: await count(
      `select count(*) from aftercommit.orders where payment_mode = 'charge' and status = 'PENDING_PAYMENT'`,
    ),
    refunds: await count(`select count(*) from aftercommit.refunds where state = 'PENDING'`),
    undelivered: await count(`select count(*) from aftercommit.outbox where published_at is null`),
    runs: await missingRuns(),
  };
}

/** Orders that wait for somebody outside, and have no run that would hear of it. */
async function missingRuns(): Promise<number> {
  const waiting = [...placed.get('for its payment')!, ...placed.get('for the carrier')!];
  const running = await concurrently(waiting, AT_ONCE, async (orderId) => {
    const described = await stack.temporal.workflow
      .getHandle(`order/${orderId}`)
      .describe()
      .catch(() => null);
    return described?.status.name === 'RUNNING';
  });
  return running.filter((isRunning) => !isRunning).length;
}

async function isResumed(): Promise<boolean> {
  const { charges, refunds, undelivered } = await leftOver();
  return charges + refunds + undelivered === 0 && (await missingRuns()) === 0;
}

/** The runs are more than there: they do what they waited for. */
async function payAndDeliver(): Promise<void> {
  await concurrently(placed.get('for its payment')!, AT_ONCE, async (orderId) => {
    await succeeding(
      stack.request(
        'POST',
        `/v1/orders/${orderId}/payments`,
        { method: 'tok_visa' },
        { 'idempotency-key': `pay-${orderId}` },
      ),
    );
  });
  await concurrently(placed.get('for the carrier')!, AT_ONCE, async (orderId) => {
    const { rows } = await stack.database.pool.query<{ shipment_id: string }>(
      'select shipment_id from aftercommit.shipments where order_id = $1',
      [orderId],
    );
    for (const status of ['shipped', 'delivered']) {
      const body = JSON.stringify({ shipmentId: rows[0]!.shipment_id, status });
      await fetch(`${stack.fakeUrls.carrier}/_tracking`, { method: 'POST', body });
    }
  });
  await waitFor(
    'every order is at its end',
    async () =>
      (await count(`select count(*) from aftercommit.orders o where status not in ('CONFIRMED', 'COMPLETED')
         or exists (select 1 from aftercommit.shipments s where s.order_id = o.order_id and s.state <> 'DELIVERED')`)) ===
      0,
    { deadlineMs: 240_000 },
  );
}

/** People who got the same words about the same order twice, by the provider's own log. */
async function doubledMessages(): Promise<string[]> {
  await waitFor(
    'nobody is still to be told',
    async () =>
      (await count(`select count(*) from aftercommit.notifications where status = 'PENDING'`)) === 0,
    { deadlineMs: 180_000 },
  );
  return repeated('twilio', 'accepted', (entry) => String(entry['body']));
}
