import type { AskedOrder } from '../../src/database/commits';
import { setAvailable } from '../../src/database/inventory';
import { endOrder } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { openOrders } from '../../src/database/reconciliation-candidates';
import { suspects } from '../../src/database/reconciliation-detectors';
import { putSale, readSale } from '../../src/database/sales';
import { cancelledBecause } from '../../src/domain/orders';
import type { DetectorName } from '../../src/domain/reconciliation';
import { createPool } from '../../src/database/pool';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { capture, printedDraws, requested, shuffled } from './order-fixtures';
import {
  asked,
  codesOf,
  commitGroup,
  customersOf,
  openSale,
  passTime,
  saleEvents,
  termsOf,
  unitsOf,
  nextNotification,
} from './sale-fixtures';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
const at = (): string => new Date().toISOString();
const cancel = (orderId: string, pool = database.pool): Promise<void> =>
  endOrder(pool, { orderId, epoch: 1, at: at(), ending: cancelledBecause('cancelled') });

async function stockOf(saleId: string): Promise<number[]> {
  const { rows } = await database.pool.query<{ counts: number[] }>(
    'select array[available, reserved, sold] as counts from aftercommit.inventory where sku = $1',
    [`SKU-${saleId}`],
  );
  return rows[0]!.counts;
}

/** Connections of its own: what they saw is counted once they have ended. */
const LOAD = 'load of a sale';

/** The repeats of a transaction would hide them. */
async function deadlocksOfLoad(): Promise<number> {
  const ended = `select 1 from pg_stat_activity where application_name = '${LOAD}'`;
  await waitFor('the connections have ended', async () => (await database.pool.query(ended)).rowCount === 0);
  const { rows } = await database.pool.query<{ deadlocks: number }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  );
  return rows[0]!.deadlocks;
}

const buyers = (saleId: string, count: number, units = 1): AskedOrder[] =>
  Array.from({ length: count }, (_, n) => asked(`${saleId} ${n}`, { saleId, units }));

