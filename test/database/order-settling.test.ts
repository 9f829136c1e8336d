import { beginEnding, endOrder } from '../../src/database/order-endings';
import { settleOrder, type SettleOutcome } from '../../src/database/order-settling';
import { cancelledBecause, type Ending } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import {
  ADDRESS,
  capture,
  eventsOf,
  orderRow,
  passDeadline,
  printedDraws,
  requested,
  shuffled,
  stockOf,
  waitingOrder,
} from './order-fixtures';
import { AT, captureOne, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const settle = (
  orderId: string,
  more: { earnsPoints?: boolean; epoch?: number } = {},
): Promise<SettleOutcome> =>
  settleOrder(database.pool, { orderId, epoch: 1, at: AT, earnsPoints: true, ...more });
const EXPIRED: Ending = { event: 'order.expired', status: 'EXPIRED', code: 'payment_deadline' };

/** Waits for its payment, which was captured. */
async function paid(name: string, more: Parameters<typeof placeOne>[3] = {}): Promise<string> {
  const orderId = await waitingOrder(database.pool, name, more);
  await capture(database.pool, { orderId, paymentId: await requested(database.pool, orderId) });
  return orderId;
}

describe('settling', () => {
  it('writes with the confirmation what is to be done next', async () => {
    const orderId = await paid('whole', { shipping: ADDRESS, cartId: 'cart_1' });

    const settled = await settle(orderId);

    expect(settled).toMatchObject({
      settled: true,
      fulfilment: {
        shipment: { state: 'INTENDED', code: null },
        points: { state: 'INTENDED' },
        cart: { state: 'INTENDED' },
      },
    });
    const { rows } = await database.pool.query<{ points: number }>(
      'select points from aftercommit.points where order_id = $1',
      [orderId],
    );
    expect(rows).toEqual([{ points: 20 }]);
    expect(await orderRow(database.pool, orderId)).toEqual({ status: 'CONFIRMED', payment_status: 'PAID' });
    expect(await eventsOf(database.pool, orderId)).toEqual(['order.placed', 'order.confirmed']);
    expect(await stockOf(database.pool, 'whole')).toEqual({ available: 8, reserved: 0, sold: 2 });
  });

  it('earns no points where there is no ledger of them', async () => {
    const orderId = await paid('no ledger');

    expect(await settle(orderId, { earnsPoints: false })).toMatchObject({ fulfilment: { points: null } });
  });

  it.each([
    ['nothing was captured', `state = 'AUTHORIZED', captured_minor = 0`, 'not_captured'],
    ['what was captured is to be given back', `undone_at = now()`, 'not_captured'],
    ['less was captured', `captured_minor = 1999`, 'amount_mismatch'],
    ['more was captured', `captured_minor = 2001`, 'amount_mismatch'],
    ['another currency was captured', `currency = 'USD'`, 'amount_mismatch'],
  ])('is refused when %s, and another payment may still do it', async (what, damage, code) => {
    const orderId = await paid(what);
    await database.pool.query(`update aftercommit.payments set ${damage} where order_id = $1`, [orderId]);

    expect(await settle(orderId)).toEqual({ settled: false, code });

    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'PENDING_PAYMENT' });
    expect(await eventsOf(database.pool, orderId)).toEqual(['order.placed']);
    await database.pool.query('update aftercommit.payments set undone_at = now() where order_id = $1', [
      orderId,
    ]);
    await capture(database.pool, { orderId, paymentId: await requested(database.pool, orderId, 'another') });
    expect(await settle(orderId)).toMatchObject({ settled: true });
  });

  it('is refused for good when the stock is not there, and the order can be ended all the same', async () => {
    const orderId = await paid('short');
    // Two were reserved; one of them somebody else has taken out of the database.
    await database.pool.query(
      `update aftercommit.inventory set reserved = 1, available = available + 1 where sku = 'SKU-short'`,
    );

    const tries = await Promise.all([settle(orderId), settle(orderId), settle(orderId)]);

    expect(tries).toEqual(tries.map(() => ({ settled: false, code: 'stock_short' })));
    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'PENDING_PAYMENT' });
    const ending = cancelledBecause('stock_short');
    expect(await beginEnding(database.pool, { orderId, epoch: 1, at: AT, ending })).toBe('begun');
    await endOrder(database.pool, { orderId, epoch: 1, at: AT, ending });
    expect(await stockOf(database.pool, 'short')).toEqual({ available: 10, reserved: 0, sold: 0 });
    expect(await settle(orderId)).toEqual({ settled: false, code: 'stock_short' });
  });

  it('keeps what was settled when the stock is damaged afterwards', async () => {
    const orderId = await paid('damaged later');
    const first = await settle(orderId);
    await database.pool.query(`update aftercommit.inventory set sold = 0 where sku = 'SKU-damaged later'`);

    expect(await settle(orderId)).toEqual(first);
  });

  it('is refused to a run of an older epoch, which leaves no receipt behind', async () => {
    const orderId = await paid('epoch');
    await database.pool.query('update aftercommit.orders set epoch = 2 where order_id = $1', [orderId]);

    await expect(settle(orderId)).rejects.toMatchObject({ code: 'epoch_conflict' });

    expect(await settle(orderId, { epoch: 2 })).toMatchObject({ settled: true });
  });
});

it('has one winner when payments, cancels and deadlines race, and no stock is lost', async () => {
  const draw = printedDraws('settle, cancel and expire');
  const names = Array.from({ length: 24 }, (_, n) => `race ${n}`);
  const orders = await Promise.all(names.map((name) => paid(name)));
  await Promise.all(orders.map((orderId) => passDeadline(database.pool, orderId)));
  const end = async (orderId: string, ending: Ending): Promise<void> => {
    const step = { orderId, epoch: 1, at: AT, ending };
    if ((await beginEnding(database.pool, step)) === 'begun') await endOrder(database.pool, step);
  };

  const works = orders.flatMap((orderId) => [
    () => settle(orderId),
    () => settle(orderId),
    () => end(orderId, cancelledBecause('cancelled')),
    () => end(orderId, EXPIRED),
  ]);
  await Promise.all(shuffled(draw, works).map((work) => work()));

  for (const [index, orderId] of orders.entries()) {
    const { status } = await orderRow(database.pool, orderId);
    const isConfirmed = status === 'CONFIRMED';
    // Captured in time: the deadline never wins.
    expect(['CONFIRMED', 'CANCELLED']).toContain(status);
    expect(await stockOf(database.pool, names[index]!)).toEqual(
      isConfirmed ? { available: 8, reserved: 0, sold: 2 } : { available: 10, reserved: 0, sold: 0 },
    );
    expect(await eventsOf(database.pool, orderId)).toEqual([
      'order.placed',
      isConfirmed ? 'order.confirmed' : 'order.cancelled',
    ]);
    expect(await settle(orderId)).toMatchObject({ settled: isConfirmed });
  }
});

it('settles an order that is charged at once in the same way', async () => {
  const orderId = await placeOne(database.pool, 'charged', 'charge');
  await captureOne(database.pool, orderId);

  expect(await settle(orderId)).toMatchObject({ settled: true });
});
