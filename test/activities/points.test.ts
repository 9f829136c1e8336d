import { createPointsActivities, type PointsActivities } from '../../src/activities/points';
import { readPoints } from '../../src/database/points';
import { absentPointsLedger } from '../../src/gateways/absent';
import type { PointsLedger } from '../../src/gateways/points';
import { createSimulatedPointsLedger } from '../../src/gateways/simulated-points';
import { placeOne, settleOne } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { patiently, run } from './patience';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const activities = (points: PointsLedger): PointsActivities =>
  createPointsActivities({ pool: database.pool, points });

/** Paid with 20.00 EUR: twenty points. */
async function earned(name: string, customerId = 'cus_1'): Promise<string> {
  const orderId = await placeOne(database.pool, name, 'charge', { customerId });
  await settleOne(database.pool, orderId);
  return orderId;
}

const entryOf = async (orderId: string) => (await readPoints(database.pool, orderId))!;

it('awards once what the order earned, though answers are lost', async () => {
  const ledger = createSimulatedPointsLedger();
  const orderId = await earned('lost');
  ledger.faults.plan('lost_after', 'award');
  ledger.faults.plan('lost_before', 'award');

  await patiently(() => activities(ledger).awardPoints({ orderId }));
  await run(() => activities(absentPointsLedger()).awardPoints({ orderId }));

  expect(await entryOf(orderId)).toMatchObject({ state: 'AWARDED', points: 20, customerId: 'cus_1' });
  expect(ledger.facts()).toMatchObject([{ type: 'awarded', points: 20, customerId: 'cus_1' }]);
});

it('stores a refusal, which nobody repeats', async () => {
  const refusing: PointsLedger = {
    ...absentPointsLedger(),
    award: () => Promise.resolve({ kind: 'refused', code: 'unknown_customer' }),
  };
  const orderId = await earned('refused');

  await run(() => activities(refusing).awardPoints({ orderId }));
  await run(() => activities(absentPointsLedger()).awardPoints({ orderId }));

  expect(await entryOf(orderId)).toMatchObject({ state: 'REFUSED', errorCode: 'unknown_customer' });
});

it('leaves an answer that contradicts the request to an operator', async () => {
  const ledger = createSimulatedPointsLedger();
  const orderId = await earned('mismatch');
  ledger.faults.plan('mismatch', 'award');

  await expect(run(() => activities(ledger).awardPoints({ orderId }))).rejects.toMatchObject({
    retryable: false,
  });

  expect(await entryOf(orderId)).toMatchObject({ state: 'INTENDED' });
});

describe('taking points back', () => {
  it('asks nobody when nothing was ever sent, and nothing can be sent any more', async () => {
    const orderId = await earned('never sent');

    await run(() => activities(absentPointsLedger()).reversePoints({ orderId }));
    await run(() => activities(absentPointsLedger()).awardPoints({ orderId }));

    expect(await entryOf(orderId)).toMatchObject({ state: 'REVERSED' });
  });

  it('reverses once what was awarded', async () => {
    const ledger = createSimulatedPointsLedger();
    const orderId = await earned('reversed');
    await run(() => activities(ledger).awardPoints({ orderId }));
    ledger.faults.plan('lost_after', 'reverse');

    await patiently(() => activities(ledger).reversePoints({ orderId }));
    await run(() => activities(absentPointsLedger()).reversePoints({ orderId }));

    expect(await entryOf(orderId)).toMatchObject({ state: 'REVERSED' });
    expect(ledger.facts().map(({ type }) => type)).toEqual(['awarded', 'reversed']);
  });

  it('leaves a tombstone when the award never arrived', async () => {
    const ledger = createSimulatedPointsLedger();
    const orderId = await earned('null compensation');
    ledger.faults.plan('lost_before', 'award');
    await run(() => activities(ledger).awardPoints({ orderId })).catch(() => undefined);

    await run(() => activities(ledger).reversePoints({ orderId }));

    const { entryId } = await entryOf(orderId);
    expect(await ledger.award({ entryId, customerId: 'cus_1', orderId, points: 20 })).toEqual({
      kind: 'refused',
      code: 'reversed',
    });
  });

  it('wins over an award that hangs and arrives after it', async () => {
    const ledger = createSimulatedPointsLedger();
    const orderId = await earned('hanging');
    ledger.faults.plan('late', 'award');
    await run(() => activities(ledger).awardPoints({ orderId })).catch(() => undefined);

    await run(() => activities(ledger).reversePoints({ orderId }));

    expect(ledger.faults.fired.get('late')).toBe(1);
    expect(ledger.facts().map(({ type }) => type)).not.toContain('awarded');
    expect(await entryOf(orderId)).toMatchObject({ state: 'REVERSED' });
  });
});
