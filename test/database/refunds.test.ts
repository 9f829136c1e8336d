import { listEvents } from '../../src/database/events';
import { uuidV5 } from '../../src/database/ids';
import { readStock } from '../../src/database/inventory';
import { readOrder, settleOrder } from '../../src/database/orders';
import {
  readRefund,
  requestRefund,
  requestUndo,
  settleRefund,
  type RefundRequest,
} from '../../src/database/refunds';
import { paymentIdOf } from '../../src/database/ids';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { AT, captureOne, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function paidOrder(name: string): Promise<string> {
  const orderId = await placeOne(database.pool, name, 'charge');
  await captureOne(database.pool, orderId);
  await settleOrder(database.pool, { orderId, epoch: 1, at: AT });
  return orderId;
}

function asked(orderId: string, key: string, amountMinor: number | null, restock = false): RefundRequest {
  const refundId = uuidV5(orderId, key);
  return {
    refundId,
    orderId,
    amountMinor,
    reason: null,
    restock,
    actor: 'test',
    fingerprint: `${amountMinor}`,
  };
}

const settle = (refundId: string) =>
  settleRefund(database.pool, { refundId, gatewayRefundId: `g-${refundId}`, at: AT });

describe('asking for a refund', () => {
  it('gives back all that is left when no amount is named', async () => {
    const orderId = await paidOrder('all');
    await requestRefund(database.pool, asked(orderId, 'a', 500));

    const { refund } = await requestRefund(database.pool, asked(orderId, 'b', null));

    expect(refund).toMatchObject({ amountMinor: 1500, state: 'PENDING' });
  });

  it('never lets twenty requests at once take more than was captured', async () => {
    const orderId = await paidOrder('at once');

    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => requestRefund(database.pool, asked(orderId, `r${n}`, 300))),
    );

    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(6);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(
      refused.every((result) => (result.reason as { code: string }).code === 'refund_exceeds_captured'),
    ).toBe(true);
  });

  it('is one refund for one key, and refuses the key for another amount', async () => {
    const orderId = await paidOrder('key');

    const [one, two] = await Promise.all(
      [1, 2].map(() => requestRefund(database.pool, asked(orderId, 'k', 100))),
    );

    expect([one!.inserted, two!.inserted].sort()).toEqual([false, true]);
    await expect(requestRefund(database.pool, asked(orderId, 'k', 200))).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  it('is refused where nothing was captured', async () => {
    const free = await placeOne(database.pool, 'free');
    const unpaid = await placeOne(database.pool, 'unpaid', 'charge');

    for (const orderId of [free, unpaid]) {
      await expect(requestRefund(database.pool, asked(orderId, 'n', null))).rejects.toMatchObject({
        code: 'nothing_captured',
      });
    }
  });
});

describe('a refund of an order that is not settled', () => {
  it('is refused while the payment is captured and not settled: two hands would move the same money', async () => {
    const orderId = await placeOne(database.pool, 'between', 'charge');
    await captureOne(database.pool, orderId);

    await expect(requestRefund(database.pool, asked(orderId, 'early', null))).rejects.toMatchObject({
      code: 'order_not_settled',
      extensions: { state: 'PENDING_PAYMENT' },
    });
    expect(await requestUndo(database.pool, { orderId, paymentId: paymentIdOf(orderId) })).not.toBeNull();
  });
});

describe('settling a refund', () => {
  it('moves the payment status and tells of it once, however often it is reported', async () => {
    const orderId = await paidOrder('settled');
    const { refund } = await requestRefund(database.pool, asked(orderId, 's', 500));

    await Promise.all([settle(refund.refundId), settle(refund.refundId), settle(refund.refundId)]);

    const order = await readOrder(database.pool, orderId, { temporalUiUrl: null, namespace: 'default' });
    expect(order).toMatchObject({
      status: 'CONFIRMED',
      payment: { status: 'PARTIALLY_REFUNDED', refundedMinor: 500 },
    });
    const { data } = await listEvents(database.pool, { orderId, type: 'order.refunded', limit: 10 });
    expect(data).toMatchObject([{ detail: { seq: 3, refundId: refund.refundId, amountMinor: 500 } }]);
    expect(await readRefund(database.pool, refund.refundId)).toMatchObject({ state: 'DONE' });
  });

  it('puts stock back only when that was asked for', async () => {
    const kept = await paidOrder('kept');
    const returned = await paidOrder('returned');
    const plain = await requestRefund(database.pool, asked(kept, 'p', null));
    const restock = await requestRefund(database.pool, asked(returned, 'q', null, true));

    await settle(plain.refund.refundId);
    await settle(restock.refund.refundId);

    expect(await readStock(database.pool, 'SKU-kept')).toMatchObject({ available: 8, sold: 2 });
    expect(await readStock(database.pool, 'SKU-returned')).toMatchObject({ available: 10, sold: 0 });
  });
});

describe('stock that goes back with a refund', () => {
  it('is the whole order, once, with the refund of all that is left', async () => {
    const orderId = await paidOrder('restock');
    await expect(requestRefund(database.pool, asked(orderId, 'part', 500, true))).rejects.toMatchObject({
      code: 'invalid_value',
    });
    const part = await requestRefund(database.pool, asked(orderId, 'part', 500));
    const rest = await requestRefund(database.pool, asked(orderId, 'rest', null, true));

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
  it('is one refund whoever asks for it, of what is left', async () => {
    const orderId = await paidOrder('undo');
    const payment = { orderId, paymentId: paymentIdOf(orderId) };
    await requestRefund(database.pool, asked(orderId, 'before', 500));

    const ids = await Promise.all([1, 2, 3].map(() => requestUndo(database.pool, payment)));

    expect(new Set(ids).size).toBe(1);
    expect(await readRefund(database.pool, ids[0]!)).toMatchObject({ amountMinor: 1500 });
  });

  it('is nothing when nothing was captured', async () => {
    const orderId = await placeOne(database.pool, 'nothing', 'charge');

    expect(await requestUndo(database.pool, { orderId, paymentId: paymentIdOf(orderId) })).toBeNull();
  });
});
