import { ServiceError, WorkflowUpdateRPCTimeoutOrCancelledError, type Client } from '@temporalio/client';
import { createOrderActivities, type OrderActivities } from '../../src/activities/orders';
import { setAvailable } from '../../src/database/inventory';
import { createDecisions, type Decisions } from '../../src/domain/decisions';
import { phoneHash } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ask, newOrder, PLACES, startTestApp, type Answer, type TestApp } from './test-app';

/**
 * An API whose worker is in the same process. The worker is the real activity, called by a stub of the client; that a
 * server really lets it start here is shown by the end-to-end tests.
 */
let database: TestDatabase;
let app: TestApp;
let decisions: Decisions;
let activities: OrderActivities;
let stub: {
  /** `here`: the first task begins in this process. `elsewhere`: the server gave it to another. */
  start: 'here' | 'elsewhere' | 'lost';
  /** What becomes of a run that began here. */
  worker: 'commits' | 'is gone';
  update: 'commits' | 'timeout';
  calls: string[];
};
let keys = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  await setAvailable(database.pool, { sku: 'SKU-1', available: 10_000, actor: 'test', reason: '' });
  await setAvailable(database.pool, { sku: 'RARE', available: 1, actor: 'test', reason: '' });
});

beforeEach(async () => {
  decisions = createDecisions();
  activities = createOrderActivities({
    pool: database.pool,
    places: PLACES,
    phoneHash,
    participants: { carrier: true, points: true, cart: true },
    decisions,
    now: () => new Date(),
  });
  stub = { start: 'here', worker: 'commits', update: 'commits', calls: [] };
  app = await startTestApp(database.pool, stubClient(), { decisions });
});

afterEach(async () => app.close());
afterAll(async () => database.drop());

interface Start {
  args: [{ orderId: string }];
  requestEagerStart?: boolean;
}

function stubClient(): Client {
  const start = (_type: string, { args: [input], requestEagerStart }: Start): Promise<unknown> => {
    stub.calls.push(requestEagerStart === true ? 'eager start' : 'start');
    if (stub.start === 'lost') return Promise.reject(new ServiceError('14 UNAVAILABLE'));
    const isHere = stub.start === 'here';
    if (isHere && stub.worker === 'commits') void activities.commitOrder(input);
    return Promise.resolve({ eagerlyStarted: isHere });
  };
  const update = async (
    _definition: unknown,
    { startWorkflowOperation }: { startWorkflowOperation: { options: Start } },
  ): Promise<unknown> => {
    stub.calls.push('update');
    if (stub.update === 'timeout') throw new WorkflowUpdateRPCTimeoutOrCancelledError('4 DEADLINE_EXCEEDED');
    return activities.commitOrder(startWorkflowOperation.options.args[0]);
  };
  const client = {
    withDeadline: (_deadline: number, work: () => Promise<unknown>) => work(),
    workflow: { start, executeUpdateWithStart: update },
  };
  return client as unknown as Client;
}

const newKey = (): string => `key-${(keys += 1)}`;

function place(key: string, options: { sku?: string; wait?: number } = {}): Promise<Answer> {
  const { sku = 'SKU-1', wait } = options;
  return ask(app, 'POST', '/v1/orders', {
    body: newOrder({ lines: [{ sku, quantity: 1, unitPriceMinor: 999 }] }),
    headers: { 'Idempotency-Key': key, ...(wait === undefined ? {} : { Prefer: `wait=${wait}` }) },
  });
}

describe('an order whose workflow starts in this process', () => {
  it('is answered by its commit, with the bytes that a repeat gets', async () => {
    const key = newKey();

    const answer = await place(key);
    const repeated = await place(key);

    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ status: 'CONFIRMED', totalMinor: 999 });
    expect(answer.headers.get('idempotent-replayed')).toBeNull();
    expect(stub.calls).toEqual(['eager start']);
    expect(repeated.text).toBe(answer.text);
    expect(repeated.headers.get('idempotent-replayed')).toBe('true');
    expect(decisions.requestOf(String(answer.body['orderId']))).toBeNull();
  });

  it('is answered with its refusal, as every repeat is', async () => {
    await place(newKey(), { sku: 'RARE' });
    const key = newKey();

    const answer = await place(key, { sku: 'RARE' });
    const repeated = await place(key, { sku: 'RARE' });

    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'out_of_stock' });
    expect(stub.calls).toEqual(['eager start', 'eager start']);
    expect(repeated.text).toBe(answer.text);
  });

  it('is committed once when it is asked for by several at once, who all get the same answer', async () => {
    const key = newKey();

    const answers = await Promise.all(Array.from({ length: 10 }, () => place(key)));

    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(stub.calls.filter((call) => call === 'eager start')).toHaveLength(1);
  });
});

describe('an order that is not decided in this process', () => {
  it('is asked for by the update when the server gave its task to another', async () => {
    stub.start = 'elsewhere';

    const answer = await place(newKey());

    expect(answer.status).toBe(201);
    expect(stub.calls).toEqual(['eager start', 'update']);
  });

  it('is asked for by the update when the answer to the start was lost', async () => {
    stub.start = 'lost';

    const answer = await place(newKey());

    expect(answer.status).toBe(201);
    expect(stub.calls).toEqual(['eager start', 'update']);
  });

  it('is asked for by the update when nothing is heard of a worker that has it', async () => {
    stub.worker = 'is gone';

    // Longer than a request waits for its own process.
    const answer = await place(newKey(), { wait: 10 });

    expect(answer.status).toBe(201);
    expect(stub.calls).toEqual(['eager start', 'update']);
  });

  it('is answered with 202 when its caller waits no longer', async () => {
    stub.worker = 'is gone';

    const answer = await place(newKey(), { wait: 1 });

    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ status: 'ACCEPTED' });
    expect(decisions.requestOf(String(answer.body['orderId']))).toBeNull();
  });

  it('is started here all the same when its caller does not wait', async () => {
    stub.worker = 'is gone';

    const answer = await place(newKey(), { wait: 0 });

    expect(answer.status).toBe(202);
    expect(stub.calls).toEqual(['eager start']);
  });

  it('is refused with 503 when Temporal acknowledges nothing', async () => {
    stub.start = 'lost';
    stub.update = 'timeout';

    const answer = await place(newKey());

    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ code: 'temporal_unavailable' });
  });
});
