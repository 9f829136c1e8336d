import { listEvents } from '../../src/database/events';
import { paymentIdOf } from '../../src/database/ids';
import { readStock } from '../../src/database/inventory';
import { readOrder } from '../../src/database/order-views';
import {
  failRefund,
  listRefunds,
  parkRefund,
  readRefund,
  requestRefund,
  requestUndo,
  retryRefund,
  settleRefund,
} from '../../src/database/refunds';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { AT, captureOne, placeOne } from './place';
import { latePayment, paidLines, paidOrder, refundOf, seededRandom } from './refund-fixtures';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const request = (...asked: Parameters<typeof refundOf>) => requestRefund(database.pool, refundOf(...asked));
const settle = (refundId: string) =>
  settleRefund(database.pool, { refundId, gatewayRefundId: `g-${refundId}`, at: AT });
const read = (orderId: string) =>
  readOrder(database.pool, orderId, { temporalUiUrl: null, namespace: 'default' });
const fail = async (refundId: string) => {
  await parkRefund(database.pool, { refundId, code: 'refund_refused' });
  return failRefund(database.pool, refundId);
};
const setStatus = (orderId: string, status: string) =>
  database.pool.query('update aftercommit.orders set status = $2 where order_id = $1', [orderId, status]);

describe('asking for a refund', () => {
  it('gives back all that is left when no amount is named', async () => {
    const orderId = await paidOrder(database.pool, 'all');
    await request(orderId, 'a', { amountMinor: 500 });

    const { refund } = await request(orderId, 'b');

    expect(refund).toMatchObject({ amountMinor: 1500, state: 'PENDING', lines: [] });
  });

  it('never lets twenty requests at once take more than was captured', async () => {
    const orderId = await paidOrder(database.pool, 'at once');

    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => request(orderId, `r${n}`, { amountMinor: 300 })),
    );

    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(6);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(
      refused.every((result) => (result.reason as { code: string }).code === 'refund_exceeds_captured'),
    ).toBe(true);
  });

  it('is one refund for one key, and refuses the key for another amount', async () => {
    const orderId = await paidOrder(database.pool, 'key');

    const [one, two] = await Promise.all([1, 2].map(() => request(orderId, 'k', { amountMinor: 100 })));

    expect([one!.inserted, two!.inserted].sort()).toEqual([false, true]);
    await expect(request(orderId, 'k', { amountMinor: 200 })).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  it('is refused where nothing was captured', async () => {
    const free = await placeOne(database.pool, 'free');
    const unpaid = await placeOne(database.pool, 'unpaid', 'charge');

    for (const orderId of [free, unpaid])
      await expect(request(orderId, 'n')).rejects.toMatchObject({ code: 'nothing_captured' });
  });

  it('is refused while the payment is captured and not settled: two hands would move the same money', async () => {
    const orderId = await placeOne(database.pool, 'between', 'charge');
    await captureOne(database.pool, orderId);

    await expect(request(orderId, 'early')).rejects.toMatchObject({
      code: 'order_not_settled',
      extensions: { state: 'PENDING_PAYMENT' },
    });
    expect(await requestUndo(database.pool, { orderId, paymentId: paymentIdOf(orderId) })).not.toBeNull();
  });

  it('is of the payment that paid for the order, not of one that came too late', async () => {
    const orderId = await paidOrder(database.pool, 'counts');
    await latePayment(database.pool, orderId, 5_000);

    const { refund } = await request(orderId, 'mine');

    expect(refund).toMatchObject({ paymentId: paymentIdOf(orderId), amountMinor: 2000 });
    await expect(request(orderId, 'more', { amountMinor: 1 })).rejects.toMatchObject({
      extensions: { refundableMinor: 0 },
    });
  });
});

