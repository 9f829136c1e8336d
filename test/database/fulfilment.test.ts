import {
  fenceStep,
  intendStep,
  readFulfilment,
  recordStep,
  recordUndone,
  type FulfilmentStep,
} from '../../src/database/fulfilment';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ADDRESS } from './order-fixtures';
import { placeOne, settleOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** What each step is called when it is done and when it was taken back. */
const STEPS = [
  ['shipment', 'BOOKED', 'CANCELLED', 'cancelled'],
  ['points', 'AWARDED', 'REVERSED', 'reversed'],
  ['cart', 'CLEARED', 'RESTORED', 'restored'],
] as const;

/** Paid and confirmed, with all that can follow. */
async function confirmed(name: string): Promise<string> {
  const orderId = await placeOne(database.pool, name, 'charge', { shipping: ADDRESS, cartId: 'cart_1' });
  await settleOne(database.pool, orderId);
  return orderId;
}

const stateOf = async (orderId: string, step: FulfilmentStep): Promise<string | undefined> =>
  (await readFulfilment(database.pool, orderId))[step]?.state;

async function receiptsOf(orderId: string, prefix: string): Promise<string[]> {
  const { rows } = await database.pool.query<{ receipt: string }>(
    `select op || ' ' || state as receipt from aftercommit.step_receipts
     where order_id = $1 and step like $2 order by op`,
    [orderId, `${prefix}:%`],
  );
  return rows.map(({ receipt }) => receipt);
}
const PREFIX = { shipment: 'ship', points: 'points', cart: 'cart' } as const;

describe.each(STEPS)('the %s of an order', (step, done, undone, tombstone) => {
  it('is fenced when its undo comes first: nothing is ever sent', async () => {
    const orderId = await confirmed(`${step} fenced`);

    expect(await fenceStep(database.pool, step, orderId)).toBe(false);

    expect(await intendStep(database.pool, step, orderId)).toBe(false);
    expect(await stateOf(orderId, step)).toBe(undone);
    expect(await fenceStep(database.pool, step, orderId)).toBe(false);
    expect(await receiptsOf(orderId, PREFIX[step])).toEqual(['do fenced']);
  });

  it('is not changed by an answer that comes after it was taken back', async () => {
    const orderId = await confirmed(`${step} late`);
    await intendStep(database.pool, step, orderId);
    expect(await fenceStep(database.pool, step, orderId)).toBe(true);
    await recordUndone(database.pool, step, orderId);

    await recordStep(database.pool, step, orderId, { kind: 'done' });
    await recordStep(database.pool, step, orderId, { kind: 'refused', code: 'late' });

    expect(await stateOf(orderId, step)).toBe(undone);
  });

  it('keeps its first answer', async () => {
    const orderId = await confirmed(`${step} first`);
    await intendStep(database.pool, step, orderId);

    await recordStep(database.pool, step, orderId, { kind: 'done' });
    await recordStep(database.pool, step, orderId, { kind: 'refused', code: 'late' });

    expect(await stateOf(orderId, step)).toBe(done);
    expect(await receiptsOf(orderId, PREFIX[step])).toEqual(['do done']);
  });

  it('stays refused when it is undone: there is nothing to take back', async () => {
    const orderId = await confirmed(`${step} refused`);
    await intendStep(database.pool, step, orderId);
    await recordStep(database.pool, step, orderId, { kind: 'refused', code: 'no' });

    expect(await fenceStep(database.pool, step, orderId)).toBe(true);
    await recordUndone(database.pool, step, orderId);

    expect(await stateOf(orderId, step)).toBe('REFUSED');
    expect(await receiptsOf(orderId, PREFIX[step])).toEqual(['do refused', 'undo done']);
  });

  it('was taken back when the participant refused it because of that', async () => {
    const orderId = await confirmed(`${step} overtaken`);
    await intendStep(database.pool, step, orderId);
    await recordStep(database.pool, step, orderId, { kind: 'refused', code: tombstone });

    await recordUndone(database.pool, step, orderId);

    expect(await stateOf(orderId, step)).toBe(undone);
  });

  it('has one winner when it races with its undo', async () => {
    for (let n = 0; n < 10; n += 1) {
      const orderId = await confirmed(`${step} race ${n}`);

      const [mayBeSent, mustBeUndone] = await Promise.all([
        intendStep(database.pool, step, orderId),
        fenceStep(database.pool, step, orderId),
      ]);

      expect(mayBeSent).toBe(mustBeUndone);
    }
  });
});

it('reads nothing to fulfil for an order that has nothing', async () => {
  const orderId = await placeOne(database.pool, 'nothing');

  expect(await readFulfilment(database.pool, orderId)).toEqual({ shipment: null, points: null, cart: null });
});

it('has shipment and cart, and no points, for an order that is confirmed without a payment', async () => {
  const orderId = await placeOne(database.pool, 'free', 'none', { shipping: ADDRESS, cartId: 'cart_1' });

  expect(await readFulfilment(database.pool, orderId)).toMatchObject({
    shipment: { state: 'INTENDED' },
    points: null,
    cart: { state: 'INTENDED' },
  });
});

it("keeps the carrier's name for a shipment, whoever tells it again", async () => {
  const orderId = await confirmed('tracked');
  await intendStep(database.pool, 'shipment', orderId);

  await recordStep(database.pool, 'shipment', orderId, { kind: 'done', tracking: 'TRACK-1' });
  await recordStep(database.pool, 'shipment', orderId, { kind: 'done', tracking: 'TRACK-2' });

  const { rows } = await database.pool.query(
    'select tracking_id from aftercommit.shipments where order_id = $1',
    [orderId],
  );
  expect(rows).toEqual([{ tracking_id: 'TRACK-1' }]);
});
