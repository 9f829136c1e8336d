import { paymentIdOf } from '../../src/database/ids';
import {
  fencePayment,
  intendPayment,
  raisePaymentKey,
  readPayment,
  recordPayment,
} from '../../src/database/payments';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

async function payment(name: string) {
  const orderId = await placeOne(database.pool, name, 'charge');
  return { orderId, paymentId: paymentIdOf(orderId) };
}

describe('a payment', () => {
  it('can never be charged once an undo came first', async () => {
    const ids = await payment('fenced');

    expect(await fencePayment(database.pool, ids)).toBe(false);
    expect(await intendPayment(database.pool, ids)).toBe(false);
    expect(await readPayment(database.pool, ids.paymentId)).toMatchObject({ state: 'FAILED' });
  });

  it('must be made definite by an undo that comes after the intent', async () => {
    const ids = await payment('intended');

    expect(await intendPayment(database.pool, ids)).toBe(true);
    expect(await fencePayment(database.pool, ids)).toBe(true);
  });

  it('has one winner when charge and undo race', async () => {
    for (let n = 0; n < 10; n += 1) {
      const ids = await payment(`race ${n}`);

      const [intended, mustUndo] = await Promise.all([
        intendPayment(database.pool, ids),
        fencePayment(database.pool, ids),
      ]);

      expect(intended).toBe(mustUndo);
    }
  });

  it('is never taken back by a late answer', async () => {
    const ids = await payment('late');
    await intendPayment(database.pool, ids);
    const first = await readPayment(database.pool, ids.paymentId);
    await recordPayment(database.pool, first, { state: 'CAPTURED', authorizationId: 'a', captureId: 'c' });

    const after = await recordPayment(database.pool, first, {
      state: 'AUTHORIZED',
      authorizationId: 'other',
    });

    expect(after).toMatchObject({ state: 'CAPTURED', authorizationId: 'a', capturedMinor: 2000 });
  });

  it('keeps the reason of a decline when the webhook of its void comes first', async () => {
    const ids = await payment('void told first');
    await intendPayment(database.pool, ids);
    const before = await readPayment(database.pool, ids.paymentId);
    await recordPayment(database.pool, before, { state: 'VOIDED', authorizationId: 'a' });

    const after = await recordPayment(database.pool, before, {
      state: 'DECLINED',
      authorizationId: 'a',
      errorCode: 'requires_action',
    });

    expect(after).toMatchObject({ state: 'DECLINED', errorCode: 'requires_action' });
  });

  it('takes the next key once when two notice the same failure', async () => {
    const ids = await payment('key');
    const before = await readPayment(database.pool, ids.paymentId);

    await Promise.all([raisePaymentKey(database.pool, before), raisePaymentKey(database.pool, before)]);

    expect(await readPayment(database.pool, ids.paymentId)).toMatchObject({
      keyNumber: before.keyNumber + 1,
    });
  });
});
