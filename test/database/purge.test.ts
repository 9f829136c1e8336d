import { randomUUID } from 'node:crypto';
import { listEvents } from '../../src/database/events';
import { purgeEvents } from '../../src/database/purge';
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
const purge = (limit = 100) => purgeEvents(database.pool, BEFORE, limit);
const isThere = async (orderId: string) =>
  (await listEvents(database.pool, { orderId, limit: 10 })).data.length === 1;

/** An order whose one event was sent with this outcome, and whose message has one too. */
async function sent(name: string, result = delivered): Promise<string> {
  const orderId = await placeOne(database.pool, name);
  await routeEvents(database.pool, { aggregateId: orderId, at: AT }, toOne);
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

    expect(await purgeEvents(database.pool, '2000-01-01T00:00:00.000Z', 100)).toBe(0);

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

    expect([await purge(1), await purge(1), await purge(1)]).toEqual([1, 1, 0]);

    expect(await isThere(orderIds[2]!)).toBe(true);
  });
});