describe('a refund for lines', () => {
  it('is their sum, and is told of line by line', async () => {
    const orderId = await paidLines(database.pool, 'lines', { 'SKU-L1': 700, 'SKU-L2': 1300 });
    const lines = [
      { sku: 'SKU-L2', amountMinor: 300 },
      { sku: 'SKU-L1', amountMinor: 200 },
    ];

    const { refund } = await request(orderId, 'a', { lines });
    await settle(refund.refundId);

    const inOrder = [lines[1], lines[0]];
    expect(refund).toMatchObject({ amountMinor: 500, lines: inOrder });
    const { data } = await listEvents(database.pool, { orderId, type: 'order.refunded', limit: 10 });
    expect(data).toMatchObject([{ detail: { amountMinor: 500, lines: inOrder } }]);
  });

  it('takes no more for a line than it cost, over all refunds that count', async () => {
    const orderId = await paidLines(database.pool, 'line cap', { 'SKU-C1': 700, 'SKU-C2': 1300 });
    const first = await request(orderId, 'a', { lines: [{ sku: 'SKU-C1', amountMinor: 600 }] });

    const again = request(orderId, 'b', {
      lines: [
        { sku: 'SKU-C2', amountMinor: 1 },
        { sku: 'SKU-C1', amountMinor: 101 },
      ],
    });

    await expect(again).rejects.toMatchObject({
      code: 'refund_exceeds_captured',
      fields: [{ pointer: '/lines/1/amountMinor', message: 'at most 100' }],
      extensions: { refundableMinor: 100 },
    });
    expect(await fail(first.refund.refundId)).toBe('FAILED');
    const whole = await request(orderId, 'c', { lines: [{ sku: 'SKU-C1', amountMinor: 700 }] });
    expect(whole.refund.amountMinor).toBe(700);
  });

  it('takes no more than is left of the payment, whatever the lines cost', async () => {
    const orderId = await paidLines(database.pool, 'line and sum', { 'SKU-S1': 700, 'SKU-S2': 1300 });
    await request(orderId, 'a', { amountMinor: 1900 });

    const refused = request(orderId, 'b', { lines: [{ sku: 'SKU-S1', amountMinor: 101 }] });

    await expect(refused).rejects.toMatchObject({
      code: 'refund_exceeds_captured',
      fields: [{ pointer: '/lines' }],
    });
  });

  it('is refused for a line that the order does not have', async () => {
    const orderId = await paidOrder(database.pool, 'stranger');

    const refused = request(orderId, 'a', { lines: [{ sku: 'SKU-other', amountMinor: 1 }] });

    await expect(refused).rejects.toMatchObject({
      code: 'invalid_value',
      fields: [{ pointer: '/lines/0/sku' }],
    });
  });
});

describe('settling a refund', () => {
  it('moves the payment status and tells of it once, however often it is reported', async () => {
    const orderId = await paidOrder(database.pool, 'settled');
    const { refund } = await request(orderId, 's', { amountMinor: 500 });

    await Promise.all([settle(refund.refundId), settle(refund.refundId), settle(refund.refundId)]);

    expect(await read(orderId)).toMatchObject({
      status: 'CONFIRMED',
      payment: { status: 'PARTIALLY_REFUNDED', refundedMinor: 500 },
    });
    const { data } = await listEvents(database.pool, { orderId, type: 'order.refunded', limit: 10 });
    expect(data).toHaveLength(1);
    expect(data[0]!.detail).toEqual({
      orderId,
      seq: 3,
      refundId: refund.refundId,
      amountMinor: 500,
      currency: 'EUR',
      customerId: 'cus_1',
      paymentStatus: 'PARTIALLY_REFUNDED',
      capturedMinor: 2_000,
      refundedMinor: 500,
    });
    expect(await readRefund(database.pool, refund.refundId)).toMatchObject({ state: 'DONE' });
  });

  it('of a payment that came late leaves the status of a confirmed order alone', async () => {
    const orderId = await paidOrder(database.pool, 'late');
    const paymentId = await latePayment(database.pool, orderId, 700);

    await settle((await requestUndo(database.pool, { orderId, paymentId }))!);

    expect(await read(orderId)).toMatchObject({ status: 'CONFIRMED', payment: { status: 'PAID' } });
  });

  it('of the only money, which came late, makes the order REFUNDED', async () => {
    const orderId = await placeOne(database.pool, 'only late', 'wait');
    await setStatus(orderId, 'EXPIRED');
    const paymentId = await latePayment(database.pool, orderId, 2_000);

    await settle((await requestUndo(database.pool, { orderId, paymentId }))!);

    expect(await read(orderId)).toMatchObject({ status: 'EXPIRED', payment: { status: 'REFUNDED' } });
  });

  it('leaves an order alone that still waits for its payment', async () => {
    const orderId = await placeOne(database.pool, 'still waits', 'wait');
    const paymentId = await latePayment(database.pool, orderId, 2_000);

    await settle((await requestUndo(database.pool, { orderId, paymentId }))!);

    expect(await read(orderId)).toMatchObject({
      status: 'PENDING_PAYMENT',
      payment: { status: 'PENDING' },
    });
  });

  it('puts stock back only when that was asked for', async () => {
    const kept = await paidOrder(database.pool, 'kept');
    const returned = await paidOrder(database.pool, 'returned');
    const plain = await request(kept, 'p');
    const restock = await request(returned, 'q', { restock: true });

    await settle(plain.refund.refundId);
    await settle(restock.refund.refundId);

    expect(await readStock(database.pool, 'SKU-kept')).toMatchObject({ available: 8, sold: 2 });
    expect(await readStock(database.pool, 'SKU-returned')).toMatchObject({ available: 10, sold: 0 });
  });

  it('records the money also when the stock that is to go back is not there', async () => {
    const orderId = await paidOrder(database.pool, 'damaged');
    const { refund } = await request(orderId, 'd', { restock: true });
    await database.pool.query(`update aftercommit.inventory set sold = 1 where sku = 'SKU-damaged'`);

    await settle(refund.refundId);

    expect(await read(orderId)).toMatchObject({ payment: { status: 'REFUNDED' } });
    expect(await readStock(database.pool, 'SKU-damaged')).toMatchObject({ available: 9, sold: 0 });
  });
});

