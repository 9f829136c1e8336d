import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy';
import { readLog } from '../chaos/checker';
import { controlFake } from '../dev/fake-control';
import { waitFor } from '../support/wait';
import { startStack, type HttpAnswer, type Stack } from './stack';

/** What the system does while one of its parts is away, and that it goes on by itself when the part is back. */
let stack: Stack;
/** In front of the sink, so that its port can be closed. */
let sinkLink: FaultProxy;
let statusCodes: number[] = [];

beforeAll(async () => {
  stack = await startStack({ withLinks: true });
  sinkLink = await startFaultProxy({ host: '127.0.0.1', port: Number(new URL(stack.fakeUrls.sink).port) });
  await stack.sendToSink({ name: 'unavailable', path: '/unavailable' });
  await stack.sendToSink({ name: 'refused', path: '/refused', baseUrl: `http://127.0.0.1:${sinkLink.port}` });
}, 90_000);
afterAll(async () => {
  await sinkLink.close();
  await stack.stop();
}, 60_000);
beforeEach(() => {
  statusCodes = [];
});

const orderIdOf = (answer: HttpAnswer): string => String(answer.body['orderId']);

async function requestsWritten(): Promise<number> {
  const { rows } = await stack.database.pool.query('select 1 from aftercommit.order_requests');
  return rows.length;
}

async function eventsOf(orderId: string, status: string): Promise<{ detail: { seq: number } }[]> {
  const { body } = await stack.request('GET', `/v1/events?orderId=${orderId}&status=${status}`);
  return body['data'] as { detail: { seq: number } }[];
}

/** What a path of the sink took, in the order in which it took it. */
const takenBy = (path: string, orderId: string): number[] =>
  readLog(stack.logFiles.sink)
    .filter((entry) => entry.type === 'received' && entry['path'] === path && entry['answer'] === 200)
    .map(
      (entry) => (JSON.parse(String(entry['body'])) as { detail: { orderId: string; seq: number } }).detail,
    )
    .filter((detail) => detail.orderId === orderId)
    .map((detail) => detail.seq);

const acceptedAbout = (orderId: string): unknown[] =>
  readLog(stack.logFiles.twilio).filter(
    (entry) => entry.type === 'accepted' && String(entry['body']).includes(orderId),
  );

const isReady = async (): Promise<boolean> => (await fetch(`${stack.url}/readyz`)).status === 200;

/** What is cut off in the middle of a delivery is taken over only after 40 s: let the test before finish first. */
const untilAllIsPublished = (): Promise<true> =>
  waitFor('all events are published', async () => {
    const { body } = await stack.request('GET', '/v1/events?status=PENDING');
    return (body['data'] as unknown[]).length === 0;
  });

describe('while nobody takes events or messages', () => {
  it('orders commit and are answered; what waits is seen, and drains in order when they are back', async () => {
    const sku = await stack.stock('SINKS', 10);
    await controlFake(stack.fakeUrls.sink, { down: true });
    await controlFake(stack.fakeUrls.twilio, { down: true });
    await sinkLink.refuse();
    sinkLink.cut();

    const answers = await Promise.all([
      stack.placeOrder({ key: 'sinks-none', sku }),
      stack.placeOrder({ key: 'sinks-charge', sku, method: 'tok_visa' }),
    ]);

    expect(answers.map((answer) => answer.status)).toEqual([201, 201]);
    const [plain, charged] = answers.map(orderIdOf) as [string, string];
    await waitFor(
      'the charged order is confirmed',
      async () => (await stack.orderStatus(charged)) === 'CONFIRMED',
    );
    expect(await eventsOf(plain, 'PENDING')).toHaveLength(1);
    expect(await eventsOf(charged, 'PENDING')).toHaveLength(2);
    for (const target of ['unavailable', 'refused']) {
      await waitFor(`${target} was tried and failed`, async () => {
        const { body } = await stack.request('GET', `/v1/deliveries?orderId=${charged}&target=${target}`);
        const deliveries = body['data'] as { attempts: { result: string | null }[] }[];
        return deliveries.some(({ attempts }) => attempts.some(({ result }) => result === 'retry'));
      });
    }
    expect([...takenBy('/unavailable', charged), ...takenBy('/refused', charged)]).toEqual([]);
    expect([...acceptedAbout(plain), ...acceptedAbout(charged)]).toEqual([]);

    await controlFake(stack.fakeUrls.sink, { reset: true });
    await controlFake(stack.fakeUrls.twilio, { reset: true });
    await sinkLink.accept();

    await waitFor(
      'everything is published',
      async () =>
        (await eventsOf(plain, 'PUBLISHED')).length === 1 &&
        (await eventsOf(charged, 'PUBLISHED')).length === 2,
      { deadlineMs: 60_000 },
    );
    for (const path of ['/unavailable', '/refused']) {
      expect(takenBy(path, plain)).toEqual([1]);
      expect(takenBy(path, charged)).toEqual([1, 2]);
    }
    await waitFor(
      'both customers are told',
      () => [plain, charged].every((orderId) => acceptedAbout(orderId).length === 1),
      { deadlineMs: 60_000 },
    );
  }, 120_000);
});

