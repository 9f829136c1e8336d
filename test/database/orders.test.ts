import { closeTransaction, placeOrders, readProgress } from '../../src/database/orders';
import { endOrder } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { readOrder } from '../../src/database/order-views';
import { listEvents } from '../../src/database/events';
import { readStock, setAvailable } from '../../src/database/inventory';
import { acceptRequest, readRequest } from '../../src/database/requests';
import { uuidV5 } from '../../src/database/ids';
import type { OrderRequest, PaymentMode } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { captureOne, phoneHash } from './place';

const NAMESPACE = '00000000-0000-4000-8000-000000000000';
const PLACES = { temporalUiUrl: null, namespace: 'default' };
const AT = '2026-01-02T03:04:05.678Z';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

function request(sku: string, quantity: number, mode: PaymentMode = 'none'): OrderRequest {
  return {
    customer: { id: 'cus_1', phone: '+14155550100', channels: ['sms'] },
    lines: [{ sku, quantity, unitPriceMinor: 999 }],
    currency: 'EUR',
    payment: mode === 'none' ? { mode } : { mode, method: 'tok_visa' },
  };
}

async function place(name: string, body: OrderRequest): Promise<string> {
  const orderId = uuidV5(NAMESPACE, name);
  await acceptRequest(database.pool, { orderId, caller: 'test', fingerprint: name, body });
  await placeOrders(database.pool, [{ orderId, caller: 'test', request: body }], {
    at: AT,
    places: PLACES,
    phoneHash,
  });
  return orderId;
}

const stock = (sku: string, available: number) =>
  setAvailable(database.pool, { sku, available, actor: 'test', reason: 'test' });

describe('placing an order', () => {
  it('writes the order, the stock and the event together, and takes the personal part out of the request', async () => {
    await stock('A', 10);

    const orderId = await place('whole', request('A', 3));

    expect(await readStock(database.pool, 'A')).toEqual({ sku: 'A', available: 7, reserved: 0, sold: 3 });
    expect(await readOrder(database.pool, orderId, PLACES)).toMatchObject({
      status: 'CONFIRMED',
      totalMinor: 2997,
    });
    const events = await listEvents(database.pool, { orderId, limit: 10 });
    expect(events.data).toMatchObject([
      { 'detail-type': 'order.confirmed', detail: { orderId, seq: 1 }, status: 'PENDING' },
    ]);
    const { rows } = await database.pool.query(
      'select body from aftercommit.order_requests where order_id = $1',
      [orderId],
    );
    expect(rows).toEqual([{ body: null }]);
  });

  it('changes nothing the second time and keeps the first answer', async () => {
    await stock('B', 10);
    const orderId = await place('twice', request('B', 1));
    const first = await readRequest(database.pool, orderId);

    await place('twice', request('B', 1));

    expect(await readStock(database.pool, 'B')).toMatchObject({ available: 9, sold: 1 });
    expect(await readRequest(database.pool, orderId)).toEqual(first);
    expect(first?.receipt?.answer?.status).toBe(201);
  });

  it('takes stock once when fifty repeats of one order run at once', async () => {
    await stock('C', 10);
    const orderId = uuidV5(NAMESPACE, 'at once');
    const body = request('C', 1);
    const order = { orderId, caller: 'test', request: body };

    const results = await Promise.all(
      Array.from({ length: 50 }, () =>
        placeOrders(database.pool, [order], { at: AT, places: PLACES, phoneHash }),
      ),
    );

    expect(results.flat().filter((row) => row.decidedNow)).toHaveLength(1);
    expect(await readStock(database.pool, 'C')).toMatchObject({ available: 9, sold: 1 });
  });

  it('never sells more than there is when forty buyers want the last ten', async () => {
    await stock('D', 10);
    const orders = Array.from({ length: 40 }, (_, n) => ({
      orderId: uuidV5(NAMESPACE, `last ${n}`),
      caller: 'test',
      request: request('D', 1, 'charge'),
    }));

    const results = await Promise.all(
      orders.map((order) => placeOrders(database.pool, [order], { at: AT, places: PLACES, phoneHash })),
    );

    expect(results.flat().filter((row) => row.state === 'done')).toHaveLength(10);
    expect(results.flat().filter((row) => row.code === 'out_of_stock')).toHaveLength(30);
    expect(await readStock(database.pool, 'D')).toMatchObject({ available: 0, reserved: 10, sold: 0 });
  });

  it('decides each order of a group by itself, and lets a refused one take nothing', async () => {
    await stock('E', 2);
    const wants = [1, 5, 1, 1];
    const orders = wants.map((quantity, n) => ({
      orderId: `00000000-0000-5000-8000-00000000000${n}`,
      caller: 'test',
      request: request('E', quantity),
    }));

    const results = await placeOrders(database.pool, orders, { at: AT, places: PLACES, phoneHash });

    expect(results.map((row) => row.state)).toEqual(['done', 'refused', 'done', 'refused']);
    expect(await readStock(database.pool, 'E')).toMatchObject({ available: 0, sold: 2 });
  });

  it('refuses an unknown SKU before it says that another one is short, and leaves only the receipt', async () => {
    await stock('F', 0);
    const body = request('F', 1);
    body.lines.push({ sku: 'NONE', quantity: 1, unitPriceMinor: 1 });

    const orderId = await place('unknown', body);

    expect(await readProgress(database.pool, orderId)).toMatchObject({
      decision: 'rejected',
      code: 'unknown_sku',
    });
    expect(await readOrder(database.pool, orderId, PLACES)).toBeNull();
    expect((await listEvents(database.pool, { orderId, limit: 10 })).data).toEqual([]);
  });
});