describe('stock that goes back with a refund', () => {
  it('is the whole order, once, with the refund of all that is left', async () => {
    const orderId = await paidOrder(database.pool, 'restock');
    await expect(request(orderId, 'part', { amountMinor: 500, restock: true })).rejects.toMatchObject({
      code: 'invalid_value',
    });
    const part = await request(orderId, 'part', { amountMinor: 500 });
    const rest = await request(orderId, 'rest', { restock: true });

    await Promise.all([
      settle(part.refund.refundId),
      settle(rest.refund.refundId),
      settle(rest.refund.refundId),
    ]);

    expect(await readStock(database.pool, 'SKU-restock')).toMatchObject({
      available: 10,
      reserved: 0,
      sold: 0,
    });
  });
});

describe('undoing a whole payment', () => {
  it('is one refund whoever asks for it, of what is left, and the payment pays for nothing from then on', async () => {
    const orderId = await paidOrder(database.pool, 'undo');
    const payment = { orderId, paymentId: paymentIdOf(orderId) };
    await request(orderId, 'before', { amountMinor: 500 });

    const ids = await Promise.all([1, 2, 3].map(() => requestUndo(database.pool, payment)));

    expect(new Set(ids).size).toBe(1);
    expect(await readRefund(database.pool, ids[0]!)).toMatchObject({ amountMinor: 1500 });
    await expect(request(orderId, 'after', { amountMinor: 1 })).rejects.toMatchObject({
      code: 'order_not_settled',
    });
  });

  it('is nothing when nothing was captured, or all went back before; it pays for nothing all the same', async () => {
    const empty = await placeOne(database.pool, 'nothing', 'charge');
    const refunded = await paidOrder(database.pool, 'went back');
    await request(refunded, 'all');

    for (const orderId of [empty, refunded]) {
      const paymentId = paymentIdOf(orderId);
      expect(await requestUndo(database.pool, { orderId, paymentId })).toBeNull();
      const { rows } = await database.pool.query(
        'select undone_at is not null as undone from aftercommit.payments where payment_id = $1',
        [paymentId],
      );
      expect(rows).toEqual([{ undone: true }]);
    }
  });

  it('names its payment: two payments of one order are two refunds', async () => {
    const orderId = await paidOrder(database.pool, 'two');
    const late = await latePayment(database.pool, orderId, 700);

    const ids = await Promise.all(
      [paymentIdOf(orderId), late].map((paymentId) => requestUndo(database.pool, { orderId, paymentId })),
    );

    const refunds = await Promise.all(ids.map((id) => readRefund(database.pool, id!)));
    expect(refunds).toMatchObject([{ amountMinor: 2000 }, { amountMinor: 700, captureId: 'late-capture' }]);
  });
});

