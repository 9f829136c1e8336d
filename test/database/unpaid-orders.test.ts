import { releaseUnpaid } from '../../src/database/unpaid-orders';
import { PAYMENT_EXPIRED } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { askedOf, commitUnder, openedGroup, stocked, unitsOfSku, waitingForLocks } from './group-fixtures';
import { eventsOf, orderRow, passDeadline, requested } from './order-fixtures';
import { asked, customersOf, nextNotification, openSale, unitsOf } from './sale-fixtures';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const release = (groupId: string, limit = 100): Promise<string[]> =>
  releaseUnpaid(database.pool, { groupId, ending: PAYMENT_EXPIRED, at: new Date().toISOString(), limit });

/** Orders of a group that wait for their payment, each of two units. */
async function waiting(
  name: string,
  count: number,
): Promise<{ groupId: string; sku: string; ids: string[] }> {
  const { pool } = database;
  const sku = await stocked(pool, `SKU-${name}`);
  const groupId = await openedGroup(pool);
  const orders = Array.from({ length: count }, (_, n) =>
    askedOf(`${name} ${n}`, sku, { mode: 'wait', units: 2 }),
  );
  await commitUnder(pool, groupId, orders);
  return { groupId, sku, ids: orders.map(({ orderId }) => orderId).sort() };
}

it('gives the stock of what was not paid in time back, says so, and leaves the others', async () => {
  const { pool } = database;
  const { groupId, sku, ids } = await waiting('late', 3);
  await passDeadline(pool, ids[0]!);
  await passDeadline(pool, ids[1]!);

  expect((await release(groupId)).sort()).toEqual(ids.slice(0, 2));

  expect(await unitsOfSku(pool, sku)).toEqual([98, 2, 0]);
  expect(await orderRow(pool, ids[0]!)).toEqual({ status: 'EXPIRED', payment_status: 'FAILED' });
  expect(await orderRow(pool, ids[2]!)).toMatchObject({ status: 'PENDING_PAYMENT' });
  expect(await eventsOf(pool, ids[0]!)).toEqual(['order.placed', 'order.expired']);
  expect(await eventsOf(pool, ids[2]!)).toEqual(['order.placed']);
  const { rows } = await pool.query<{ order_id: string; state: string; outcome: object }>(
    `select order_id, state, outcome from aftercommit.step_receipts where step = 'commit' and op = 'undo' and order_id = any ($1)`,
    [ids],
  );
  expect(rows.map((row) => row.order_id).sort()).toEqual(ids.slice(0, 2));
  expect(rows[0]).toMatchObject({ state: 'done', outcome: PAYMENT_EXPIRED });
  const told = await pool.query<{ template: string; state: string }>(
    `select n.template, a.state from aftercommit.notifications n join aftercommit.notification_attempts a using (notification_id)
     where n.order_id = any ($1)`,
    [ids],
  );
  expect(told.rows).toEqual([
    { template: 'order.expired', state: 'READY' },
    { template: 'order.expired', state: 'READY' },
  ]);
});

it('does nothing a second time', async () => {
  const { groupId, sku, ids } = await waiting('again', 1);
  await passDeadline(database.pool, ids[0]!);

  expect(await release(groupId)).toEqual(ids);
  expect(await release(groupId)).toEqual([]);

  expect(await unitsOfSku(database.pool, sku)).toEqual([100, 0, 0]);
});

it('takes no more at once than it was told to', async () => {
  const { groupId, ids } = await waiting('pages', 3);
  for (const orderId of ids) await passDeadline(database.pool, orderId);

  const pages = [await release(groupId, 2), await release(groupId, 2), await release(groupId, 2)];

  expect(pages.map((page) => page.length)).toEqual([2, 1, 0]);
});

it('gives the units of a sale back to it and to its customers, and tells who answers from memory', async () => {
  const { pool } = database;
  await openSale(pool, 'unpaid', { quantity: 4, perCustomer: 2 });
  const groupId = await openedGroup(pool);
  const orders = [
    asked('unpaid late', { saleId: 'unpaid', mode: 'wait', units: 2 }),
    asked('unpaid in time', { saleId: 'unpaid', mode: 'wait', units: 2 }),
  ];
  await commitUnder(pool, groupId, orders);
  await passDeadline(pool, orders[0]!.orderId);
  const listener = await pool.connect();
  try {
    const heard = nextNotification(listener);
    await listener.query('listen aftercommit_sales');
    await release(groupId);
    expect(await heard).toBe('unpaid');
  } finally {
    listener.release(true);
  }

  expect(await unitsOf(pool, 'unpaid')).toEqual({ reserved: 2, sold: 0 });
  expect(await customersOf(pool, 'unpaid')).toEqual({ cus_unpaid_late: 0, cus_unpaid_in_time: 2 });
  expect(await unitsOfSku(pool, 'SKU-unpaid')).toEqual([98, 2, 0]);
});

it('leaves an order alone whose payment was asked for, whatever became of it', async () => {
  const { pool } = database;
  const { groupId, sku, ids } = await waiting('asked', 2);
  await requested(pool, ids[0]!, 'live');
  await requested(pool, ids[1]!, 'declined');
  await pool.query(`update aftercommit.payments set state = 'DECLINED' where order_id = $1`, [ids[1]]);
  for (const orderId of ids) await passDeadline(pool, orderId);

  expect(await release(groupId)).toEqual([]);

  expect(await unitsOfSku(pool, sku)).toEqual([96, 4, 0]);
});

it('leaves an order alone whose payment is being asked for at the moment', async () => {
  const { pool } = database;
  const { groupId, sku, ids } = await waiting('racing', 2);
  for (const orderId of ids) await passDeadline(pool, orderId);
  const client = await pool.connect();
  try {
    // As a request for a payment does, which began before the deadline.
    await client.query('begin');
    await client.query('select 1 from aftercommit.orders where order_id = $1 for no key update', [ids[0]]);
    const releasing = release(groupId);
    await waitFor('it waits', async () => (await waitingForLocks(pool)) > 0);
    await client.query(
      `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, created_at, updated_at)
       values (gen_random_uuid(), $1, 'tok_visa', 2000, 'EUR', now(), now())`,
      [ids[0]],
    );
    await client.query('commit');

    expect(await releasing).toEqual([ids[1]]);
  } finally {
    client.release();
  }

  expect(await orderRow(pool, ids[0]!)).toMatchObject({ status: 'PENDING_PAYMENT' });
  expect(await unitsOfSku(pool, sku)).toEqual([98, 2, 0]);
});

it('refuses a payment that comes after it', async () => {
  const { pool } = database;
  const { groupId, ids } = await waiting('too-late', 1);
  await passDeadline(pool, ids[0]!);
  await release(groupId);

  await expect(requested(pool, ids[0]!)).rejects.toMatchObject({ code: 'order_not_payable' });
});

it('gives stock back once when two do it at the same time', async () => {
  const { pool } = database;
  const { groupId, sku, ids } = await waiting('twice', 20);
  for (const orderId of ids) await passDeadline(pool, orderId);

  const released = await Promise.all(Array.from({ length: 4 }, () => release(groupId)));

  expect(released.flat().sort()).toEqual(ids);
  expect(await unitsOfSku(pool, sku)).toEqual([100, 0, 0]);
  for (const orderId of ids) expect(await eventsOf(pool, orderId)).toEqual(['order.placed', 'order.expired']);
});