describe('closing a transaction', () => {
  it('makes a later commit impossible', async () => {
    await stock('G', 5);
    const orderId = uuidV5(NAMESPACE, 'fenced');

    const closed = await closeTransaction(database.pool, orderId);
    await place('fenced', request('G', 1));

    expect(closed).toMatchObject({ decision: 'closed', code: 'transaction_closed' });
    expect(await readStock(database.pool, 'G')).toMatchObject({ available: 5, sold: 0 });
    expect(await readProgress(database.pool, orderId)).toMatchObject({ decision: 'closed' });
  });

  it('finds what committed before it', async () => {
    await stock('H', 5);
    const orderId = await place('before', request('H', 1));

    expect(await closeTransaction(database.pool, orderId)).toMatchObject({
      decision: 'committed',
      status: 'CONFIRMED',
    });
  });
});

describe('settling and ending', () => {
  const ending = { event: 'order.payment_failed', status: 'FAILED', code: 'card_declined' } as const;

  it('turns a reservation into a sale once', async () => {
    await stock('I', 5);
    const orderId = await place('settled', request('I', 2, 'charge'));
    await captureOne(database.pool, orderId);

    const settled = await Promise.all(
      [1, 2, 3].map(() => settleOrder(database.pool, { orderId, epoch: 1, at: AT, earnsPoints: true })),
    );

    const points = { entryId: expect.any(String) as string, state: 'INTENDED' };
    const outcome = { settled: true, fulfilment: { shipment: null, points, cart: null } };
    expect(settled).toEqual([outcome, outcome, outcome]);
    expect(await readStock(database.pool, 'I')).toMatchObject({ available: 3, reserved: 0, sold: 2 });
    const events = await listEvents(database.pool, { orderId, limit: 10 });
    expect(events.data.map((event) => event['detail-type']).sort()).toEqual([
      'order.confirmed',
      'order.placed',
    ]);
  });

  it('releases a reservation once, with its counter-event, and refuses to settle afterwards', async () => {
    await stock('J', 5);
    const orderId = await place('ended', request('J', 2, 'charge'));

    await Promise.all([1, 2, 3].map(() => endOrder(database.pool, { orderId, epoch: 1, at: AT, ending })));

    expect(await readStock(database.pool, 'J')).toMatchObject({ available: 5, reserved: 0, sold: 0 });
    expect(await readOrder(database.pool, orderId, PLACES)).toMatchObject({
      status: 'FAILED',
      payment: { status: 'FAILED' },
    });
    expect(await settleOrder(database.pool, { orderId, epoch: 1, at: AT, earnsPoints: true })).toEqual({
      settled: false,
      code: 'order_closed',
    });
  });

  it('has one winner when settling and ending race', async () => {
    await stock('K', 100);
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, n) => place(`race ${n}`, request('K', 1, 'charge'))),
    );
    await Promise.all(ids.map((orderId) => captureOne(database.pool, orderId)));

    await Promise.all(
      ids.flatMap((orderId) => [
        settleOrder(database.pool, { orderId, epoch: 1, at: AT, earnsPoints: true }),
        endOrder(database.pool, { orderId, epoch: 1, at: AT, ending }).catch(() => undefined),
      ]),
    );

    const views = await Promise.all(ids.map((orderId) => readOrder(database.pool, orderId, PLACES)));
    const confirmed = views.filter((view) => view?.status === 'CONFIRMED').length;
    expect(views.filter((view) => view?.status === 'FAILED')).toHaveLength(20 - confirmed);
    expect(await readStock(database.pool, 'K')).toEqual({
      sku: 'K',
      available: 100 - confirmed,
      reserved: 0,
      sold: confirmed,
    });
  });

  it('refuses a run of an older epoch', async () => {
    await stock('L', 5);
    const orderId = await place('epoch', request('L', 1, 'charge'));
    await captureOne(database.pool, orderId);
    await database.pool.query('update aftercommit.orders set epoch = 2 where order_id = $1', [orderId]);

    await expect(
      settleOrder(database.pool, { orderId, epoch: 1, at: AT, earnsPoints: true }),
    ).rejects.toMatchObject({
      code: 'epoch_conflict',
    });
    await expect(
      settleOrder(database.pool, { orderId, epoch: 2, at: AT, earnsPoints: true }),
    ).resolves.toMatchObject({ settled: true });
  });
});
