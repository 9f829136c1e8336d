import { randomUUID } from 'node:crypto';
import { paymentIdOf, shipmentIdOf, undoRefundIdOf } from '../../src/database/ids';
import { endOrder, beginEnding } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { recordPaymentReport, recordShipmentReport } from '../../src/database/participant-reports';
import { fencePayment, readPayment, recordPayment } from '../../src/database/payments';
import { requestUndo } from '../../src/database/refunds';
import { cancelledBecause } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import {
  ADDRESS,
  capture,
  eventsOf,
  orderRow,
  paymentReport,
  printedDraws,
  requested,
  shipmentReport,
  shuffled,
  waitingOrder,
} from './order-fixtures';
import { AT, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const NOTHING = { wakeOrder: null, giveBack: null };
const report = (...of: Parameters<typeof paymentReport>) =>
  recordPaymentReport(database.pool, paymentReport(...of));
const paymentOf = (paymentId: string) => readPayment(database.pool, paymentId);
const settle = (orderId: string) =>
  settleOrder(database.pool, { orderId, epoch: 1, at: AT, earnsPoints: true });

async function waiting(name: string): Promise<{ orderId: string; paymentId: string }> {
  const orderId = await waitingOrder(database.pool, name);
  return { orderId, paymentId: await requested(database.pool, orderId) };
}

async function parkedFor(reportId: string): Promise<{ orderId: string | null; reason: string }[]> {
  const { rows } = await database.pool.query<{ orderId: string | null; reason: string }>(
    'select order_id as "orderId", reason from aftercommit.parked_steps where step = $1',
    [`report:${reportId}`],
  );
  return rows;
}

async function cancel(orderId: string): Promise<void> {
  const step = { orderId, epoch: 1, at: AT, ending: cancelledBecause('cancelled') };
  await beginEnding(database.pool, step);
  await endOrder(database.pool, step);
}

describe('what the gateway tells of a payment that was asked for', () => {
  it('pays for the order, and wakes its run', async () => {
    const payment = await waiting('captured');

    expect(await report(payment)).toEqual({ wakeOrder: payment.orderId, giveBack: null });

    expect(await paymentOf(payment.paymentId)).toMatchObject({
      state: 'CAPTURED',
      capturedMinor: 2000,
      captureId: 'cap_gateway',
      undoneAt: null,
    });
    expect(await settle(payment.orderId)).toMatchObject({ settled: true });
  });

  it('counts once, however often it comes', async () => {
    const payment = await waiting('often');

    await Promise.all(Array.from({ length: 20 }, () => report(payment)));

    const { rows } = await database.pool.query(
      'select received, type, order_id from aftercommit.participant_reports where report_id = $1',
      [paymentReport(payment).reportId],
    );
    expect(rows).toEqual([{ received: 20, type: 'payment.captured', order_id: payment.orderId }]);
    expect(await paymentOf(payment.paymentId)).toMatchObject({ capturedMinor: 2000, refundedMinor: 0 });
  });

  it('is the same as the answer that comes after it', async () => {
    const payment = await waiting('before the answer');
    const asked = await paymentOf(payment.paymentId);

    await report(payment, { change: 'AUTHORIZED' });
    await recordPayment(database.pool, asked, { state: 'AUTHORIZED', authorizationId: 'auth_gateway' });
    await report(payment);
    const after = await recordPayment(database.pool, asked, { state: 'CAPTURED', captureId: 'cap_gateway' });

    expect(after).toMatchObject({
      state: 'CAPTURED',
      authorizationId: 'auth_gateway',
      captureId: 'cap_gateway',
    });
  });

  it('is old news when it comes after the capture', async () => {
    const payment = await waiting('reordered');
    await report(payment);

    for (const change of ['AUTHORIZED', 'DECLINED', 'VOIDED'] as const) await report(payment, { change });

    expect(await paymentOf(payment.paymentId)).toMatchObject({ state: 'CAPTURED', undoneAt: null });
    expect(await settle(payment.orderId)).toMatchObject({ settled: true });
  });

  it('ends the same in every order that it may come in', async () => {
    const draw = printedDraws('orders of payment reports');
    for (let n = 0; n < 12; n += 1) {
      const payment = await waiting(`any order ${n}`);
      for (const change of shuffled(draw, ['AUTHORIZED', 'CAPTURED', 'AUTHORIZED', 'CAPTURED'] as const))
        await report(payment, { change });

      expect(await paymentOf(payment.paymentId)).toMatchObject({ state: 'CAPTURED', undoneAt: null });
    }
  });

  it('tells the customer of a decline in the same transaction, once; the order waits for another payment', async () => {
    const payment = await waiting('declined');

    const outcome = await report(payment, { change: 'DECLINED', code: 'card_declined' });
    await report(payment, { change: 'DECLINED', code: 'card_declined', reportId: 'msg_again' });

    expect(outcome).toEqual({ wakeOrder: payment.orderId, giveBack: null });
    expect(await eventsOf(database.pool, payment.orderId)).toEqual(['order.placed', 'order.payment_failed']);
    expect(await orderRow(database.pool, payment.orderId)).toMatchObject({ status: 'PENDING_PAYMENT' });
    await requested(database.pool, payment.orderId, 'another');
  });

  it('leaves telling of a decline to the end of an order that is charged', async () => {
    const orderId = await placeOne(database.pool, 'charge declined', 'charge');

    await report({ orderId, paymentId: paymentIdOf(orderId) }, { change: 'DECLINED', code: 'card_declined' });

    expect(await eventsOf(database.pool, orderId)).toEqual(['order.placed']);
  });

  it('knows ids in capitals', async () => {
    const payment = await waiting('capitals');

    await report({
      orderId: payment.orderId.toUpperCase(),
      paymentId: payment.paymentId.toUpperCase(),
    });

    expect(await paymentOf(payment.paymentId)).toMatchObject({ state: 'CAPTURED' });
    const { rows } = await database.pool.query(
      `select step, state from aftercommit.step_receipts where order_id = $1 and step like 'pay:%'`,
      [payment.orderId],
    );
    expect(rows).toEqual([{ step: `pay:${payment.paymentId}`, state: 'done' }]);
  });
});

describe('money that an order cannot take', () => {
  it.each(['CANCELLED', 'EXPIRED', 'FAILED'])('goes back when the order is %s', async (status) => {
    const payment = await waiting(`late ${status}`);
    await cancel(payment.orderId);
    await database.pool.query('update aftercommit.orders set status = $2 where order_id = $1', [
      payment.orderId,
      status,
    ]);

    const outcomes = await Promise.all([report(payment), report(payment)]);

    expect(outcomes).toEqual([
      { wakeOrder: null, giveBack: payment },
      { wakeOrder: null, giveBack: payment },
    ]);
    const refunds = await Promise.all(outcomes.map(({ giveBack }) => requestUndo(database.pool, giveBack!)));
    expect(new Set(refunds)).toEqual(new Set([undoRefundIdOf(payment.paymentId)]));
    const { rows } = await database.pool.query(
      'select amount_minor, currency, state from aftercommit.refunds where order_id = $1',
      [payment.orderId],
    );
    expect(rows).toEqual([{ amount_minor: 2000, currency: 'EUR', state: 'PENDING' }]);
  });

  it('goes back when it was declined before, though the order still waits', async () => {
    const payment = await waiting('declined, then captured');
    await report(payment, { change: 'DECLINED', code: 'card_declined' });

    const { giveBack } = await report(payment);

    expect(giveBack).toEqual(payment);
    expect(await paymentOf(payment.paymentId)).toMatchObject({
      state: 'CAPTURED',
      errorCode: 'card_declined',
    });
    expect(await settle(payment.orderId)).toEqual({ settled: false, code: 'not_captured' });
  });

  it('goes back when nothing was ever sent for it: an undo had fenced it', async () => {
    const payment = await waiting('fenced');
    await fencePayment(database.pool, payment);

    expect(await report(payment)).toMatchObject({ giveBack: payment });
    // And from now on an undo asks the gateway.
    expect(await fencePayment(database.pool, payment)).toBe(true);
  });

  it('is left to the run that undoes the order while that runs', async () => {
    const payment = await waiting('being undone');
    const ending = cancelledBecause('cancelled');
    await beginEnding(database.pool, { orderId: payment.orderId, epoch: 1, at: AT, ending });

    expect(await report(payment)).toEqual(NOTHING);
    expect(await paymentOf(payment.paymentId)).toMatchObject({ state: 'CAPTURED' });
  });

  it.each([
    ['less', { amountMinor: 1999 }],
    ['more', { amountMinor: 2001 }],
    ['another currency', { currency: 'USD' }],
  ])('goes back when it is %s than was asked for: that much of it', async (what, changes) => {
    const payment = await waiting(`amount ${what}`);

    const outcome = await report(payment, changes);
    await report(payment, changes);

    expect(outcome).toEqual({ wakeOrder: payment.orderId, giveBack: payment });
    const money = { amountMinor: 2000, currency: 'EUR', ...changes };
    expect(await paymentOf(payment.paymentId)).toMatchObject({
      state: 'CAPTURED',
      capturedMinor: money.amountMinor,
      currency: money.currency,
      errorCode: 'amount_mismatch',
    });
    expect(await settle(payment.orderId)).toEqual({ settled: false, code: 'not_captured' });
    await requestUndo(database.pool, payment);
    const { rows } = await database.pool.query(
      'select amount_minor, currency from aftercommit.refunds where order_id = $1',
      [payment.orderId],
    );
    expect(rows).toEqual([{ amount_minor: money.amountMinor, currency: money.currency }]);
  });
});

describe('a payment that only the gateway knew of', () => {
  it('pays for an order that waits for one', async () => {
    const payment = { orderId: await waitingOrder(database.pool, 'page'), paymentId: randomUUID() };

    await report(payment, { change: 'AUTHORIZED' });
    expect(await report(payment)).toEqual({ wakeOrder: payment.orderId, giveBack: null });

    expect(await settle(payment.orderId)).toMatchObject({ settled: true });
  });

  it('is one of many that come at once: the first one pays, the others go back', async () => {
    const orderId = await waitingOrder(database.pool, 'many');
    const payments = Array.from({ length: 12 }, () => ({ orderId, paymentId: randomUUID() }));

    const outcomes = await Promise.all(payments.map((payment) => report(payment)));

    expect(outcomes.filter(({ giveBack }) => giveBack === null)).toHaveLength(1);
    const owed = outcomes.flatMap(({ giveBack }) => (giveBack === null ? [] : [giveBack.paymentId]));
    expect((await paymentOf(owed[0]!)).errorCode).toBe('second_payment');
    expect(await settle(orderId)).toMatchObject({ settled: true });
  });

  it('races with one that a caller asks for: one is live, and neither fails', async () => {
    const draw = printedDraws('asked for and reported');
    for (let n = 0; n < 10; n += 1) {
      const orderId = await waitingOrder(database.pool, `both ${n}`);
      const works = [
        () => requested(database.pool, orderId).catch((error: { code: string }) => error.code),
        () => report({ orderId, paymentId: randomUUID() }).then(({ giveBack }) => giveBack),
        () => report({ orderId, paymentId: randomUUID() }).then(({ giveBack }) => giveBack),
      ];

      await Promise.all(shuffled(draw, works).map((work) => work()));

      const { rows } = await database.pool.query(
        `select 1 from aftercommit.payments where order_id = $1 and undone_at is null`,
        [orderId],
      );
      expect(rows).toHaveLength(1);
    }
  });

  it.each([
    ['an order that is charged', 'charge', {}, 'not_awaited'],
    ['an order that costs nothing more', 'none', {}, 'not_awaited'],
    ['less than the order costs', 'wait', { amountMinor: 1 }, 'amount_mismatch'],
    ['another currency', 'wait', { currency: 'USD' }, 'amount_mismatch'],
  ] as const)('goes back when it is for %s', async (what, mode, changes, code) => {
    const orderId = await placeOne(database.pool, `unasked ${what}`, mode, { at: new Date().toISOString() });
    const payment = { orderId, paymentId: randomUUID() };

    const { giveBack } = await report(payment, changes);

    expect(giveBack).toEqual(payment);
    expect(await paymentOf(payment.paymentId)).toMatchObject({ errorCode: code });
    expect((await paymentOf(payment.paymentId)).undoneAt).not.toBeNull();
  });

  it('is nothing when it was declined or voided', async () => {
    const payment = { orderId: await waitingOrder(database.pool, 'no news'), paymentId: randomUUID() };

    expect(await report(payment, { change: 'DECLINED' })).toEqual(NOTHING);
    expect(await report(payment, { change: 'VOIDED' })).toEqual(NOTHING);

    const { rows } = await database.pool.query('select 1 from aftercommit.payments where order_id = $1', [
      payment.orderId,
    ]);
    expect(rows).toEqual([]);
  });
});

describe('what nobody here can tell', () => {
  it.each([
    ['an order that there is not', { orderId: randomUUID(), paymentId: randomUUID() }],
    ['an order that is no id of ours', { orderId: 'order-7', paymentId: randomUUID() }],
  ])('is parked when it is of %s', async (what, payment) => {
    const reportId = `msg ${what}`;

    expect(await report(payment, { reportId })).toEqual(NOTHING);
    expect(await report(payment, { reportId })).toEqual(NOTHING);

    expect(await parkedFor(reportId)).toEqual([{ orderId: null, reason: 'unknown_order' }]);
  });

  it('is parked when the payment is of another order, or no id of ours, and moves nothing', async () => {
    const payment = await waiting('mine');
    const other = await waitingOrder(database.pool, 'other');

    expect(await report({ orderId: other, paymentId: payment.paymentId }, { reportId: 'msg_a' })).toEqual(
      NOTHING,
    );
    expect(await report({ orderId: other, paymentId: 'pay-7' }, { reportId: 'msg_b' })).toEqual(NOTHING);

    expect(await parkedFor('msg_a')).toEqual([{ orderId: other, reason: 'unknown_payment' }]);
    expect(await parkedFor('msg_b')).toEqual([{ orderId: other, reason: 'unknown_payment' }]);
    expect(await paymentOf(payment.paymentId)).toMatchObject({ state: 'INTENDED' });
  });

  it('is parked when it contradicts a capture that is known: a confirmed order keeps its payment', async () => {
    const payment = await waiting('contradicted');
    await capture(database.pool, payment);
    await settle(payment.orderId);

    expect(await report(payment, { amountMinor: 1 })).toEqual(NOTHING);

    expect(await parkedFor(paymentReport(payment).reportId)).toEqual([
      { orderId: payment.orderId, reason: 'amount_contradicted' },
    ]);
    expect(await paymentOf(payment.paymentId)).toMatchObject({ capturedMinor: 2000, undoneAt: null });
    expect(await orderRow(database.pool, payment.orderId)).toEqual({
      status: 'CONFIRMED',
      payment_status: 'PAID',
    });
  });

  it('is not parked again once an operator has dealt with it', async () => {
    const of = { orderId: randomUUID(), paymentId: randomUUID() };
    await report(of, { reportId: 'msg_resolved' });
    await database.pool.query(
      `update aftercommit.parked_steps set state = 'RESOLVED' where step = 'report:msg_resolved'`,
    );

    await report(of, { reportId: 'msg_resolved' });

    expect(await parkedFor('msg_resolved')).toHaveLength(1);
  });
});

describe('what the carrier tells', () => {
  it('changes shipment and order, and wakes the run, also when it is old', async () => {
    const orderId = await placeOne(database.pool, 'shipped', 'none', { shipping: ADDRESS });
    const told = shipmentReport(shipmentIdOf(orderId), 'SHIPPED');

    const outcomes = [
      await recordShipmentReport(database.pool, told),
      await recordShipmentReport(database.pool, told),
    ];

    expect(outcomes).toEqual([
      { wakeOrder: orderId, giveBack: null },
      { wakeOrder: orderId, giveBack: null },
    ]);
    expect(await eventsOf(database.pool, orderId)).toEqual(['order.confirmed', 'order.shipped']);
    const { rows } = await database.pool.query(
      `select received from aftercommit.participant_reports where participant = 'carrier'`,
    );
    expect(rows).toEqual([{ received: 2 }]);
  });

  it.each([randomUUID(), 'parcel-7'])('is parked when nobody knows the shipment %s', async (shipmentId) => {
    const told = shipmentReport(shipmentId, 'DELIVERED');

    expect(await recordShipmentReport(database.pool, told)).toEqual(NOTHING);

    expect(await parkedFor(told.reportId)).toEqual([{ orderId: null, reason: 'unknown_shipment' }]);
  });

  it('is parked when it has on its way what it had cancelled', async () => {
    const orderId = await placeOne(database.pool, 'cancelled there', 'none', { shipping: ADDRESS });
    await database.pool.query(`update aftercommit.shipments set state = 'CANCELLED' where order_id = $1`, [
      orderId,
    ]);
    const told = shipmentReport(shipmentIdOf(orderId), 'SHIPPED');

    expect(await recordShipmentReport(database.pool, told)).toEqual(NOTHING);

    expect(await parkedFor(told.reportId)).toEqual([{ orderId, reason: 'shipped_after_cancel' }]);
  });
});
