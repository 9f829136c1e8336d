import { closeAtOnce } from '../../src/database/groups';
import { QueueFullError, TemporalUnavailableError } from '../../src/errors';
import type { FlashLimits } from '../../src/lanes/flash-lane';
import type { FlashLane, FlashOrder } from '../../src/lanes/lane';
import { stocked, unitsOfSku, waitingForLocks } from '../database/group-fixtures';
import { codesOf } from '../database/sale-fixtures';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { routeTo, type StubTemporal, type World } from './lane-rig';
import { flashOrder, openLane as openLaneOver, rowOf as rowIn } from './opened-lane';

let database: TestDatabase;
let temporal: StubTemporal;
let world: World;
let lane: FlashLane;

beforeAll(async () => {
  database = await createTestDatabase();
  await routeTo(database.pool, 'sink');
});
afterAll(() => database.drop());
afterEach(() => lane.close());

async function openLane(limits: Partial<FlashLimits> = {}): Promise<void> {
  ({ lane, temporal, world } = await openLaneOver(database.pool, limits));
}

const rowOf = (order: FlashOrder) => rowIn(database.pool, order);
const placeAll = (orders: readonly FlashOrder[]) => Promise.all(orders.map((order) => lane.place(order)));

describe('orders that come at once', () => {
  it('are one group, and each has its own outcome', async () => {
    await openLane();
    const { pool } = database;
    const sku = await stocked(pool, 'SKU-mixed', 3);
    const orders = [
      flashOrder('mixed 1', sku),
      flashOrder('mixed greedy', sku, { units: 5 }),
      flashOrder('mixed unknown', 'SKU-nobody-has'),
      flashOrder('mixed 2', sku, { units: 2 }),
      flashOrder('mixed late', sku),
    ];

    const outcomes = await placeAll(orders);
    await lane.close();

    expect(codesOf(outcomes)).toEqual(['done', 'out_of_stock', 'unknown_sku', 'done', 'out_of_stock']);
    expect(outcomes.every(({ decidedNow }) => decidedNow)).toBe(true);
    const accepted = [orders[0]!, orders[3]!];
    const rows = await Promise.all(accepted.map(rowOf));
    expect(rows[0]).toEqual(rows[1]);
    expect(rows[0]!.workflow_id).toBe(`group/${rows[0]!.group_id}`);
    expect(temporal.started[0]).toBe(rows[0]!.workflow_id);
    expect(outcomes[0]!.answer).toMatchObject({ status: 201 });
    expect(await unitsOfSku(pool, sku)).toEqual([0, 0, 3]);
    // Delivered and told at once, and only what was accepted.
    expect(world.sent.sort()).toEqual(accepted.map(({ orderId }) => `sink ${orderId}`).sort());
    expect(world.told).toHaveLength(2);
    const { rows: open } = await pool.query(
      `select 1 from aftercommit.deliveries where state <> 'DELIVERED' union all
       select 1 from aftercommit.notification_attempts where state <> 'ACCEPTED'`,
    );
    expect(open).toEqual([]);
  });

  it('under one id are committed once; whose key it is, the fingerprint says', async () => {
    await openLane();
    const order = flashOrder('same', await stocked(database.pool, 'SKU-same'));

    const [first, second, other] = await placeAll([order, order, { ...order, fingerprint: 'another body' }]);
    await lane.close();

    expect(first).toMatchObject({ state: 'done', decidedNow: true });
    expect(second).toEqual({ ...first, decidedNow: false });
    expect(other!.fingerprint).toBe(order.fingerprint);
    expect(await unitsOfSku(database.pool, 'SKU-same')).toEqual([99, 0, 1]);
    expect(world.sent).toHaveLength(1);
  });

  it('are not held up by one that nobody can store', async () => {
    await openLane();
    const sku = await stocked(database.pool, 'SKU-poison');
    const poison = flashOrder('poison', sku, { customerId: 'a\u0000b' });

    const settled = await Promise.allSettled([
      lane.place(flashOrder('beside 1', sku)),
      lane.place(poison),
      lane.place(flashOrder('beside 2', sku)),
    ]);

    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await rowOf(poison)).toBeUndefined();
    expect(await unitsOfSku(database.pool, sku)).toEqual([98, 0, 2]);
  });

  it('are refused when more wait than can be committed soon, and nothing of them is written', async () => {
    await openLane({ queueMax: 2, commitsMax: 1 });
    const { pool } = database;
    const sku = await stocked(pool, 'SKU-queue');
    const client = await pool.connect();
    const placed: Promise<unknown>[] = [];
    try {
      await client.query('begin');
      await client.query('select 1 from aftercommit.inventory where sku = $1 for update', [sku]);
      placed.push(lane.place(flashOrder('queue 1', sku)));
      await waitFor('a commit is under way', async () => (await waitingForLocks(pool)) > 0);
      placed.push(lane.place(flashOrder('queue 2', sku)), lane.place(flashOrder('queue 3', sku)));

      const refused: unknown = await lane.place(flashOrder('queue 4', sku)).catch((error: unknown) => error);

      expect(refused).toBeInstanceOf(QueueFullError);
      expect(refused).toMatchObject({ retryAfterSeconds: 1, retryable: true });
    } finally {
      await client.query('rollback');
      client.release();
    }
    await Promise.all(placed);
    expect(await rowOf(flashOrder('queue 4', sku))).toBeUndefined();
    expect(await lane.place(flashOrder('queue 4', sku))).toMatchObject({ state: 'done', decidedNow: true });
    expect(await unitsOfSku(pool, sku)).toEqual([96, 0, 4]);
  });
});

