import type { Pool, PoolClient } from 'pg';
import { createTables } from '../../samples/consumer';
import { createHttpTarget } from '../../src/bus/targets/http';
import { parseHttpTargetConfig } from '../../src/bus/targets/http-config';
import type { Target, TargetRequest } from '../../src/bus/targets/target';
import { envelopeText, type EventEnvelope } from '../../src/domain/events';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { duplicatedAndShuffled, ordersLives, randomNumbers } from './feed';
import {
  deliver,
  orderEvent,
  post,
  PREVIOUS_SECRET,
  SECRET,
  signedHeaders,
  startSample,
  type SampleServer,
} from './sample-server';
import { countRows } from './transactions';

const ORDERS = 12;
/** Deliveries at the same moment. */
const SENDERS = 10;
/** A handler fails on so many of the first arrivals. */
const FAILING = 0.2;
/** Each failing event fails once. */
const ATTEMPTS_MAX = 4;

interface OrderRow {
  order_id: string;
  status: string;
  refunded_minor: number;
  last_seq: number;
}

async function projectionOf(pool: Pool): Promise<OrderRow[]> {
  const { rows } = await pool.query<OrderRow>(
    'select order_id, status, refunded_minor, last_seq from order_projection order by order_id',
  );
  return rows;
}

describe('the sample consumer', () => {
  let database: TestDatabase;
  let server: SampleServer;
  /** What the handler does with the next events; by default nothing. */
  let onEvent: jest.Mock;
  const failures: unknown[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    await createTables(database.pool);
    onEvent = jest.fn();
    server = await startSample({
      pool: database.pool,
      onEvent: (event, tx) => onEvent(event, tx) as unknown,
      onError: (error) => failures.push(error),
    });
  });
  beforeEach(async () => {
    onEvent.mockReset();
    failures.length = 0;
    await database.pool.query('truncate aftercommit_inbox, order_projection');
  });
  afterAll(async () => {
    await server.close();
    await database.drop();
  });

  const remembered = (): Promise<number> => countRows(database.pool, 'aftercommit_inbox');

  it('acknowledges after the commit, and a duplicate too', async () => {
    const event = orderEvent('order.confirmed', { orderId: 'ord_1', seq: 1 });

    expect([await deliver(server.url, event), await deliver(server.url, event)]).toEqual([204, 204]);

    expect(onEvent).toHaveBeenCalledTimes(1);
    expect(await projectionOf(database.pool)).toEqual([
      { order_id: 'ord_1', status: 'CONFIRMED', refunded_minor: 0, last_seq: 1 },
    ]);
  });

  it('keeps the latest status and adds each refund once, whatever comes first', async () => {
    const refund = orderEvent('order.refunded', { orderId: 'ord_1', seq: 3, amountMinor: 500 });
    const events = [
      orderEvent('order.cancelled', { orderId: 'ord_1', seq: 4 }),
      refund,
      orderEvent('order.placed', { orderId: 'ord_1', seq: 1 }),
      refund,
      orderEvent('order.confirmed', { orderId: 'ord_1', seq: 2 }),
    ];

    for (const event of events) expect(await deliver(server.url, event)).toBe(204);

    expect(await projectionOf(database.pool)).toEqual([
      { order_id: 'ord_1', status: 'CANCELLED', refunded_minor: 500, last_seq: 4 },
    ]);
  });

  it('acknowledges nothing and keeps nothing when the handler throws, and processes the repeat', async () => {
    const event = orderEvent('order.refunded', { orderId: 'ord_1', seq: 1, amountMinor: 500 });
    const failure = new Error('not today');
    onEvent.mockRejectedValueOnce(failure);

    expect(await deliver(server.url, event)).toBe(500);
    expect(failures).toEqual([failure]);
    expect([await remembered(), await projectionOf(database.pool)]).toEqual([0, []]);

    expect(await deliver(server.url, event)).toBe(204);
    expect(await projectionOf(database.pool)).toMatchObject([{ refunded_minor: 500 }]);
  });

  it('does not acknowledge what a swallowed error of a statement rolled back', async () => {
    const event = orderEvent('order.confirmed', { orderId: 'ord_1', seq: 1 });
    onEvent.mockImplementationOnce((_event: unknown, tx: PoolClient) =>
      tx.query('select 1 / 0').catch(() => undefined),
    );

    expect(await deliver(server.url, event)).toBe(500);

    expect(await remembered()).toBe(0);
    expect(await deliver(server.url, event)).toBe(204);
  });

  it('survives that its connection is killed before the commit, and processes the repeat', async () => {
    const event = orderEvent('order.confirmed', { orderId: 'ord_1', seq: 1 });
    onEvent.mockImplementationOnce(async (_event: unknown, tx: PoolClient) => {
      const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
      const ended = new Promise<void>((resolve) => tx.once('end', () => resolve()));
      await database.pool.query('select pg_terminate_backend($1)', [rows[0]!.pid]);
      await ended;
    });

    expect(await deliver(server.url, event)).toBe(500);
    expect([await remembered(), await projectionOf(database.pool)]).toEqual([0, []]);

    expect(await deliver(server.url, event)).toBe(204);
    expect(await projectionOf(database.pool)).toMatchObject([{ status: 'CONFIRMED' }]);
  });

  describe('refuses for good what it can never read', () => {
    const valid = { orderId: 'ord_1', seq: 1 };
    const text = envelopeText(orderEvent('order.confirmed', valid));

    const readable = { id: 'evt_1', 'detail-type': 'order.confirmed', detail: valid };

    it.each<[string, string | object]>([
      ['an empty body', ''],
      ['half of a body', '{"id":'],
      ['null', 'null'],
      ['a list', '[]'],
      ['a text', '"text"'],
      ['an object without members', {}],
      ['an event without seq', { ...readable, detail: { orderId: 'ord_1' } }],
      ['a seq that is a text', { ...readable, detail: { ...valid, seq: '1' } }],
      ['an id that is a number', { ...readable, id: 7 }],
      ['an id that is too long', { ...readable, id: 'x'.repeat(256) }],
      ['an id with NUL', { ...readable, id: 'a\0b' }],
      [
        'a part of a cent',
        { ...readable, 'detail-type': 'order.refunded', detail: { ...valid, amountMinor: 0.5 } },
      ],
    ])('%s', async (_name, given) => {
      const body = typeof given === 'string' ? given : JSON.stringify(given);

      expect(await post(server.url, body)).toBe(400);

      expect([onEvent.mock.calls, failures]).toEqual([[], []]);
    });

    it('a body that is too large', async () => {
      expect(await post(server.url, `"${'x'.repeat(600_000)}"`)).toBe(413);
    });

    it.each<[string, Record<string, string>]>([
      ['no signature', {}],
      ['another secret', signedHeaders(text, { secret: `whsec_${Buffer.alloc(32).toString('base64')}` })],
      ['another body', signedHeaders(`${text} `)],
      ['another id', { ...signedHeaders(text), 'webhook-id': 'evt_2' }],
      ['an old recording', signedHeaders(text, { at: Date.now() - 6 * 60 * 1_000 })],
      ['a time to come', signedHeaders(text, { at: Date.now() + 6 * 60 * 1_000 })],
      ['a time that is none', { ...signedHeaders(text), 'webhook-timestamp': 'now' }],
      ['a signature of no known form', { ...signedHeaders(text), 'webhook-signature': 'v0,' }],
      ['an empty signature', { ...signedHeaders(text), 'webhook-signature': 'v1,' }],
    ])('%s', async (_name, headers) => {
      expect(await post(server.url, text, headers)).toBe(400);

      expect(await remembered()).toBe(0);
    });
  });

  it.each([SECRET, PREVIOUS_SECRET])('takes either secret while they change over', async (secret) => {
    const event = orderEvent('order.confirmed', { orderId: 'ord_1', seq: 1 });
    const body = envelopeText(event);

    expect(await post(server.url, body, signedHeaders(body, { id: event.id, secret }))).toBe(204);
  });

  describe('behind our HTTP target', () => {
    let target: Target;
    beforeEach(() => {
      const config = parseHttpTargetConfig({ url: server.url }, { allowPrivate: true });
      const signature = { kind: 'webhook_secret', secret: SECRET, previousSecret: '' } as const;
      target = createHttpTarget(config, { allowPrivate: true, connection: null, signature });
    });
    afterEach(() => target.close());

    const requestOf = (event: EventEnvelope): TargetRequest => ({
      event,
      payload: envelopeText(event),
      deliveryId: '0198c5d2-0000-7000-8000-000000000002',
      ruleName: 'orders',
      orderingKey: event.detail.orderId!,
      replayId: null,
    });

    it('is asked again after it failed, and has each event once', async () => {
      const event = orderEvent('order.refunded', { orderId: 'ord_1', seq: 1, amountMinor: 500 });
      onEvent.mockRejectedValueOnce(new Error('not today')).mockRejectedValueOnce(new Error('nor now'));

      const outcomes = [];
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
        outcomes.push(await target.send(requestOf(event)));
      }

      expect(outcomes).toMatchObject([
        { kind: 'retry', code: 'http_500' },
        { kind: 'retry', code: 'http_500' },
        { kind: 'delivered', status: 204 },
        { kind: 'delivered', status: 204 },
      ]);
      expect(await projectionOf(database.pool)).toEqual([
        { order_id: 'ord_1', status: null, refunded_minor: 500, last_seq: 1 },
      ]);
    });

    it('makes a dead letter of what it can never read', async () => {
      const event = orderEvent('order.refunded', { orderId: 'ord_1', seq: 1, amountMinor: 0.5 });

      expect(await target.send(requestOf(event))).toMatchObject({ kind: 'dead', code: 'http_400' });
    });
  });
});

