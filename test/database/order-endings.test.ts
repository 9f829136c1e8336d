import { shipmentIdOf } from '../../src/database/ids';
import { beginEnding, endOrder, type BeginOutcome } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { recordPaymentReport } from '../../src/database/participant-reports';
import { recordTracking } from '../../src/database/shipments';
import { requestRefund, requestUndo, settleRefund } from '../../src/database/refunds';
import { cancelledBecause, type Ending } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import {
  ADDRESS,
  capture,
  eventsOf,
  orderRow,
  passDeadline,
  paymentReport,
  printedDraws,
  requested,
  shuffled,
  stockOf,
  waitingOrder,
} from './order-fixtures';
import { AT, placeOne, settleOne } from './place';
import { paidOrder, refundOf } from './refund-fixtures';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const EXPIRED: Ending = { event: 'order.expired', status: 'EXPIRED', code: 'payment_deadline' };
const begin = (orderId: string, ending: Ending): Promise<BeginOutcome> =>
  beginEnding(database.pool, { orderId, epoch: 1, at: AT, ending });
const end = (orderId: string, ending: Ending): Promise<void> =>
  endOrder(database.pool, { orderId, epoch: 1, at: AT, ending });

/** Paid, confirmed, and to be shipped. */
async function shipping(name: string): Promise<string> {
  const orderId = await placeOne(database.pool, name, 'charge', { shipping: ADDRESS });
  await settleOne(database.pool, orderId);
  return orderId;
}

describe('the deadline', () => {
  it('is over only by the clock of the database', async () => {
    const orderId = await waitingOrder(database.pool, 'not yet');

    expect(await begin(orderId, EXPIRED)).toBe('not_yet');

    await passDeadline(database.pool, orderId);
    expect(await begin(orderId, EXPIRED)).toBe('begun');
  });

  it('loses to a payment that was captured, and wins over one that only waits for its customer', async () => {
    const paid = await waitingOrder(database.pool, 'captured in time');
    await capture(database.pool, { orderId: paid, paymentId: await requested(database.pool, paid) });
    const acting = await waitingOrder(database.pool, 'customer away');
    await requested(database.pool, acting);
    await Promise.all([paid, acting].map((orderId) => passDeadline(database.pool, orderId)));

    expect(await begin(paid, EXPIRED)).toBe('paid');
    expect(await begin(acting, EXPIRED)).toBe('begun');
  });

  it('is never the end of an order that was paid', async () => {
    const orderId = await shipping('confirmed');
    await database.pool.query('update aftercommit.orders set deadline = now() where order_id = $1', [
      orderId,
    ]);

    expect(await begin(orderId, EXPIRED)).toBe('paid');
  });
});

describe('an order that is confirmed', () => {
  it('can be undone only while it ships', async () => {
    const orderId = await paidOrder(database.pool, 'not shipping');

    expect(await begin(orderId, cancelledBecause('cancelled'))).toBe('too_late');
    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'CONFIRMED' });
  });

  it('gives its stock back out of what was sold, once', async () => {
    const orderId = await shipping('booked');
    const ending = cancelledBecause('address_refused');

    expect(await begin(orderId, ending)).toBe('begun');
    await Promise.all([1, 2, 3].map(() => end(orderId, ending)));

    expect(await stockOf(database.pool, 'booked')).toEqual({ available: 10, reserved: 0, sold: 0 });
    expect(await eventsOf(database.pool, orderId)).toEqual([
      'order.placed',
      'order.confirmed',
      'order.cancelled',
    ]);
  });

  it('is not cancelled once it is on its way, but for what the carrier lost', async () => {
    const orderId = await shipping('on its way');
    const shipmentId = shipmentIdOf(orderId);
    await recordTracking(database.pool, { shipmentId, state: 'SHIPPED', trackingId: 'T', at: AT });

    expect(await begin(orderId, cancelledBecause('cancelled'))).toBe('too_late');
    expect(await begin(orderId, cancelledBecause('not_delivered'))).toBe('begun');
    await end(orderId, cancelledBecause('not_delivered'));

    // What nobody has seen again is not for sale.
    expect(await stockOf(database.pool, 'on its way')).toEqual({ available: 8, reserved: 0, sold: 2 });
  });

  it('puts stock back once, whether a refund or the end of the order comes first', async () => {
    const at = new Date().toISOString();
    const ending = cancelledBecause('cancelled');
    for (const order of ['refund first', 'end first'] as const) {
      const orderId = await shipping(order);
      const { refund } = await requestRefund(database.pool, refundOf(orderId, 'all', { restock: true }));
      const { refundId } = refund;
      const goBack = () => settleRefund(database.pool, { refundId, gatewayRefundId: 'g', at });
      if (order === 'refund first') await goBack();
      await begin(orderId, ending);
      await end(orderId, ending);
      if (order === 'end first') await goBack();

      expect(await stockOf(database.pool, order)).toEqual({ available: 10, reserved: 0, sold: 0 });
      expect(await orderRow(database.pool, orderId)).toEqual({
        status: 'CANCELLED',
        payment_status: 'REFUNDED',
      });
    }
  });
});