it('a repeat in another group gets the first outcome, and nobody hears of it again', async () => {
  await openLane({ ordersMax: 1 });
  const { pool } = database;
  const order = flashOrder('repeated', await stocked(pool, 'SKU-repeated'));
  const first = await lane.place(order);
  const row = await rowOf(order);

  const again = await lane.place(order);
  await lane.close();

  expect(again).toEqual({ ...first, decidedNow: false, claims: null });
  expect(temporal.started.length).toBeGreaterThanOrEqual(2);
  expect(await rowOf(order)).toEqual(row);
  expect(world.sent).toHaveLength(1);
  expect(world.told).toHaveLength(1);
});

describe('a group that was closed under its process', () => {
  const currentGroup = (): string => temporal.started[0]!.replace('group/', '');

  it('hands its orders over to the next one, which commits them once', async () => {
    await openLane();
    const { pool } = database;
    const sku = await stocked(pool, 'SKU-fenced');
    await lane.place(flashOrder('fenced 0', sku));
    await closeAtOnce(pool, currentGroup());
    const orders = [flashOrder('fenced 1', sku), flashOrder('fenced 2', sku)];

    const outcomes = await placeAll(orders);

    expect(codesOf(outcomes)).toEqual(['done', 'done']);
    for (const order of orders) expect((await rowOf(order))!.group_id).not.toBe(currentGroup());
    expect((await rowOf(flashOrder('fenced 0', sku)))!.group_id).toBe(currentGroup());
    expect(await unitsOfSku(pool, sku)).toEqual([97, 0, 3]);
  });

  it('again and again makes the order come back later, unwritten', async () => {
    await openLane();
    const { pool } = database;
    const order = flashOrder('closed thrice', await stocked(pool, 'SKU-thrice'));
    await pool.query(`
      create function close_group() returns trigger language plpgsql as
        $$ begin new.state := 'CLOSED'; return new; end $$;
      create trigger closes before insert on aftercommit.groups for each row execute function close_group()`);
    try {
      await expect(lane.place(order)).rejects.toThrow(TemporalUnavailableError);
    } finally {
      await pool.query('drop trigger closes on aftercommit.groups');
    }

    expect(await rowOf(order)).toBeUndefined();
    expect(await lane.place(order)).toMatchObject({ state: 'done' });
  });
});

it('without Temporal and without a window refuses, and has written nothing', async () => {
  await openLane();
  temporal.isAway = true;
  const order = flashOrder('away', await stocked(database.pool, 'SKU-away'));

  await expect(lane.place(order)).rejects.toThrow(TemporalUnavailableError);
  expect(lane.isOpen).toBe(false);
  expect(await rowOf(order)).toBeUndefined();

  temporal.isAway = false;
  expect(await lane.place(order)).toMatchObject({ state: 'done' });
});

it('has a window from the start when it is to be kept open', async () => {
  await openLane({ keepOpen: true });
  expect(lane.isOpen).toBe(true);
  temporal.isAway = true;

  const order = flashOrder('kept open', await stocked(database.pool, 'SKU-kept-open'));

  expect(await lane.place(order)).toMatchObject({ state: 'done' });
});
