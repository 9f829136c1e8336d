import type { Client } from '@temporalio/client';
import { cancelledBecause } from '../../src/domain/orders';
import { endOrder } from '../../src/database/order-endings';
import { placeOne } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { startTestApp, type TestApp } from './test-app';

const PLACED_AT = '2026-01-02T03:04:05.678Z';
const CANCELLED_AT = '2026-01-02T04:00:00.000Z';

let database: TestDatabase;
let app: TestApp;
let orderId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  app = await startTestApp(database.pool, {} as Client);
  orderId = await placeOne(database.pool, 'as-of', 'charge', { at: PLACED_AT });
  const ending = cancelledBecause('cancelled');
  await endOrder(database.pool, { orderId, epoch: 1, at: CANCELLED_AT, ending });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

async function read(query: string, id = orderId): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${app.url}/v1/orders/${id}${query}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe('GET /v1/orders/{orderId}?at=', () => {
  it('answers with the order as it was then', async () => {
    const { status, body } = await read('?at=2026-01-02T03:59:59Z');

    expect(status).toBe(200);
    expect(body).toMatchObject({
      orderId,
      asOf: '2026-01-02T03:59:59.000Z',
      seq: 1,
      status: 'PENDING_PAYMENT',
      totalMinor: 2_000,
      payment: { mode: 'charge', status: 'PENDING' },
      createdAt: PLACED_AT,
      updatedAt: PLACED_AT,
    });
  });

  it.each([CANCELLED_AT, '2999-01-01T00:00:00Z'])('answers with what it has become at %s', async (at) => {
    expect(await read(`?at=${at}`)).toMatchObject({
      status: 200,
      body: { seq: 2, status: 'CANCELLED', payment: { status: 'FAILED' }, updatedAt: CANCELLED_AT },
    });
  });

  it('is 404 before the order was there, and for one that nobody knows', async () => {
    const before = await read('?at=2026-01-02T03:04:05.677Z');
    const unknown = await read(`?at=${PLACED_AT}`, '00000000-0000-4000-8000-000000000001');

    expect([before.status, unknown.status]).toEqual([404, 404]);
    expect(before.body['detail']).toBe(unknown.body['detail']);
  });

  it.each([
    'yesterday',
    '',
    '2026-02-30T00:00:00Z',
    '2026-01-02',
    '2026-01-02T03:04:05',
    '99999-01-01T00:00:00Z',
  ])('is 400 for the time "%s"', async (at) => {
    const { status, body } = await read(`?at=${at}`);

    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'malformed_request', errors: [{ pointer: '/at' }] });
  });

  it('is 400 for two times, and for a member that it does not know', async () => {
    expect((await read(`?at=${PLACED_AT}&at=${PLACED_AT}`)).status).toBe(400);
    expect((await read('?until=now')).status).toBe(400);
  });

  it('answers with the order as it is without a time', async () => {
    const { body } = await read('');

    expect(body).toMatchObject({ orderId, status: 'CANCELLED' });
    expect(body).not.toHaveProperty('asOf');
  });
});