describe('a commit', () => {
  it('takes the units of a sale as they come, and not one more', async () => {
    const { pool } = database;
    await openSale(pool, 'cap');

    const codes = codesOf(await commitGroup(pool, buyers('cap', 13)));

    expect(codes).toEqual(Array.from({ length: 13 }, (_, n) => (n < 10 ? 'done' : 'sold_out')));
    expect(await unitsOf(pool, 'cap')).toEqual({ reserved: 0, sold: 10 });
    expect(await stockOf('cap')).toEqual([90, 0, 10]);
    expect(await readSale(pool, 'cap')).toMatchObject({ state: 'SOLD_OUT', available: 0 });
  });

  it('lets one that wants less have what one that wants more cannot', async () => {
    const { pool } = database;
    await openSale(pool, 'rest');

    const codes = codesOf(
      await commitGroup(pool, [
        asked('rest 8', { saleId: 'rest', units: 8 }),
        asked('rest 3', { saleId: 'rest', units: 3 }),
        asked('rest 2', { saleId: 'rest', units: 2 }),
      ]),
    );

    expect(codes).toEqual(['done', 'sold_out', 'done']);
  });

  it('holds a customer to the limit, in one commit and over several', async () => {
    const { pool } = database;
    await openSale(pool, 'limit', { perCustomer: 2 });
    const of = (name: string, units: number) => asked(name, { saleId: 'limit', customerId: 'cus_1', units });

    const first = codesOf(await commitGroup(pool, [of('a', 1), of('b', 2), of('c', 1), of('d', 1)]));
    const second = codesOf(
      await commitGroup(pool, [of('e', 1), asked('other', { saleId: 'limit', customerId: 'cus_2' })]),
    );

    expect(first).toEqual(['done', 'customer_limit', 'done', 'customer_limit']);
    expect(second).toEqual(['customer_limit', 'done']);
    expect(await customersOf(pool, 'limit')).toEqual({ cus_1: 2, cus_2: 1 });
  });

  it('refuses what a sale cannot sell, each for its own reason, and takes the others', async () => {
    const { pool } = database;
    await openSale(pool, 'mixed', { perCustomer: 5 });
    await openSale(pool, 'to-come', { opensAt: inAnHour() });
    await openSale(pool, 'gone', { closesAt: inAnHour() });
    await passTime(pool, 'gone', 'closes_at');

    const codes = codesOf(
      await commitGroup(pool, [
        asked('mixed good', { saleId: 'mixed' }),
        asked('mixed early', { saleId: 'to-come' }),
        asked('mixed late', { saleId: 'gone' }),
        asked('mixed unknown', { saleId: 'nobody-made-it' }),
        asked('mixed sku', { saleId: 'mixed', sku: 'SKU-nobody-has' }),
        asked('mixed greedy', { saleId: 'mixed', units: 6 }),
        asked('mixed plain', { saleId: null, sku: 'SKU-mixed' }),
        asked('mixed last', { saleId: 'mixed', units: 5 }),
      ]),
    );

    expect(codes).toEqual([
      'done',
      'sale_not_open',
      'sale_closed',
      'unknown_sale',
      'unknown_sku',
      'customer_limit',
      'done',
      'done',
    ]);
    expect(await unitsOf(pool, 'mixed')).toEqual({ reserved: 0, sold: 6 });
    expect(await stockOf('mixed')).toEqual([93, 0, 7]);
    expect(Object.values(await customersOf(pool, 'mixed')).reduce((sum, units) => sum + units, 0)).toBe(6);
    // Nobody's units stay counted for an order that was refused.
    for (const saleId of ['to-come', 'gone'])
      expect(Object.values(await customersOf(pool, saleId))).toEqual([0]);
  });

  it('gives a repeat its first outcome in another group, and takes nothing again', async () => {
    const { pool } = database;
    await openSale(pool, 'again', { quantity: 2, perCustomer: 1 });
    const orders = buyers('again', 3);
    const first = await commitGroup(pool, orders);

    const second = await commitGroup(pool, [...orders].reverse());

    expect(codesOf(first)).toEqual(['done', 'done', 'sold_out']);
    expect(second.map(({ decidedNow }) => decidedNow)).toEqual([false, false, false]);
    expect(codesOf(second)).toEqual(['sold_out', 'done', 'done']);
    expect(second[2]!.answer).toEqual(first[0]!.answer);
    expect(await unitsOf(pool, 'again')).toEqual({ reserved: 0, sold: 2 });
    expect(await customersOf(pool, 'again')).toMatchObject({
      cus_again_0: 1,
      cus_again_1: 1,
      cus_again_2: 0,
    });
  });

  it('tells once in the life of a sale that it is sold out', async () => {
    const { pool } = database;
    await openSale(pool, 'once', { quantity: 2 });
    const [one, three] = buyers('once', 2) as [AskedOrder, AskedOrder];
    const two = asked('once that is cancelled', { saleId: 'once', mode: 'wait' });
    await commitGroup(pool, [one]);
    const before = await saleEvents(pool, 'once');
    await commitGroup(pool, [two]);
    await cancel(two.orderId);
    expect(codesOf(await commitGroup(pool, [three]))).toEqual(['done']);

    expect(before).toEqual(['sale.opened']);
    expect(await saleEvents(pool, 'once')).toEqual(['sale.opened', 'sale.sold_out']);
  });
});

it('sells exactly what there is to many who come at once, while others cancel and pay', async () => {
  const pool = createPool({ url: database.url, size: 20, name: LOAD, log: silentLog });
  const draw = printedDraws('buyers of one sale');
  const quantity = 60;
  await openSale(pool, 'rush', { quantity, perCustomer: 3 });
  const orders = Array.from({ length: 300 }, (_, n) =>
    asked(`rush ${n}`, {
      saleId: 'rush',
      customerId: `cus_${Math.floor(draw() * 120)}`,
      units: 1 + Math.floor(draw() * 2),
      mode: draw() < 0.5 ? 'wait' : 'none',
    }),
  );
  const groups: AskedOrder[][] = [];
  for (let start = 0; start < orders.length;) {
    const size = 1 + Math.floor(draw() * 20);
    groups.push(orders.slice(start, start + size));
    start += size;
  }
  // Two repeat what others ask for, at the same time.
  const loads = shuffled(draw, [...groups, groups[0]!, groups[1]!]);

  const taken: string[] = [];
  await Promise.all(
    loads.map(async (group) => {
      const outcomes = await commitGroup(pool, group);
      const fresh = group.filter((_, n) => outcomes[n]!.decidedNow && outcomes[n]!.state === 'done');
      taken.push(...fresh.map(({ orderId }) => orderId));
      for (const order of fresh) {
        if (order.request.payment.mode !== 'wait') continue;
        const step = { orderId: order.orderId, epoch: 1, at: at() };
        if (draw() < 0.4) await cancel(order.orderId, pool);
        else if (draw() < 0.5) {
          await capture(pool, { orderId: order.orderId, paymentId: await requested(pool, order.orderId) });
          await settleOrder(pool, { ...step, earnsPoints: false });
        }
      }
    }),
  );

  await pool.end();

  expect(await deadlocksOfLoad()).toBe(0);
  expect(new Set(taken).size).toBe(taken.length);
  const { reserved, sold } = await unitsOf(database.pool, 'rush');
  expect(reserved + sold).toBeLessThanOrEqual(quantity);
  expect(await stockOf('rush')).toEqual([100 - reserved - sold, reserved, sold]);
  expect(Math.max(...Object.values(await customersOf(database.pool, 'rush')))).toBeLessThanOrEqual(3);
  expect(await found('sale_counters')).not.toContainEqual(expect.stringMatching(/^sale:rush:/));

  // What came back is sold to the last unit, and then no more.
  const left = quantity - reserved - sold;
  const late = Array.from({ length: left + 5 }, (_, n) => asked(`rush late ${n}`, { saleId: 'rush' }));
  const codes = codesOf(await commitGroup(database.pool, late));
  expect(codes.filter((code) => code === 'done')).toHaveLength(left);
  expect(codes.filter((code) => code === 'sold_out')).toHaveLength(5);
  expect(await readSale(database.pool, 'rush')).toMatchObject({ state: 'SOLD_OUT', available: 0 });
});

