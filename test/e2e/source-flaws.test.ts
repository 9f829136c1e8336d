import { createTables } from '../../samples/consumer';
import { claimDeliveries } from '../../src/database/deliveries';
import { SECRET, startSample, type SampleServer } from '../consumer/sample-server';
import { readLog } from '../chaos/checker';
import { controlFake } from '../dev/fake-control';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { orderBody, startStack, type HttpAnswer, type Stack } from './stack';

/**
 * The flaws of a published sample of the outbox pattern (a relay from a table to a queue), one test each: what goes wrong
 * there goes right here. "Failed entries of a batch are never inspected" is in test/activities/sending.test.ts and, on real
 * queues, in test/targets/sqs.integration.ts.
 */
let stack: Stack;
/** The consumer's own database. */
let theirs: TestDatabase;
let sample: SampleServer;
let failing: (event: { id: string; type: string }) => boolean = () => false;

beforeAll(async () => {
  [stack, theirs] = await Promise.all([startStack(), createTestDatabase()]);
  await createTables(theirs.pool);
  sample = await startSample({
    pool: theirs.pool,
    onEvent: (event) => {
      if (failing(event)) throw new Error('the handler cannot do this');
    },
  });
  await stack.stock('SKU', 1_000);
}, 90_000);
afterAll(async () => {
  await sample.close();
  await stack.stop();
  await theirs.drop();
}, 60_000);

const place = (key: string): Promise<HttpAnswer> => stack.placeOrder({ key, sku: 'SKU' });
const orderIdOf = (answer: HttpAnswer): string => String(answer.body['orderId']);
const received = (path: string): Record<string, unknown>[] =>
  readLog(stack.logFiles.sink).filter((entry) => entry.type === 'received' && entry['path'] === path);

async function put(path: string, body: object): Promise<void> {
  const answer = await stack.request('PUT', path, body);
  if (answer.status !== 200) throw new Error(answer.text);
}

it('holds no transaction open while a target is called', async () => {
  await stack.sendToSink({ name: 'slow', path: '/slow' });
  await controlFake(stack.fakeUrls.sink, {
    faults: [{ path: '/slow', status: 200, delayMs: 1_500, times: 1 }],
  });

  await place('no-open-transaction');
  await waitFor('the target is called', () => received('/slow').length === 1);
  const { rows } = await stack.database.pool.query(
    `select state, query from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null and state <> 'active'`,
  );

  expect(rows).toEqual([]);
});

it('lets one of many senders send, where the relay had no lock between its replicas', async () => {
  await stack.sendToSink({ name: 'replicas', path: '/replicas' });
  await stack.request('POST', '/v1/targets/replicas/pause');
  const orders = await Promise.all(Array.from({ length: 10 }, (_, n) => place(`replicas-${n}`)));
  await waitFor('all wait', async () => {
    const { body } = await stack.request('GET', '/v1/targets/replicas');
    return body['backlog'] === 10;
  });
  await stack.killWorker();
  await stack.database.pool.query(`update aftercommit.targets set state = 'ENABLED' where name = 'replicas'`);

  const claims = await Promise.all(
    orders.flatMap((order) =>
      Array.from({ length: 8 }, (_, replica) =>
        claimDeliveries(stack.database.pool, {
          scope: { aggregateId: orderIdOf(order) },
          claimedBy: `replica ${replica}`,
          sendForMs: 5_000,
        }),
      ),
    ),
  );

  // What the worker had not sent to the other targets when it was killed may be claimed here too.
  const toReplicas = claims.flat().filter(({ targetName }) => targetName === 'replicas');
  const ids = toReplicas.map(({ deliveryId }) => deliveryId);
  expect(ids).toHaveLength(10);
  expect(new Set(ids).size).toBe(10);
  await stack.startWorker();
  await stack.request('POST', '/v1/targets/replicas/resume');
  await waitFor('all arrive', () => received('/replicas').length === 10, { deadlineMs: 60_000 });
});

it('takes no order without an Idempotency-Key, and makes one order of any number of requests with the same', async () => {
  const body = orderBody({ sku: 'SKU' });
  const without = await stack.request('POST', '/v1/orders', body);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      stack.request('POST', '/v1/orders', body, { 'idempotency-key': 'once' }),
    ),
  );

  expect(without).toMatchObject({ status: 400, body: { code: 'idempotency_key_missing' } });
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
});

it('gives a consumer an inbox: an event that arrives twice takes effect once', async () => {
  await put('/v1/connections/sample', { kind: 'webhook_secret', secret: SECRET });
  await put('/v1/targets/sample', {
    kind: 'http',
    url: sample.url,
    signature: 'sample',
    retry: { maximumAgeSeconds: 2 },
  });
  await put('/v1/rules/sample', {
    pattern: { source: ['ecommerce.orders'] },
    targets: [{ target: 'sample' }],
  });

  const order = orderIdOf(await place('twice'));
  const projected = async (): Promise<unknown[]> =>
    (
      await theirs.pool.query<object>('select status, last_seq from order_projection where order_id = $1', [
        order,
      ])
    ).rows;
  await waitFor('it is there', async () => (await projected()).length === 1);
  const before = await projected();
  const replay = await stack.request('POST', '/v1/replays', { orderId: order, target: 'sample' });
  await waitFor('it was sent again', async () => {
    const { body } = await stack.request('GET', String(replay.headers.get('location')));
    return body['state'] === 'COMPLETED';
  });

  expect(await projected()).toEqual(before);
  const { rows } = await theirs.pool.query('select count(*)::int as events from aftercommit_inbox');
  expect(rows).toEqual([{ events: 1 }]);
});

it('does not take for done what a consumer could not handle: it is retried, dead-lettered, and redriven', async () => {
  failing = () => true;
  const order = orderIdOf(await place('throws'));
  const dead = await waitFor('it is a dead letter', async () => {
    const { body } = await stack.request('GET', `/v1/deliveries?orderId=${order}&target=sample&state=DEAD`);
    const [delivery] = body['data'] as {
      deliveryId: string;
      errorCode: string;
      attempts: { status: number }[];
    }[];
    return delivery;
  });
  expect(dead.errorCode).toBe('retries_exhausted');
  expect(dead.attempts.length).toBeGreaterThan(1);
  expect(new Set(dead.attempts.map(({ status }) => status))).toEqual(new Set([500]));
  const known = async (): Promise<number | null> =>
    (await theirs.pool.query('select 1 from order_projection where order_id = $1', [order])).rowCount;
  expect(await known()).toBe(0);

  failing = () => false;
  await stack.request('POST', `/v1/deliveries/${dead.deliveryId}/redrive`);

  await waitFor('it takes effect', async () => (await known()) === 1);
});

it('keeps what was delivered, with every attempt, where the relay deleted its rows', async () => {
  await stack.sendToSink({ name: 'kept', path: '/kept' });
  const order = orderIdOf(await place('kept'));
  await waitFor('it arrives', () => received('/kept').length === 1);

  const delivery = await waitFor('it is recorded', async () => {
    const { body } = await stack.request(
      'GET',
      `/v1/deliveries?orderId=${order}&target=kept&state=DELIVERED`,
    );
    return (body['data'] as Record<string, unknown>[])[0];
  });
  const event = await stack.request('GET', `/v1/events/${String(delivery['eventId'])}`);

  expect(delivery).toMatchObject({ rule: 'kept', attempts: [{ n: 1, status: 200, result: 'delivered' }] });
  expect(event.body).toMatchObject({ 'detail-type': 'order.confirmed', detail: { orderId: order, seq: 1 } });
});