describe('a feed of duplicates in disorder, with failures', () => {
  const given = process.env['AFTERCOMMIT_CONSUMER_SEED'];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
  let disordered: TestDatabase;
  let ordered: TestDatabase;
  beforeAll(async () => {
    [disordered, ordered] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    await Promise.all([createTables(disordered.pool), createTables(ordered.pool)]);
  });
  afterAll(() => Promise.all([disordered.drop(), ordered.drop()]));

  it('ends in the same projection as each event once and in order', async () => {
    console.log(`AFTERCOMMIT_CONSUMER_SEED=${seed}`);
    const random = randomNumbers(seed);
    const events = ordersLives(random, ORDERS);
    const feed = duplicatedAndShuffled(random, events);
    const failing = new Set(events.filter(() => random() < FAILING).map(({ id }) => id));
    const throwOnce = ({ id }: { id: string }): void => {
      if (failing.delete(id)) throw new Error('not today');
    };
    const reference = await startSample({ pool: ordered.pool });
    const server = await startSample({ pool: disordered.pool, onEvent: throwOnce });

    for (const event of events) expect(await deliver(reference.url, event)).toBe(204);
    const answers = await deliverAtOnce(server.url, feed);
    await Promise.all([reference.close(), server.close()]);

    expect(feed.length).toBeGreaterThan(events.length);
    expect(answers.filter((status) => status === 500).length).toBeGreaterThan(0);
    expect(await countRows(disordered.pool, 'aftercommit_inbox')).toBe(events.length);
    const projection = await projectionOf(disordered.pool);
    expect(projection).toHaveLength(ORDERS);
    expect(projection).toEqual(await projectionOf(ordered.pool));
  });
});

/** Sends the feed from several senders, each event until it is acknowledged. @returns all answers */
async function deliverAtOnce(url: string, feed: EventEnvelope[]): Promise<number[]> {
  const waiting = [...feed];
  const answers: number[] = [];
  const send = async (): Promise<void> => {
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
      let status = 0;
      for (let attempt = 0; status !== 204; attempt += 1) {
        if (attempt === ATTEMPTS_MAX) throw new Error(`answered ${status} after ${attempt} attempts`);
        status = await deliver(url, event);
        answers.push(status);
      }
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, send));
  return answers;
}
