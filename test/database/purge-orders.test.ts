import { randomUUID } from 'node:crypto';
import { closeTransaction } from '../../src/database/orders';
import { purgeBatch } from '../../src/database/purge';
import { acceptRequest, readRequest } from '../../src/database/requests';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { captureOne, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const FUTURE = '2100-01-01T00:00:00.000Z';
const query = (sql: string, ...values: unknown[]) => database.pool.query(sql, values);
const purge = async (of: 'orders' | 'requests', before = FUTURE) =>
  (await purgeBatch(database.pool, { of, before, limit: 100, after: null })).removed;

/** Takes an order's events away, as the purge of events does once they are old. */
async function withoutEvents(orderId: string): Promise<void> {
  await query('delete from aftercommit.notifications where order_id = $1', orderId);
  await query('delete from aftercommit.outbox where aggregate_id = $1', orderId);
}

/** An order that is over, with a row of everything that an order can have. */
async function finished(name: string): Promise<string> {
  const orderId = await placeOne(database.pool, name, 'charge');
  await captureOne(database.pool, orderId);
  await withoutEvents(orderId);
  await query(
    `update aftercommit.orders set status = 'COMPLETED', payment_status = 'PAID' where order_id = $1`,
    orderId,
  );
  await query(
    `insert into aftercommit.refunds (refund_id, order_id, payment_id, amount_minor, currency, actor, state, created_at, updated_at)
     select gen_random_uuid(), order_id, payment_id, 1, currency, 'test', 'DONE', now(), now()
     from aftercommit.payments where order_id = $1`,
    orderId,
  );
  await query(
    `insert into aftercommit.shipments (shipment_id, order_id, state, created_at, updated_at)
     values (gen_random_uuid(), $1, 'DELIVERED', now(), now())`,
    orderId,
  );
  await query(
    `insert into aftercommit.points (entry_id, order_id, customer_id, points, state, created_at, updated_at)
     values (gen_random_uuid(), $1, 'cus_1', 20, 'AWARDED', now(), now())`,
    orderId,
  );
  await query(
    `insert into aftercommit.carts (order_id, cart_id, state, created_at, updated_at) values ($1, 'cart', 'CLEARED', now(), now())`,
    orderId,
  );
  await query(
    `insert into aftercommit.parked_steps (order_id, step, reason, state, resolved_at) values ($1, 'ship:1', 'returned', 'RESOLVED', now())`,
    orderId,
  );
  return orderId;
}

/** How many rows each table has of an order. */
async function rowsOf(orderId: string): Promise<Record<string, number>> {
  const tables = [
    'orders',
    'order_lines',
    'order_contacts',
    'order_requests',
    'step_receipts',
    'payments',
    'refunds',
  ];
  const more = ['shipments', 'points', 'carts', 'parked_steps'];
  const counts: Record<string, number> = {};
  for (const table of [...tables, ...more]) {
    const { rows } = await database.pool.query<{ count: number }>(
      `select count(*)::int as count from aftercommit.${table} where order_id = $1`,
      [orderId],
    );
    counts[table] = rows[0]!.count;
  }
  return counts;
}

describe('the purge of orders', () => {
  it('removes an order that is over with everything that is its own, key and receipts too', async () => {
    const orderId = await finished('over');
    for (const [table, count] of Object.entries(await rowsOf(orderId)))
      expect([table, count > 0]).toEqual([table, true]);

    expect(await purge('orders')).toBe(1);

    for (const [table, count] of Object.entries(await rowsOf(orderId)))
      expect([table, count]).toEqual([table, 0]);
    expect(await readRequest(database.pool, orderId)).toBeNull();
    expect(await purge('orders')).toBe(0);
  });

  it.each(['CONFIRMED', 'CANCELLED', 'EXPIRED', 'FAILED'])(
    'removes an order that ended as %s',
    async (status) => {
      const orderId = await finished(`ended-${status}`);
      await query('update aftercommit.orders set status = $2 where order_id = $1', orderId, status);

      expect(await purge('orders')).toBe(1);
    },
  );

  it('removes one whose step was taken back before its outcome was known', async () => {
    const orderId = await finished('taken-back');
    await query(
      `insert into aftercommit.step_receipts (order_id, step, op, state) values ($1, 'ship:2', 'do', 'intended'), ($1, 'ship:2', 'undo', 'done')`,
      orderId,
    );

    expect(await purge('orders')).toBe(1);
  });

  it.each([
    ['goes on', `update aftercommit.orders set status = 'SHIPPED' where order_id = $1`],
    ['is being undone', `update aftercommit.orders set status = 'COMPENSATING' where order_id = $1`],
    ['waits for its payment', `update aftercommit.orders set status = 'PENDING_PAYMENT' where order_id = $1`],
    [
      'changed a short while ago',
      `update aftercommit.orders set updated_at = '2200-01-01' where order_id = $1`,
    ],
    [
      'has a young receipt',
      `update aftercommit.step_receipts set updated_at = '2200-01-01' where order_id = $1`,
    ],
    [
      'has a step without an outcome',
      `insert into aftercommit.step_receipts (order_id, step, op, state) values ($1, 'ship:3', 'do', 'intended')`,
    ],
    ['has an open payment', `update aftercommit.payments set state = 'AUTHORIZED' where order_id = $1`],
    [
      'waits for its customer',
      `update aftercommit.payments set state = 'REQUIRES_ACTION' where order_id = $1`,
    ],
    ['has money to give back', `update aftercommit.payments set undone_at = now() where order_id = $1`],
    ['has a young payment', `update aftercommit.payments set updated_at = '2200-01-01' where order_id = $1`],
    ['has a pending refund', `update aftercommit.refunds set state = 'PENDING' where order_id = $1`],
    ['has a parked refund', `update aftercommit.refunds set state = 'PARKED' where order_id = $1`],
    ['has goods on their way', `update aftercommit.shipments set state = 'SHIPPED' where order_id = $1`],
    ['has a shipment to book', `update aftercommit.shipments set state = 'INTENDED' where order_id = $1`],
    ['has points to award', `update aftercommit.points set state = 'INTENDED' where order_id = $1`],
    ['has a cart to clear', `update aftercommit.carts set state = 'INTENDED' where order_id = $1`],
    ['waits for an operator', `update aftercommit.parked_steps set state = 'OPEN' where order_id = $1`],
    [
      'has an event that is still kept',
      `insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, published_at, workflow_id)
       values (gen_random_uuid(), 'order', $1, 1, 's', 't', '{}', now(), now(), 'w')`,
    ],
    [
      'has an event that is not delivered',
      `insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, workflow_id)
       values (gen_random_uuid(), 'order', $1, 1, 's', 't', '{}', now(), 'w')`,
    ],
  ])('never removes an order that %s, nor anything of it', async (name, makeOpen) => {
    const orderId = await finished(name);
    await query(makeOpen, orderId);
    const before = await rowsOf(orderId);

    expect(await purge('orders')).toBe(0);

    expect(await rowsOf(orderId)).toEqual(before);
  });

  it('passes over an order that somebody works on', async () => {
    const orderId = await finished('worked-on');
    const client = await database.pool.connect();
    await client.query('begin');
    await client.query('select 1 from aftercommit.orders where order_id = $1 for no key update', [orderId]);

    expect(await purge('orders')).toBe(0);

    await client.query('commit');
    client.release();
    expect(await purge('orders')).toBe(1);
  });

  it('keeps what was placed later', async () => {
    const orderId = await finished('later');

    expect(await purge('orders', '2000-01-01T00:00:00.000Z')).toBe(0);

    expect((await rowsOf(orderId))['orders']).toBe(1);
    await purge('orders');
  });
});

describe('the purge of requests', () => {
  const body = {
    customer: { id: 'cus_1', phone: '+14155550100', channels: [] },
    lines: [],
    currency: 'EUR',
    payment: { mode: 'none' as const },
  };
  const request = () => ({ orderId: randomUUID(), caller: 'test', fingerprint: 'f', body });

  it('removes a closed one with its fence, so that its key is new again', async () => {
    const one = request();
    await acceptRequest(database.pool, one);
    await closeTransaction(database.pool, one.orderId);

    expect(await purge('requests')).toBe(1);

    expect(await readRequest(database.pool, one.orderId)).toBeNull();
    expect((await rowsOf(one.orderId))['step_receipts']).toBe(0);
    expect((await acceptRequest(database.pool, one)).inserted).toBe(true);
  });

  it('removes a fence that no request stands behind', async () => {
    const orderId = randomUUID();
    await closeTransaction(database.pool, orderId);

    expect(await purge('requests')).toBe(1);
  });

  it('keeps a refused one for as long as its key is honoured', async () => {
    const one = request();
    await acceptRequest(database.pool, one);
    await closeTransaction(database.pool, one.orderId);

    expect(await purge('requests', new Date(Date.now() - 60_000).toISOString())).toBe(0);

    expect((await readRequest(database.pool, one.orderId))?.receipt?.state).toBe('fenced');
    await purge('requests');
  });

  it('never removes one that nobody decided, nor one that became an order', async () => {
    const undecided = request();
    await acceptRequest(database.pool, undecided);
    const orderId = await placeOne(database.pool, 'committed');

    expect(await purge('requests')).toBe(0);

    expect(await readRequest(database.pool, undecided.orderId)).not.toBeNull();
    expect((await readRequest(database.pool, orderId))?.receipt?.state).toBe('done');
  });
});