describe('while Temporal cannot be reached', () => {
  it('new orders are answered 503 and write nothing, decided ones are answered, and it goes on by itself', async () => {
    const sku = await stack.stock('TEMPORAL', 10);
    const before = await stack.placeOrder({ key: 'temporal-before', sku });
    const { apiTemporal } = stack.links;
    await apiTemporal.refuse();
    apiTemporal.cut();
    await waitFor('the API has noticed', async () => !(await isReady()));
    const written = await requestsWritten();

    const during = await stack.placeOrder({ key: 'temporal-during', sku });
    const repeated = await stack.placeOrder({ key: 'temporal-before', sku });

    expect(during.status).toBe(503);
    expect(during.body).toMatchObject({ code: 'temporal_unavailable' });
    expect(Number(during.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await requestsWritten()).toBe(written);
    expect(repeated.status).toBe(201);
    expect(repeated.text).toBe(before.text);
    expect(repeated.headers.get('idempotent-replayed')).toBe('true');
    expect(await stack.orderStatus(orderIdOf(before))).toBe('CONFIRMED');

    await apiTemporal.accept();
    await waitFor('the API is ready again', isReady);
    expect((await stack.placeOrder({ key: 'temporal-during', sku })).status).toBe(201);
  });

  it('a worker that lost it goes on by itself, and the order that waited is committed', async () => {
    const sku = await stack.stock('TEMPORAL-2', 10);
    await untilAllIsPublished();
    const { workerTemporal } = stack.links;
    await workerTemporal.refuse();
    workerTemporal.cut();

    const waiting = await stack.placeOrder({ key: 'temporal-worker', sku, wait: 1 });
    await workerTemporal.accept();

    expect(waiting.status).toBe(202);
    expect(waiting.body).toMatchObject({ status: 'ACCEPTED' });
    const decided = await stack.placeOrder({ key: 'temporal-worker', sku, wait: 30 });
    expect(decided.status).toBe(201);
    expect(orderIdOf(decided)).toBe(orderIdOf(waiting));
  });
});

describe('while the database cannot be reached', () => {
  it('requests are answered 503 with Retry-After, and it goes on by itself', async () => {
    const sku = await stack.stock('DATABASE', 10);
    const { apiDatabase } = stack.links;
    await apiDatabase.refuse();
    apiDatabase.cut();

    const during = await waitFor('an answer of 503', async () => {
      const answer = await stack.placeOrder({ key: 'database-during', sku });
      statusCodes.push(answer.status);
      return answer.status === 503 && answer;
    });
    expect(during.body).toMatchObject({ code: 'database_unavailable' });
    expect(Number(during.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await stack.request('GET', '/v1/orders')).status).toBe(503);
    expect((await stack.request('GET', '/healthz')).status).toBe(200);
    // Never anything but a 503 from the first request after the cut on.
    expect(new Set(statusCodes)).toEqual(new Set([503]));

    await apiDatabase.accept();
    await waitFor('the API is ready again', isReady);
    expect((await stack.placeOrder({ key: 'database-during', sku })).status).toBe(201);
  });

  it('a commit waits for it, and happens once when it is back', async () => {
    const sku = await stack.stock('DATABASE-2', 10);
    await untilAllIsPublished();
    const { workerDatabase } = stack.links;
    await workerDatabase.refuse();
    workerDatabase.cut();

    const waiting = await stack.placeOrder({ key: 'database-worker', sku, wait: 2 });
    await workerDatabase.accept();
    const decided = await stack.placeOrder({ key: 'database-worker', sku, wait: 30 });

    expect(waiting.status).toBe(202);
    expect(decided.status).toBe(201);
    const { body } = await stack.request('GET', `/v1/inventory/${sku}`);
    expect(body).toMatchObject({ available: 9, sold: 1 });
  });
});

describe('at the end', () => {
  it('every invariant holds', async () => {
    expect(await stack.violations()).toEqual([]);
  });

  it('a stopped API says that it is not ready, finishes what it accepted and ends with 0', async () => {
    const sku = await stack.stock('STOP', 10);
    stack.links.workerDatabase.freeze('up');
    const accepted = stack.placeOrder({ key: 'stop', sku, wait: 30 });
    const { rows } = await waitFor('the request is accepted', async () => {
      const found = await stack.database.pool.query<{ order_id: string }>(
        'select order_id from aftercommit.order_requests where body is not null',
      );
      return found.rows.length === 1 && found;
    });

    process.kill(stack.api().pid, 'SIGTERM');
    await waitFor('readiness is gone', async () => (await fetch(`${stack.url}/readyz`)).status === 503);
    const late = await stack.placeOrder({ key: 'too-late', sku });
    stack.links.workerDatabase.thaw('up');

    expect(late.status).toBe(503);
    expect(late.headers.get('retry-after')).not.toBeNull();
    const answer = await accepted;
    expect(answer.status).toBe(201);
    expect(orderIdOf(answer)).toBe(rows[0]?.order_id);
    expect(await stack.api().exited).toEqual({ code: 0, signal: null });
  });
});