describe('what comes later', () => {
  it('moves reserved units to sold when the order is paid', async () => {
    const { pool } = database;
    await openSale(pool, 'paid');
    const order = asked('paid', { saleId: 'paid', units: 2, mode: 'wait' });
    await commitGroup(pool, [order]);
    const { orderId } = order;
    expect(await unitsOf(pool, 'paid')).toEqual({ reserved: 2, sold: 0 });

    await capture(pool, { orderId, paymentId: await requested(pool, orderId) });
    await settleOrder(pool, { orderId, epoch: 1, at: at(), earnsPoints: false });

    expect(await unitsOf(pool, 'paid')).toEqual({ reserved: 0, sold: 2 });
    expect(await customersOf(pool, 'paid')).toEqual({ cus_paid: 2 });
  });

  it.each(['wait', 'none'] as const)(
    'gives the units of a cancelled order of mode %s to the sale and its customer, and says so',
    async (mode) => {
      const { pool } = database;
      const saleId = `back-${mode}`;
      await openSale(pool, saleId, { quantity: 2, perCustomer: 2 });
      const order = asked(saleId, { saleId, units: 2, mode });
      await commitGroup(pool, [order]);
      await pool.query(`update aftercommit.orders set status = 'COMPENSATING' where order_id = $1`, [
        order.orderId,
      ]);
      const listener = await pool.connect();
      try {
        const heard = nextNotification(listener);
        await listener.query('listen aftercommit_sales');
        await cancel(order.orderId);
        expect(await heard).toBe(saleId);
      } finally {
        listener.release(true);
      }

      expect(await unitsOf(pool, saleId)).toEqual({ reserved: 0, sold: 0 });
      expect(await customersOf(pool, saleId)).toEqual({ [`cus_${saleId}`]: 0 });
      expect(await stockOf(saleId)).toEqual([100, 0, 0]);
      expect(codesOf(await commitGroup(pool, [asked(`${saleId} next`, { saleId, units: 2 })]))).toEqual([
        'done',
      ]);
    },
  );

  it('leaves sales alone when the order is of none', async () => {
    const { pool } = database;
    await openSale(pool, 'beside');
    await commitGroup(pool, [asked('beside', { saleId: 'beside' })]);
    const plain = asked('beside plain', { saleId: null, sku: 'SKU-beside', mode: 'wait' });
    await commitGroup(pool, [plain]);

    await cancel(plain.orderId);

    expect(await unitsOf(pool, 'beside')).toEqual({ reserved: 0, sold: 1 });
    expect(await stockOf('beside')).toEqual([99, 0, 1]);
  });

  it('is not kept from its end by a sale that was damaged', async () => {
    const { pool } = database;
    await openSale(pool, 'short');
    const order = asked('short', { saleId: 'short', units: 3, mode: 'wait' });
    await commitGroup(pool, [order]);
    await pool.query(`update aftercommit.sales set reserved = 1 where sale_id = 'short'`);
    await pool.query(`update aftercommit.sale_customers set units = 1 where sale_id = 'short'`);

    await cancel(order.orderId);

    expect(await unitsOf(pool, 'short')).toEqual({ reserved: 0, sold: 0 });
    expect(await customersOf(pool, 'short')).toEqual({ cus_short: 0 });
  });
});

