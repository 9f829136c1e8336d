import { uuidV5 } from '../../src/database/ids';
import { announceDecline, requestPayment } from '../../src/database/payment-requests';
import { intendPayment, readPayment, recordPayment } from '../../src/database/payments';
import { AppError } from '../../src/errors';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventsOf, requested, waitingOrder } from './order-fixtures';
import { AT, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const codeOf = (error: unknown): string => {
  if (error instanceof AppError) return error.code;
  throw error;
};

async function decline(payment: { orderId: string; paymentId: string }): Promise<void> {
  await intendPayment(database.pool, payment);
  await recordPayment(database.pool, await readPayment(database.pool, payment.paymentId), {
    state: 'DECLINED',
    errorCode: 'card_declined',
  });
}

describe('asking for a payment', () => {
  it('writes it over the whole of the order', async () => {
    const orderId = await waitingOrder(database.pool, 'whole');

    const paymentId = await requested(database.pool, orderId);

    expect(await readPayment(database.pool, paymentId)).toMatchObject({
      orderId,
      state: 'INTENDED',
      amountMinor: 2000,
      currency: 'EUR',
      undoneAt: null,
    });
  });

  it('leaves one live payment when twenty ask at once', async () => {
    const orderId = await waitingOrder(database.pool, 'twenty');

    const asked = await Promise.all(
      Array.from({ length: 20 }, (_, n) => requested(database.pool, orderId, `key ${n}`).catch(codeOf)),
    );

    expect(asked.filter((one) => one === 'payment_in_progress')).toHaveLength(19);
    const { rows } = await database.pool.query('select 1 from aftercommit.payments where order_id = $1', [
      orderId,
    ]);
    expect(rows).toHaveLength(1);
  });

  it('writes one payment when one request is repeated twenty times at once', async () => {
    const orderId = await waitingOrder(database.pool, 'repeated');
    const request = { paymentId: uuidV5(orderId, 'one'), orderId, method: 'tok_visa', fingerprint: 'one' };

    const asked = await Promise.all(Array.from({ length: 20 }, () => requestPayment(database.pool, request)));

    expect(asked.filter(({ inserted }) => inserted)).toHaveLength(1);
    expect(new Set(asked.map(({ payment }) => payment.paymentId))).toEqual(new Set([request.paymentId]));
  });

  it('knows another request under the same id', async () => {
    const orderId = await waitingOrder(database.pool, 'other body');
    const paymentId = await requested(database.pool, orderId, 'first');

    const other = requestPayment(database.pool, {
      paymentId,
      orderId,
      method: 'tok_other',
      fingerprint: 'other',
    });

    await expect(other).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });

  it('takes another payment once the one before was declined, and tells of the first one all the same', async () => {
    const orderId = await waitingOrder(database.pool, 'declined');
    const first = await requested(database.pool, orderId, 'first');
    await decline({ orderId, paymentId: first });

    const second = await requested(database.pool, orderId, 'second');

    expect(await readPayment(database.pool, second)).toMatchObject({ state: 'INTENDED' });
    const repeat = { paymentId: first, orderId, method: 'tok_visa', fingerprint: 'first' };
    expect(await requestPayment(database.pool, repeat)).toMatchObject({
      inserted: false,
      payment: { state: 'DECLINED', errorCode: 'card_declined' },
    });
  });

  it.each([
    ['an order that is charged at once', 'charge', null],
    ['an order that costs nothing more', 'none', null],
    ['an order whose time is over', 'wait', 'deadline = now()'],
    ['an order that is being undone', 'wait', `status = 'COMPENSATING'`],
    ['an order that was cancelled', 'wait', `status = 'CANCELLED'`],
    ['an order that is paid', 'wait', `status = 'CONFIRMED'`],
  ] as const)('is refused for %s', async (what, mode, change) => {
    const orderId =
      mode === 'wait'
        ? await waitingOrder(database.pool, what)
        : await placeOne(database.pool, what, mode, { at: new Date().toISOString() });
    if (change !== null)
      await database.pool.query(`update aftercommit.orders set ${change} where order_id = $1`, [orderId]);

    expect(await requested(database.pool, orderId).catch(codeOf)).toBe('order_not_payable');
    expect(
      (await database.pool.query('select 1 from aftercommit.payments where order_id = $1', [orderId]))
        .rowCount,
    ).toBe(mode === 'charge' ? 1 : 0);
  });

  it('is refused while another payment has paid', async () => {
    const orderId = await waitingOrder(database.pool, 'captured');
    const paymentId = await requested(database.pool, orderId, 'first');
    await intendPayment(database.pool, { orderId, paymentId });
    await recordPayment(database.pool, await readPayment(database.pool, paymentId), {
      state: 'CAPTURED',
      captureId: 'cap',
    });

    await expect(requested(database.pool, orderId, 'second')).rejects.toMatchObject({
      code: 'payment_in_progress',
      extensions: { paymentId },
    });
  });
});

describe('telling that a payment was declined', () => {
  it('writes its event once, however often and by whomever it is told', async () => {
    const orderId = await waitingOrder(database.pool, 'told once');
    const paymentId = await requested(database.pool, orderId);
    await decline({ orderId, paymentId });
    const step = { orderId, epoch: 1, at: AT, paymentId, code: 'card_declined' };

    await Promise.all([1, 2, 3, 4].map(() => announceDecline(database.pool, step)));

    expect(await eventsOf(database.pool, orderId)).toEqual(['order.placed', 'order.payment_failed']);
    const { rows } = await database.pool.query(
      `select payload ->> 'code' as code, payload ->> 'status' as status from aftercommit.outbox
       where aggregate_id = $1 and type = 'order.payment_failed'`,
      [orderId],
    );
    expect(rows).toEqual([{ code: 'card_declined', status: 'PENDING_PAYMENT' }]);
  });

  it('says nothing of an order that waits no longer, and nothing to a run that was replaced', async () => {
    const orderId = await waitingOrder(database.pool, 'ended');
    const paymentId = await requested(database.pool, orderId);
    const step = { orderId, epoch: 1, at: AT, paymentId, code: 'card_declined' };
    await database.pool.query(`update aftercommit.orders set status = 'COMPENSATING' where order_id = $1`, [
      orderId,
    ]);

    await announceDecline(database.pool, step);
    await expect(announceDecline(database.pool, { ...step, epoch: 2 })).rejects.toMatchObject({
      code: 'epoch_conflict',
    });

    expect(await eventsOf(database.pool, orderId)).toEqual(['order.placed']);
  });
});