describe('a refund that an operator gives up', () => {
  it('frees its amount for another one', async () => {
    const orderId = await paidOrder(database.pool, 'given up');
    const { refund } = await request(orderId, 'a');

    expect(await fail(refund.refundId)).toBe('FAILED');

    const { rows } = await database.pool.query(
      'select state, outcome from aftercommit.step_receipts where order_id = $1 and step = $2',
      [orderId, `refund:${refund.refundId}`],
    );
    expect(rows).toEqual([{ state: 'refused', outcome: { code: 'refund_refused' } }]);
    expect((await request(orderId, 'b')).refund).toMatchObject({ amountMinor: 2000, state: 'PENDING' });
    expect(await read(orderId)).toMatchObject({ payment: { status: 'PAID', refundedMinor: 0 } });
  });

  it('is not given up while nobody knows its outcome, nor once it is made, and is not tried again', async () => {
    const orderId = await paidOrder(database.pool, 'not parked');
    const { refund } = await request(orderId, 'a', { amountMinor: 100 });
    const other = await request(orderId, 'b', { amountMinor: 100 });
    await fail(other.refund.refundId);

    expect(await failRefund(database.pool, refund.refundId)).toBe('PENDING');
    await settle(refund.refundId);
    expect(await failRefund(database.pool, refund.refundId)).toBe('DONE');
    await retryRefund(database.pool, other.refund.refundId);
    expect(await readRefund(database.pool, other.refund.refundId)).toMatchObject({ state: 'FAILED' });
  });

  it('can be asked for anew by a caller when it was the undo of an order that is over', async () => {
    const orderId = await paidOrder(database.pool, 'undo failed');
    await setStatus(orderId, 'COMPENSATING');
    const undo = await requestUndo(database.pool, { orderId, paymentId: paymentIdOf(orderId) });
    await fail(undo!);
    await expect(request(orderId, 'during')).rejects.toMatchObject({ code: 'order_not_settled' });
    await setStatus(orderId, 'CANCELLED');

    const { refund } = await request(orderId, 'after');
    await settle(refund.refundId);

    expect(refund).toMatchObject({ amountMinor: 2000 });
    expect(await read(orderId)).toMatchObject({ status: 'CANCELLED', payment: { status: 'REFUNDED' } });
  });
});

describe('listing refunds', () => {
  it('is page by page, and of one order', async () => {
    const orderId = await paidOrder(database.pool, 'listed');
    await request(await paidOrder(database.pool, 'other'), 'x', { amountMinor: 1 });
    const asked: string[] = [];
    for (const key of ['a', 'b', 'c'])
      asked.unshift((await request(orderId, key, { amountMinor: 100 })).refund.refundId);

    const first = await listRefunds(database.pool, { orderId, limit: 2 });
    const second = await listRefunds(database.pool, { orderId, limit: 2, cursor: first.nextCursor! });

    expect(new Set([...first.data, ...second.data].map(({ refundId }) => refundId))).toEqual(new Set(asked));
    expect([first.data.length, second.data.length, second.nextCursor]).toEqual([2, 1, null]);
  });
});

describe('refunds of all kinds at once', () => {
  const seed = Number(process.env['AFTERCOMMIT_SEED'] ?? Date.now() % 1_000_000);

  it(`never give back more than was captured, of the payment or of a line (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const upTo = (max: number): number => 1 + Math.floor(random() * max);
    for (let round = 0; round < 5; round += 1) {
      const prices = { [`SKU-R${round}a`]: 700, [`SKU-R${round}b`]: 1300 };
      const orderId = await paidLines(database.pool, `random ${round} ${seed}`, prices);
      const tryOne = async (n: number): Promise<void> => {
        const [sku, price] = Object.entries(prices)[upTo(2) - 1]!;
        const ofLine = { lines: [{ sku, amountMinor: upTo(price) }] };
        const asked = random() < 0.5 ? ofLine : { amountMinor: upTo(900) };
        const fate = random();
        const { refund } = await request(orderId, `r${n}`, asked);
        if (fate < 0.4) await settle(refund.refundId);
        else if (fate < 0.7) await fail(refund.refundId);
      };
      const undo = random() < 0.3;

      await Promise.allSettled(Array.from({ length: 25 }, (_, n) => tryOne(n)));
      if (undo) await requestUndo(database.pool, { orderId, paymentId: paymentIdOf(orderId) });

      const { rows } = await database.pool.query<{ captured: number; done: number; counting: number }>(
        `select p.captured_minor as captured, p.refunded_minor as done,
                (select sum(amount_minor)::bigint from aftercommit.refunds f
                 where f.payment_id = p.payment_id and f.state <> 'FAILED') as counting
         from aftercommit.payments p where order_id = $1`,
        [orderId],
      );
      const [{ captured, done, counting }] = rows as [(typeof rows)[number]];
      expect(counting).toBeLessThanOrEqual(captured);
      expect(done).toBeLessThanOrEqual(counting);
      if (undo) expect(counting).toBe(captured);
      const overdrawn = await database.pool.query(
        `select 1 from aftercommit.refund_lines r join aftercommit.refunds f using (refund_id)
         join aftercommit.order_lines l on l.order_id = f.order_id and l.line_number = r.line_number
         where f.order_id = $1 and f.state <> 'FAILED'
         group by l.line_number, l.quantity * l.unit_price_minor
         having sum(r.amount_minor) > l.quantity * l.unit_price_minor`,
        [orderId],
      );
      expect(overdrawn.rows).toEqual([]);
    }
  });
});
