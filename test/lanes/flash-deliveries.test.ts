import type { FlashLimits } from '../../src/lanes/flash-lane';
import type { FlashLane } from '../../src/lanes/lane';
import { stocked } from '../database/group-fixtures';
import { ADDRESS } from '../database/order-fixtures';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { failed, fine, gate, routeTo, type StubTemporal, type World } from './lane-rig';
import { deliveriesOf, flashOrder, openLane as openLaneOver, rowOf, type Wish } from './opened-lane';

/** What follows from a commit of the flash lane, in the process that committed. */
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

const ordersOf = async (name: string, count: number) => {
  const sku = await stocked(database.pool, `SKU-${name}`);
  return Array.from({ length: count }, (_, n) => flashOrder(`${name} ${n}`, sku));
};

it('events go where the rules say that are there now, also right after a change', async () => {
  await openLane();
  const [first, second] = await ordersOf('routed', 2);
  await lane.place(first!);

  await routeTo(database.pool, 'late');
  await lane.place(second!);
  await lane.close();

  expect(await deliveriesOf(database.pool, [first!])).toEqual(['sink DELIVERED 1']);
  expect(await deliveriesOf(database.pool, [second!])).toEqual(['late DELIVERED 1', 'sink DELIVERED 1']);
  await database.pool.query(`delete from aftercommit.rules where name = 'to-late'`);
  await database.pool.query('update aftercommit.installation set rules_version = rules_version + 1');
});

it('no more is committed while too much is not delivered yet', async () => {
  await openLane({ backlogMax: 2, groupMax: 1, sendingMax: 1 });
  const { pool } = database;
  const [one, two, three] = await ordersOf('pressed', 3);
  const slow = gate();
  world.answer = () => slow.opened.then(() => fine);
  try {
    await Promise.all([lane.place(one!), lane.place(two!)]);
    await waitFor('the first is on its way', () => world.sent.length === 1);

    const third = lane.place(three!);
    // Another commit would be done by then: this is a round trip to the same database, begun later.
    for (let turn = 0; turn < 20; turn += 1) await pool.query('select pg_sleep(0.01)');
    expect(await rowOf(pool, three!)).toBeUndefined();
    slow.open();

    expect(await third).toMatchObject({ state: 'done' });
  } finally {
    slow.open();
  }
  await lane.close();
  expect(await deliveriesOf(pool, [one!, two!, three!])).toEqual(Array(3).fill('sink DELIVERED 1'));
});

it('a target that is down is left alone, and nothing else is held up, until it is tried again', async () => {
  await routeTo(database.pool, 'down');
  await openLane();
  const before = await ordersOf('breaking', 10);
  const during = await ordersOf('broken', 3);
  const after = await ordersOf('mended', 1);
  world.answer = (target) => (target === 'down' ? failed : fine);
  await Promise.all(before.map((order) => lane.place(order)));
  await waitFor('they were tried', async () =>
    (await deliveriesOf(database.pool, before)).every((text) => /^(down READY|sink DELIVERED) 1$/.test(text)),
  );

  await Promise.all(during.map((order) => lane.place(order)));
  await waitFor(
    'they are delivered where they can be, and told',
    () => world.sent.length === 23 && world.told.length === 13,
  );
  expect(world.sent.filter((send) => send.startsWith('down'))).toHaveLength(10);

  const now = performance.now.bind(performance);
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + 6_000);
  world.answer = () => fine;
  try {
    await lane.place(after[0]!);
    await lane.close();
  } finally {
    clock.mockRestore();
    await database.pool.query(`delete from aftercommit.rules where name = 'to-down'`);
    await database.pool.query('update aftercommit.installation set rules_version = rules_version + 1');
  }

  expect(await deliveriesOf(database.pool, during)).toEqual([
    ...Array<string>(3).fill('down READY 0'),
    ...Array<string>(3).fill('sink DELIVERED 1'),
  ]);
  expect(await deliveriesOf(database.pool, after)).toEqual(['down DELIVERED 1', 'sink DELIVERED 1']);
  // All were told: messages have a breaker of their own.
  expect(world.told).toHaveLength(14);
});

