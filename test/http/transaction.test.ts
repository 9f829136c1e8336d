import { createHash, randomUUID } from 'node:crypto';
import { setAvailable } from '../../src/database/inventory';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { commit, stubTemporal, type TemporalStub } from './temporal-stub';
import { ask, newOrder, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';

let database: TestDatabase;
let temporal: TemporalStub;
let app: TestApp;
let keys = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  await setAvailable(database.pool, { sku: 'SKU-1', available: 10_000, actor: 'test', reason: '' });
});
beforeEach(async () => {
  temporal = stubTemporal(database.pool);
  const keysOf = ['shop', 'other', 'reader'].map((caller) => ({
    caller,
    sha256: createHash('sha256').update(caller).digest('hex'),
    scopes: caller === 'reader' ? ['orders:read'] : ['orders:read', 'orders:write'],
  }));
  app = await startTestApp(database.pool, temporal.client, { access: { keys: keysOf, rateLimit: null } });
});
afterEach(() => app.close());
afterAll(() => database.drop());

const as = (caller: string, method: string, path: string, more: object = {}, headers = {}): Promise<Answer> =>
  ask(app, method, path, { ...more, headers: { Authorization: `Bearer ${caller}`, ...headers } });
const place = (key: string, order = newOrder()): Promise<Answer> =>
  as('shop', 'POST', '/v1/orders', { body: order }, { 'Idempotency-Key': key });
const close = (orderId: string, caller = 'shop', more: object = {}): Promise<Answer> =>
  as(caller, 'POST', `/v1/orders/${orderId}/transaction`, more);
const check = (orderId: string): Promise<Answer> => as('shop', 'GET', `/v1/orders/${orderId}/transaction`);

/** A request that nobody has decided. */
async function undecided(): Promise<{ key: string; orderId: string }> {
  temporal.behaviour.decide = 'timeout';
  const key = `key-${(keys += 1)}`;
  const { body } = await place(key);
  temporal.behaviour.decide = 'commit';
  return { key, orderId: body['orderId'] as string };
}

describe('closing a transaction', () => {
  it('that has not committed rolls it back for good: a later commit does nothing', async () => {
    const { key, orderId } = await undecided();
    expect((await check(orderId)).body).toEqual({ state: 'UNKNOWN' });

    const closed = await close(orderId);
    await commit(database.pool, orderId);

    expect(closed).toMatchObject({ status: 200, body: { state: 'ROLLED_BACK' } });
    for (const answer of [await check(orderId), await close(orderId)])
      expect(answer.body).toEqual({ state: 'ROLLED_BACK' });
    expect((await place(key)).body).toMatchObject({ status: 409, code: 'transaction_closed', orderId });
    const { rows } = await database.pool.query('select 1 from aftercommit.orders where order_id = $1', [
      orderId,
    ]);
    expect(rows).toEqual([]);
  });

  it('that has committed says so and changes nothing', async () => {
    const order = await place('committed');
    const orderId = order.body['orderId'] as string;
    const before = await rowCounts(database.pool);

    const closed = await close(orderId, 'shop', { body: {} });

    expect(closed).toMatchObject({ status: 200, body: { state: 'COMMITTED' } });
    expect((await check(orderId)).body).toEqual({ state: 'COMMITTED' });
    expect(await rowCounts(database.pool)).toEqual(before);
  });

  it('of a rejected request is rolled back', async () => {
    const { body } = await place(
      'rejected',
      newOrder({ lines: [{ sku: 'NO', quantity: 1, unitPriceMinor: 1 }] }),
    );

    expect((await close(body['orderId'] as string)).body).toEqual({ state: 'ROLLED_BACK' });
  });

  it('is for whose order it is, and for nobody else', async () => {
    const { orderId } = await undecided();

    expect((await close(orderId, 'other')).body).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await close(orderId, 'reader')).body).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await ask(app, 'POST', `/v1/orders/${orderId}/transaction`)).status).toBe(401);

    expect((await check(orderId)).body).toEqual({ state: 'UNKNOWN' });
    await commit(database.pool, orderId);
    expect((await check(orderId)).body).toEqual({ state: 'COMMITTED' });
  });

  it.each([randomUUID(), 'nothing', '%00'])(
    'of %s, which nobody asked for, is 404 and leaves no fence',
    async (id) => {
      const before = await rowCounts(database.pool);

      expect((await close(id)).body).toMatchObject({ status: 404, code: 'not_found' });
      expect((await check(id)).status).toBe(404);
      expect(await rowCounts(database.pool)).toEqual(before);
    },
  );

  it('is 503 while the database is away, never a guess; reading says UNKNOWN', async () => {
    const { orderId } = await undecided();
    app.health.database = false;

    expect((await close(orderId)).body).toMatchObject({ status: 503, code: 'database_unavailable' });
    expect((await check(orderId)).body).toEqual({ state: 'UNKNOWN' });
  });

  it('needs no Temporal', async () => {
    const { orderId } = await undecided();
    app.health.temporal = false;

    expect((await close(orderId)).body).toEqual({ state: 'ROLLED_BACK' });
  });

  it.each([
    [{ body: { state: 'COMMITTED' } }, 400],
    [{ body: '[]' }, 400],
    [{ body: 'x' }, 400],
  ])('with the body %j is refused', async (more, status) => {
    const { orderId } = await undecided();

    expect((await close(orderId, 'shop', more)).status).toBe(status);
    expect((await check(orderId)).body).toEqual({ state: 'UNKNOWN' });
  });
});
