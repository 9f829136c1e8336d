import {
  claimAttempts,
  declareAmbiguous,
  nextAttemptAfter,
  readLatestAttempt,
  recordAttempt,
  recordLookUp,
  unfinishedNotifications,
} from '../../src/database/notifications';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const claim = (orderId: string, claimedBy = 'me') =>
  claimAttempts(database.pool, { orderId, claimedBy, sendForMs: 5_000 });

describe('an attempt to tell a person', () => {
  it('is claimed by one of many senders, with what it needs', async () => {
    const orderId = await placeOne(database.pool, 'claim');

    const claims = await Promise.all(Array.from({ length: 10 }, (_, n) => claim(orderId, `sender ${n}`)));

    expect(claims.flat()).toMatchObject([
      { to: '+14155550100', template: 'order.confirmed', channel: 'sms', n: 1 },
    ]);
  });

  it('is not there while the order only was placed', async () => {
    expect(await claim(await placeOne(database.pool, 'placed', 'charge'))).toEqual([]);
  });

  it('stays accepted whatever a lost sender reports later', async () => {
    const orderId = await placeOne(database.pool, 'accepted');
    const [attempt] = await claim(orderId);
    await declareAmbiguous(database.pool, attempt!.attemptId);
    await recordAttempt(database.pool, attempt!.attemptId, {
      state: 'ACCEPTED',
      messageSid: 'SM1',
      providerStatus: 'queued',
    });

    await recordAttempt(database.pool, attempt!.attemptId, { state: 'AMBIGUOUS', code: 'timeout' });

    expect(await readLatestAttempt(database.pool, attempt!.notificationId)).toMatchObject({
      state: 'ACCEPTED',
    });
    expect(await unfinishedNotifications(database.pool, orderId)).toEqual([]);
  });

  it('is followed by one next attempt when nobody can find it, however often that is decided', async () => {
    const orderId = await placeOne(database.pool, 'next');
    const [attempt] = await claim(orderId);
    await declareAmbiguous(database.pool, attempt!.attemptId);
    await recordLookUp(database.pool, attempt!.attemptId, 0);

    await Promise.all([1, 2, 3].map(() => nextAttemptAfter(database.pool, attempt!.attemptId)));

    expect(await readLatestAttempt(database.pool, attempt!.notificationId)).toMatchObject({
      n: 2,
      state: 'READY',
    });
    const { rows } = await database.pool.query(
      'select n, was_ambiguous from aftercommit.notification_attempts where order_id = $1 order by n',
      [orderId],
    );
    expect(rows).toEqual([
      { n: 1, was_ambiguous: true },
      { n: 2, was_ambiguous: false },
    ]);
  });

  it('leaves the customer unreached when the provider refuses for good', async () => {
    const orderId = await placeOne(database.pool, 'refused');
    const [attempt] = await claim(orderId);

    await recordAttempt(database.pool, attempt!.attemptId, { state: 'REJECTED', code: '21211' });

    const { rows } = await database.pool.query(
      'select status from aftercommit.notifications where order_id = $1',
      [orderId],
    );
    expect(rows).toEqual([{ status: 'UNREACHED' }]);
  });
});