it('a provider that is down is left alone, and events are not', async () => {
  await openLane();
  const before = await ordersOf('untold', 10);
  const during = await ordersOf('silent', 2);
  world.message = () => ({ kind: 'unsent', code: 'unreachable', message: 'no', latencyMs: 1 });
  await Promise.all(before.map((order) => lane.place(order)));
  await waitFor('all were tried', () => world.told.length === 10);
  await waitFor('all are put back', async () => {
    const { rows } = await database.pool.query(
      `select 1 from aftercommit.notification_attempts where state = 'SENDING'`,
    );
    return rows.length === 0;
  });

  await Promise.all(during.map((order) => lane.place(order)));
  await lane.close();

  expect(world.told).toHaveLength(10);
  expect(await deliveriesOf(database.pool, during)).toEqual(Array(2).fill('sink DELIVERED 1'));
  const { rows } = await database.pool.query(
    'select state, sends from aftercommit.notification_attempts where order_id = any ($1)',
    [during.map(({ orderId }) => orderId)],
  );
  expect(rows).toEqual(Array(2).fill({ state: 'READY', sends: 0 }));
});

it('what has waited for too long is given back unsent, for its claim may be over', async () => {
  await openLane({ groupMax: 1, sendingMax: 1 });
  const [sent, late] = await ordersOf('late', 2);
  const slow = gate();
  world.answer = () => slow.opened.then(() => fine);
  await lane.place(sent!);
  await lane.place(late!);
  await waitFor('the first is on its way', () => world.sent.length === 1 && world.told.length === 1);

  const now = performance.now.bind(performance);
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + 6_000);
  try {
    slow.open();
    await lane.close();
  } finally {
    clock.mockRestore();
  }

  expect(await deliveriesOf(database.pool, [late!])).toEqual(['sink READY 0']);
  expect([world.sent.length, world.told.length]).toEqual([1, 1]);
  const { rows } = await database.pool.query(
    'select state from aftercommit.notification_attempts where order_id = $1',
    [late!.orderId],
  );
  expect(rows).toEqual([{ state: 'READY' }]);
});

describe('an order that needs more than deliveries', () => {
  const WISHES: [string, Wish, boolean][] = [
    ['is to be charged', { mode: 'charge' }, true],
    ['ships', { shipping: ADDRESS }, true],
    ['comes from a cart', { cartId: 'cart' }, true],
    ['waits for its payment', { mode: 'wait', shipping: ADDRESS }, false],
    ['needs nothing', {}, false],
  ];

  it.each(WISHES)('because it %s gets a workflow of its own or none', async (name, wish, isRun) => {
    await openLane();
    const order = flashOrder(name, await stocked(database.pool, 'SKU-needs'), wish);

    await lane.place(order);
    await lane.close();

    const row = await rowOf(database.pool, order);
    expect(world.woken).toEqual(isRun ? [`order ${order.orderId}`] : []);
    expect(row!.workflow_id).toBe(isRun ? `order/${order.orderId}` : `group/${row!.group_id}`);
    expect(await deliveriesOf(database.pool, [order])).toEqual(['sink DELIVERED 1']);
  });

  it('stays with its group when that workflow cannot be started', async () => {
    await openLane();
    const order = flashOrder('unstarted', await stocked(database.pool, 'SKU-unstarted'), { mode: 'charge' });
    world.isTemporalAway = true;

    expect(await lane.place(order)).toMatchObject({ state: 'done' });
    await lane.close();

    const row = await rowOf(database.pool, order);
    expect(row!.workflow_id).toBe(`group/${row!.group_id}`);
  });
});

it('closing waits for what was accepted, and then gives the windows up', async () => {
  await openLane();
  const orders = await ordersOf('closing', 3);
  const slow = gate();
  world.answer = () => slow.opened.then(() => fine);
  const placed = orders.map((order) => lane.place(order));
  let isClosed = false;
  const closing = lane.close().then(() => (isClosed = true));
  await Promise.all(placed);
  await waitFor('they are on their way', () => world.sent.length === 3);
  expect(isClosed).toBe(false);
  expect(temporal.signalled).toEqual([]);

  slow.open();
  await closing;

  expect(await deliveriesOf(database.pool, orders)).toEqual(Array(3).fill('sink DELIVERED 1'));
  expect(temporal.signalled).toEqual([temporal.started[1]]);
});
