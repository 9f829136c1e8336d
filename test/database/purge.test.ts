import { randomUUID } from 'node:crypto';
import { listEvents } from '../../src/database/events';
import { purgeBatch, type PurgePosition } from '../../src/database/purge';
import { createReplay } from '../../src/database/replays';
import { routeEvents } from '../../src/database/routing';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { claimOf, dead, delivered, later, record } from './bus-fixtures';
import { AT, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const toOne = () => [{ ruleName: 'rule', targetName: 'one', transformer: null }];
const BEFORE = '2100-01-01T00:00:00.000Z';
const batch = (limit: number, after: PurgePosition | null = null, before = BEFORE) =>
  purgeBatch(database.pool, { of: 'events', before, limit, after });
const purge = async () => (await batch(100)).removed;
/** A whole run of batches of one event each: what each of them removed. */
async function oneByOne(): Promise<number[]> {
  const removed: number[] = [];
  let after: PurgePosition | null = null;
  do {
    const done: Awaited<ReturnType<typeof batch>> = await batch(1, after);
    removed.push(done.removed);
    after = done.after;
  } while (after !== null);
  return removed;
}
const isThere = async (orderId: string) =>
  (await listEvents(database.pool, { orderId, limit: 10 })).data.length === 1;

/** An order whose one event was sent with this outcome, and whose message has one too. */
async function sent(name: string, result = delivered): Promise<string> {
  const orderId = await placeOne(database.pool, name);
  await routeEvents(database.pool, { aggregateIds: [orderId], at: AT }, toOne);
  for (const one of await claimOf(database.pool, orderId)) await record(database.pool, one, result);
  await database.pool.query(
    `update aftercommit.notification_attempts set state = 'ACCEPTED' where order_id = $1`,
    [orderId],
  );
  return orderId;
}

describe('the purge of events', () => {
  it('removes what everybody has had, with its deliveries and messages, and keeps the order', async () => {
    const orderId = await sent('had');

    expect(await purge()).toBe(1);

    expect(await isThere(orderId)).toBe(false);
    const { rows } = await database.pool.query(
      `select (select count(*)::int from aftercommit.deliveries where aggregate_id = $1) as deliveries,
              (select count(*)::int from aftercommit.notifications where order_id = $1) as notifications,
              (select count(*)::int from aftercommit.orders where order_id = $1) as orders`,
      [orderId],
    );
    expect(rows).toEqual([{ deliveries: 0, notifications: 0, orders: 1 }]);
    expect(await purge()).toBe(0);
  });

  it('keeps what is younger than the retention', async () => {
    const orderId = await sent('young');

    expect((await batch(100, null, '2000-01-01T00:00:00.000Z')).removed).toBe(0);

    expect(await isThere(orderId)).toBe(true);
    await purge();
  });

  it('never removes what is undelivered, dead, or told without an outcome', async () => {
    const kept = [await sent('open', later), await sent('dead', dead), await sent('unknown')];
    await database.pool.query(
      `update aftercommit.notification_attempts set state = 'AMBIGUOUS' where order_id = $1`,
      [kept[2]],
    );

    expect(await purge()).toBe(0);

    for (const orderId of kept) expect(await isThere(orderId)).toBe(true);
  });

  it('leaves what a replay still has to send, and goes batch by batch', async () => {
    const orderIds = [await sent('replayed-1'), await sent('replayed-2'), await sent('replayed-3')];
    const replayId = randomUUID();
    await createReplay(database.pool, {
      replayId,
      filter: { orderId: orderIds[2]! },
      ratePerSecond: 1,
      actor: 'test',
    });

    const removed = await oneByOne();

    expect(removed.filter((count) => count === 1)).toHaveLength(2);
    expect(await isThere(orderIds[2]!)).toBe(true);
  });

  it('passes over what somebody works on, and takes it the next time', async () => {
    const orderId = await sent('worked-on');
    const client = await database.pool.connect();
    await client.query('begin');
    await client.query('select 1 from aftercommit.outbox where aggregate_id = $1 for no key update', [
      orderId,
    ]);

    expect(await purge()).toBe(0);

    await client.query('commit');
    client.release();
    expect(await purge()).toBe(1);
  });

  it('looks at what must stay once in a run, not in each batch', async () => {
    await sent('goes');
    const { rows } = await database.pool.query<{ published: number }>(
      'select count(*)::int as published from aftercommit.outbox where published_at is not null',
    );

    const removed = await oneByOne();

    // The last finds nothing more.
    expect(removed).toHaveLength(rows[0]!.published + 1);
    expect(removed.filter((count) => count === 1)).toHaveLength(1);
  });
});