it('lets the quantity be lowered to what is taken while buyers come', async () => {
  const { pool } = database;
  await openSale(pool, 'lowered', { quantity: 20 });

  const [codes, put] = await Promise.all([
    commitGroup(pool, buyers('lowered', 15)).then(codesOf),
    putSale(pool, termsOf('lowered', { quantity: 5 }), 'test').catch((error: unknown) => error),
  ]);

  // Whoever was first: all of them, and then too much is sold to lower it; or as many as there are afterwards.
  const sold = codes.filter((code) => code === 'done').length;
  expect([5, 15]).toContain(sold);
  expect(put).toMatchObject(sold === 15 ? { code: 'conflicting_state' } : { quantity: 5 });
});

/** Subjects that a detector finds when nothing is too young for it. */
async function found(detector: DetectorName): Promise<string[]> {
  const looking = {
    detector,
    now: new Date(Date.now() + 1_000),
    graceMs: 0,
    eventsSince: at(),
    onlyNew: false,
  };
  const subjects: string[] = [];
  for await (const page of suspects(database.pool, looking))
    subjects.push(...page.map(({ subject }) => subject));
  return subjects;
}

describe('reconciliation', () => {
  it('finds a sale, or a customer, that has other units than its orders', async () => {
    const { pool } = database;
    await openSale(pool, 'healthy');
    await openSale(pool, 'broken');
    await openSale(pool, 'person');
    for (const saleId of ['healthy', 'broken', 'person']) {
      await commitGroup(pool, [
        asked(`${saleId} none`, { saleId }),
        asked(`${saleId} wait`, { saleId, mode: 'wait', units: 2 }),
      ]);
    }
    await pool.query(`update aftercommit.sales set sold = 3, reserved = 1 where sale_id = 'broken'`);
    await pool.query(`delete from aftercommit.sale_customers where customer_id = 'cus_person_none'`);

    const subjects = await found('sale_counters');

    expect(subjects).toContain('sale:broken:-1:2:0');
    expect(subjects).toContain('sale:person:0:0:1');
    expect(subjects).not.toContainEqual(expect.stringMatching(/^sale:healthy:/));
  });

  it('finds sales that nobody opened, closed or compared, and no others', async () => {
    const { pool } = database;
    await openSale(pool, 'unopened', { opensAt: inAnHour() });
    await passTime(pool, 'unopened', 'opens_at');
    await openSale(pool, 'unclosed', { closesAt: inAnHour() });
    await passTime(pool, 'unclosed', 'closes_at');
    await openSale(pool, 'uncompared', { closesAt: inAnHour() });
    await pool.query(
      `update aftercommit.sales set state = 'CLOSED', opens_at = null, closes_at = now() - interval '1 hour' where sale_id = 'uncompared'`,
    );
    await openSale(pool, 'scheduled', { opensAt: inAnHour() });
    await openSale(pool, 'running', { closesAt: inAnHour() });

    const subjects = await found('unfinished_sale');

    expect(subjects).toEqual(expect.arrayContaining(['sale:unopened', 'sale:unclosed', 'sale:uncompared']));
    expect(subjects).not.toContain('sale:scheduled');
    expect(subjects).not.toContain('sale:running');
  });

  it('finds groups that should be done, and none that waits for a payment, and leaves their orders to them', async () => {
    const { pool } = database;
    await setAvailable(pool, { sku: 'SKU-null', available: 10, actor: 'test', reason: 'test' });
    await pool.query('delete from aftercommit.groups');
    await commitGroup(pool, [asked('group none', { saleId: null })]);
    const [waits] = await commitGroup(pool, [asked('group wait', { saleId: null, mode: 'wait' })]);
    const { rows } = await pool.query<{ group_id: string; order_id: string }>(
      'select group_id, order_id from aftercommit.orders where group_id in (select group_id from aftercommit.groups)',
    );
    const groupOf = (isWaiting: boolean): string =>
      `group:${rows.find(({ order_id }) => (order_id === waits!.orderId) === isWaiting)!.group_id}`;

    expect(await found('unfinished_group')).toEqual([groupOf(false)]);
    await pool.query(`update aftercommit.orders set deadline = now() where order_id = $1`, [waits!.orderId]);
    expect((await found('unfinished_group')).sort()).toEqual([groupOf(false), groupOf(true)].sort());
    const inNeedOfRun = async (): Promise<string[]> =>
      (await openOrders(pool, { olderThan: inAnHour(), after: null, limit: 1_000 })).map(
        (order) => order.orderId,
      );
    await pool.query(`update aftercommit.orders set workflow_id = 'group/' || group_id`);
    expect(await inNeedOfRun()).not.toContain(waits!.orderId);
    await pool.query(`update aftercommit.groups set state = 'ENDED'`);
    expect(await inNeedOfRun()).toContain(waits!.orderId);
    expect(await found('unfinished_group')).toEqual([]);
  });
});