it('ends an order whose reservation somebody has damaged, with what is left of it', async () => {
  const orderId = await waitingOrder(database.pool, 'damaged');
  await database.pool.query(`update aftercommit.inventory set reserved = 1 where sku = 'SKU-damaged'`);
  await passDeadline(database.pool, orderId);

  await begin(orderId, EXPIRED);
  await end(orderId, EXPIRED);

  expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'EXPIRED' });
  expect(await stockOf(database.pool, 'damaged')).toEqual({ available: 9, reserved: 0, sold: 0 });
});

it('refuses to release the stock of an order that was not begun to be undone', async () => {
  const orderId = await paidOrder(database.pool, 'not begun');

  await expect(end(orderId, cancelledBecause('cancelled'))).rejects.toMatchObject({
    code: 'order_not_cancellable',
  });

  expect(await stockOf(database.pool, 'not begun')).toEqual({ available: 8, reserved: 0, sold: 2 });
});

it('refuses a run of an older epoch', async () => {
  const orderId = await waitingOrder(database.pool, 'epoch');
  await database.pool.query('update aftercommit.orders set epoch = 2 where order_id = $1', [orderId]);

  const step = { orderId, epoch: 1, at: AT, ending: cancelledBecause('cancelled') };
  await expect(beginEnding(database.pool, step)).rejects.toMatchObject({ code: 'epoch_conflict' });
  await expect(endOrder(database.pool, step)).rejects.toMatchObject({ code: 'epoch_conflict' });

  expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'PENDING_PAYMENT' });
});

/** As the run of the order does it: what is captured by the deadline confirms it, what comes later goes back. */
it('has one winner when capture reports race with deadlines: paid and sold, or expired and given back', async () => {
  const draw = printedDraws('captures and deadlines');
  const names = Array.from({ length: 24 }, (_, n) => `deadline ${n}`);
  const orders = await Promise.all(
    names.map(async (name) => {
      const orderId = await waitingOrder(database.pool, name);
      const paymentId = await requested(database.pool, orderId);
      await passDeadline(database.pool, orderId);
      return { name, orderId, paymentId };
    }),
  );
  const owed = new Set<string>();
  const report = async (payment: { orderId: string; paymentId: string }): Promise<void> => {
    const { giveBack } = await recordPaymentReport(database.pool, paymentReport(payment));
    if (giveBack !== null) owed.add(giveBack.paymentId);
  };
  const expire = async ({ orderId, paymentId }: { orderId: string; paymentId: string }): Promise<void> => {
    if ((await begin(orderId, EXPIRED)) === 'begun') {
      await requestUndo(database.pool, { orderId, paymentId });
      await end(orderId, EXPIRED);
    } else {
      await settleOrder(database.pool, { orderId, epoch: 1, at: AT, earnsPoints: true });
    }
  };

  await Promise.all(
    shuffled(
      draw,
      orders.flatMap((order) => [() => report(order), () => report(order), () => expire(order)]),
    ).map((work) => work()),
  );

  let expired = 0;
  for (const { name, orderId, paymentId } of orders) {
    const { status } = await orderRow(database.pool, orderId);
    if (status === 'CONFIRMED') {
      expect(owed.has(paymentId)).toBe(false);
      expect(await stockOf(database.pool, name)).toEqual({ available: 8, reserved: 0, sold: 2 });
      continue;
    }
    expired += 1;
    expect(status).toBe('EXPIRED');
    expect(await stockOf(database.pool, name)).toEqual({ available: 10, reserved: 0, sold: 0 });
    await requestUndo(database.pool, { orderId, paymentId });
    const { rows } = await database.pool.query<{ amount_minor: number }>(
      'select amount_minor from aftercommit.refunds where order_id = $1',
      [orderId],
    );
    expect(rows).toEqual([{ amount_minor: 2000 }]);
  }
  process.stdout.write(`${orders.length - expired} confirmed, ${expired} expired\n`);
});
