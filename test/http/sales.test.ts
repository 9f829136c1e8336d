import { createHash } from 'node:crypto';
import { setAvailable } from '../../src/database/inventory';
import { endOrder } from '../../src/database/order-endings';
import { cancelledBecause } from '../../src/domain/orders';
import { createSaleAdmission, type SaleAdmission } from '../../src/lanes/sale-admission';
import { passTime, unitsOf } from '../database/sale-fixtures';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { stubFlashLane, type FlashStub } from './flash-stub';
import { stubTemporal, type TemporalStub } from './temporal-stub';
import { ask, newOrder, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';

let database: TestDatabase;
let temporal: TemporalStub;
let flash: FlashStub;
let sales: SaleAdmission;
let app: TestApp;
let keys = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  await setAvailable(database.pool, { sku: 'SKU-1', available: 1_000, actor: 'test', reason: '' });
  await setAvailable(database.pool, { sku: 'SKU-2', available: 1_000, actor: 'test', reason: '' });
});

beforeEach(async () => {
  temporal = stubTemporal(database.pool);
  flash = stubFlashLane(database.pool);
  sales = createSaleAdmission({ pool: database.pool, log: silentLog });
  app = await startTestApp(database.pool, temporal.client, { flash, sales });
});

afterEach(async () => {
  await app.close();
  await sales.close();
});
afterAll(() => database.drop());

const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
const newKey = (): string => `key-${(keys += 1)}`;
const put = (saleId: string, body: unknown): Promise<Answer> =>
  ask(app, 'PUT', `/v1/sales/${saleId}`, { body });

interface Buying {
  key?: string;
  customer?: string;
  units?: number;
  order?: Record<string, unknown>;
}

/** Each buyer is a customer of its own unless told otherwise. */
function buy(
  saleId: string,
  { key = newKey(), customer = `cus_${key}`, units = 1, order }: Buying = {},
): Promise<Answer> {
  const body = newOrder({
    customer: { id: customer, phone: '+15005550006', channels: ['sms'] },
    lines: [{ sku: 'SKU-1', quantity: units, unitPriceMinor: 999 }],
    ...order,
  });
  return ask(app, 'POST', `/v1/sales/${saleId}/orders`, { body, headers: { 'Idempotency-Key': key } });
}

/** What an answer says when nothing else is to be said about it. */
const says = ({ status, body }: Answer): unknown[] => [status, body['code'] ?? body['status']];

async function openSale(saleId: string, terms: Record<string, unknown> = {}): Promise<void> {
  expect((await put(saleId, { sku: 'SKU-1', quantity: 10, ...terms })).status).toBe(200);
}

describe('PUT and GET /v1/sales/{saleId}', () => {
  it('opens a sale at once, wakes its workflow, and shows it', async () => {
    const closesAt = inAnHour();
    const answer = await put('friday', {
      sku: 'SKU-1',
      quantity: 500,
      closesAt,
      perCustomer: 1,
      paymentDeadlineSeconds: 900,
    });

    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      saleId: 'friday',
      sku: 'SKU-1',
      quantity: 500,
      available: 500,
      reserved: 0,
      sold: 0,
      state: 'OPEN',
      closesAt,
      perCustomer: 1,
      paymentDeadlineSeconds: 900,
    });
    expect(temporal.started).toEqual(['sale/friday']);
    expect((await ask(app, 'GET', '/v1/sales/friday')).text).toBe(answer.text);
  });

  it('is the same when it is repeated, and wakes the workflow again', async () => {
    const body = { sku: 'SKU-1', quantity: 5, opensAt: inAnHour() };
    const first = await put('repeated', body);
    const again = await put('repeated', body);

    expect(first.body['state']).toBe('SCHEDULED');
    expect(again.text).toBe(first.text);
    expect(temporal.started).toEqual(['sale/repeated', 'sale/repeated']);
  });

  it.each([
    ['an unknown SKU', { sku: 'SKU-nobody-has' }, 422, 'unknown_sku', '/sku'],
    ['more than there is', { quantity: 1_001 }, 422, 'quantity_above_stock', '/quantity'],
    ['no units', { quantity: 0 }, 422, 'invalid_value', '/quantity'],
    ['a half unit', { quantity: 1.5 }, 422, 'invalid_value', '/quantity'],
    ['a text for units', { quantity: '5' }, 400, 'malformed_request', '/quantity'],
    ['no units for a customer', { perCustomer: 0 }, 422, 'invalid_value', '/perCustomer'],
    [
      'a deadline of two weeks',
      { paymentDeadlineSeconds: 1_209_600 },
      422,
      'invalid_value',
      '/paymentDeadlineSeconds',
    ],
    ['a time that is none', { opensAt: 'tomorrow' }, 422, 'invalid_value', '/opensAt'],
    ['a window that is over', { closesAt: '2026-01-01T00:00:00Z' }, 422, 'invalid_value', '/closesAt'],
    [
      'a window that ends before it opens',
      { opensAt: '2100-01-02T00:00:00Z', closesAt: '2100-01-01T00:00:00Z' },
      422,
      'invalid_value',
      '/closesAt',
    ],
    ['a member that there is not', { price: 1 }, 400, 'malformed_request', '/price'],
  ])('refuses %s, and changes nothing', async (_what, changes, status, code, pointer) => {
    const before = await rowCounts(database.pool);

    const answer = await put('refused', { sku: 'SKU-1', quantity: 10, ...changes });

    expect(answer).toMatchObject({ status, body: { code, errors: [{ pointer }] } });
    expect(await rowCounts(database.pool)).toEqual(before);
    expect(temporal.started).toEqual([]);
  });

  it('refuses to change the product, and to reopen what is closed', async () => {
    await openSale('fixed', { closesAt: inAnHour() });
    const other = await put('fixed', { sku: 'SKU-2', quantity: 10, closesAt: inAnHour() });
    await passTime(database.pool, 'fixed', 'closes_at');
    const reopened = await put('fixed', { sku: 'SKU-1', quantity: 10, closesAt: inAnHour() });

    expect(other).toMatchObject({ status: 409, body: { code: 'conflicting_state', state: 'OPEN' } });
    expect(reopened).toMatchObject({ status: 409, body: { code: 'conflicting_state', state: 'CLOSED' } });
  });

  it('refuses a name that no sale can have, and knows no sale that nobody made', async () => {
    expect(says(await put('a%20b', { sku: 'SKU-1', quantity: 1 }))).toEqual([400, 'malformed_request']);
    expect(says(await ask(app, 'GET', '/v1/sales/nobody'))).toEqual([404, 'unknown_sale']);
    expect(says(await ask(app, 'GET', '/v1/sales/a%20b'))).toEqual([404, 'unknown_sale']);
  });

  it('changes nothing while its workflow could not be woken', async () => {
    app.health.temporal = false;

    expect(says(await put('unwatched', { sku: 'SKU-1', quantity: 1 }))).toEqual([
      503,
      'temporal_unavailable',
    ]);
    expect(says(await ask(app, 'GET', '/v1/sales/unwatched'))).toEqual([404, 'unknown_sale']);
  });
});

describe('POST /v1/sales/{saleId}/orders', () => {
  it('answers with the order, its address and its group, and starts no workflow of its own', async () => {
    await openSale('orders');
    temporal.started.length = 0;

    const answer = await buy('orders');

    const orderId = answer.body['orderId'] as string;
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/v1/orders/${orderId}`);
    expect(answer.headers.get('idempotent-replayed')).toBeNull();
    expect(answer.body).toMatchObject({ status: 'CONFIRMED', workflowId: 'group/test', totalMinor: 999 });
    expect((await ask(app, 'GET', `/v1/orders/${orderId}`)).body).toMatchObject({ status: 'CONFIRMED' });
    expect(temporal.started).toEqual([]);
  });

  it('gives a repeat the first answer byte for byte, and another body a refusal', async () => {
    await openSale('keys');
    const key = newKey();
    const first = await buy('keys', { key });
    const [again, other, plain] = [
      await buy('keys', { key }),
      await buy('keys', { key, units: 2 }),
      await ask(app, 'POST', '/v1/orders', {
        body: newOrder(),
        headers: { 'Idempotency-Key': key },
      }),
    ];

    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(says(other)).toEqual([422, 'idempotency_key_reused']);
    expect(says(plain)).toEqual([422, 'idempotency_key_reused']);
    expect(await unitsOf(database.pool, 'keys')).toEqual({ reserved: 0, sold: 1 });
  });

  it('waits for a payment no longer than the sale says', async () => {
    await openSale('deadline', { paymentDeadlineSeconds: 60 });
    const deadlineOf = async (payment: object): Promise<number> => {
      const { body } = await buy('deadline', { order: { payment } });
      const view = body as { createdAt: string; payment: { deadline: string } };
      return (Date.parse(view.payment.deadline) - Date.parse(view.createdAt)) / 1_000;
    };

    expect(await deadlineOf({ mode: 'wait' })).toBe(60);
    expect(await deadlineOf({ mode: 'wait', deadlineSeconds: 600 })).toBe(60);
    expect(await deadlineOf({ mode: 'wait', deadlineSeconds: 30 })).toBe(30);
    expect(await unitsOf(database.pool, 'deadline')).toEqual({ reserved: 3, sold: 0 });
  });

  it.each([
    [
      'two lines',
      { lines: ['SKU-1', 'SKU-2'].map((sku) => ({ sku, quantity: 1, unitPriceMinor: 1 })) },
      '/lines',
    ],
    ['no line', { lines: [] }, '/lines'],
    ['another SKU', { lines: [{ sku: 'SKU-2', quantity: 1, unitPriceMinor: 1 }] }, '/lines/0/sku'],
    ['half a unit', { lines: [{ sku: 'SKU-1', quantity: 0.5, unitPriceMinor: 1 }] }, '/lines/0/quantity'],
  ])('refuses %s with 422, and nothing is placed', async (_what, order, pointer) => {
    await openSale('lines');
    const before = await rowCounts(database.pool);

    const answer = await buy('lines', { order });

    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid_value', errors: [{ pointer }] } });
    expect(await rowCounts(database.pool)).toEqual(before);
    expect(flash.placed).toEqual([]);
  });

  it('refuses what comes too early or too late without using the key up', async () => {
    await openSale('window', { opensAt: inAnHour() });
    const before = await rowCounts(database.pool);
    const key = newKey();
    const [early, unknown] = [await buy('window', { key }), await buy('nobody')];
    expect(says(early)).toEqual([409, 'sale_not_open']);
    expect(says(unknown)).toEqual([404, 'unknown_sale']);
    expect(await rowCounts(database.pool)).toEqual(before);

    expect((await put('window', { sku: 'SKU-1', quantity: 10, closesAt: inAnHour() })).status).toBe(200);
    // Within 250 ms, or at once when it is heard.
    const inTime = await waitFor('the sale is known to be open', async () => {
      const answer = await buy('window', { key });
      return answer.status === 409 ? null : answer;
    });
    expect(inTime.status).toBe(201);

    await passTime(database.pool, 'window', 'closes_at');
    const late = await waitFor('the sale is known to be closed', async () => {
      const answer = await buy('window');
      return answer.status === 409 ? answer : null;
    });
    expect(says(late)).toEqual([409, 'sale_closed']);
    const repeated = await buy('window', { key });
    expect([repeated.status, repeated.text]).toEqual([201, inTime.text]);
  });

  it('stores what the database refused, also when the sale closed on the way there', async () => {
    await openSale('limit', { perCustomer: 1, closesAt: inAnHour() });
    const key = newKey();
    expect((await buy('limit', { customer: 'cus_1' })).status).toBe(201);
    const second = await buy('limit', { key, customer: 'cus_1' });
    const again = await buy('limit', { key, customer: 'cus_1' });
    // This process has not heard of it: its look at the sale is younger than 250 ms.
    await database.pool.query(`update aftercommit.sales set state = 'CLOSED' where sale_id = 'limit'`);
    sales.read = () => Promise.resolve({ sku: 'SKU-1', state: 'OPEN' } as never);
    const closed = await buy('limit');

    expect(says(second)).toEqual([409, 'customer_limit']);
    expect([again.status, again.text]).toEqual([409, second.text]);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.headers.get('location')).toBeNull();
    expect(says(closed)).toEqual([409, 'sale_closed']);
  });

  it('sells to as many as there are units when all come at once, in groups, and refuses the others', async () => {
    await openSale('rush', { quantity: 20, perCustomer: 1 });

    const answers = await Promise.all([
      ...Array.from({ length: 60 }, () => buy('rush')),
      // A poison order in the middle of them.
      buy('rush', { units: 5, customer: 'cus_greedy' }),
      buy('rush', { customer: 'cus_twice' }),
      buy('rush', { customer: 'cus_twice' }),
    ]);

    const counts: Record<string, number> = {};
    for (const answer of answers) counts[says(answer).join(' ')] = (counts[says(answer).join(' ')] ?? 0) + 1;
    expect(counts['201 CONFIRMED']).toBe(20);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(43);
    expect(answers[60]!.body['code']).toMatch(/^customer_limit$|^sold_out$/);
    expect(await unitsOf(database.pool, 'rush')).toEqual({ reserved: 0, sold: 20 });
    expect(Math.max(...flash.groups)).toBeGreaterThan(1);
    expect((await ask(app, 'GET', '/v1/sales/rush')).body).toMatchObject({ state: 'SOLD_OUT', available: 0 });
  });

  it('says sold out from memory, without lane and database, but has the stored answer for a repeat', async () => {
    await openSale('gone', { quantity: 1 });
    const key = newKey();
    const first = await buy('gone', { key, order: { payment: { mode: 'wait' } } });
    expect(first.status).toBe(201);
    // The first refusal reads the accepted orders; from then on nobody is asked.
    await waitFor('memory knows it', async () => {
      const before = flash.placed.length;
      await buy('gone');
      return flash.placed.length === before;
    });
    const placed = flash.placed.length;

    const repeat = await buy('gone', { key, order: { payment: { mode: 'wait' } } });
    app.health.database = false;
    const lateKey = newKey();
    const late = await buy('gone', { key: lateKey });
    app.health.database = true;

    expect([repeat.status, repeat.text]).toEqual([201, first.text]);
    expect(says(late)).toEqual([409, 'sold_out']);
    expect(flash.placed).toHaveLength(placed);

    // Its unit comes back: the key that was refused from memory can be used again.
    await endOrder(database.pool, {
      orderId: first.body['orderId'] as string,
      epoch: 1,
      at: new Date().toISOString(),
      ending: cancelledBecause('cancelled'),
    });
    const again = await waitFor('it is for sale again', async () => {
      const answer = await buy('gone', { key: lateKey });
      return answer.status === 201 ? answer : null;
    });
    expect(again.headers.get('idempotent-replayed')).toBeNull();
  });

  it('passes on that the queue is full, and that nobody knows, and stores neither', async () => {
    await openSale('busy');
    const key = newKey();
    flash.behaviour = 'queue_full';
    const full = await buy('busy', { key });
    flash.behaviour = 'lost';
    const lost = await buy('busy', { key });
    flash.behaviour = 'no_window';
    const closed = await buy('busy', { key });
    flash.behaviour = 'commit';
    const taken = await buy('busy', { key });
    flash.behaviour = 'no_window';
    const repeated = await buy('busy', { key });

    expect([says(full), full.headers.get('retry-after')]).toEqual([[429, 'queue_full'], '1']);
    expect(says(lost)).toEqual([503, 'database_unavailable']);
    expect(says(closed)).toEqual([503, 'temporal_unavailable']);
    expect([taken.status, taken.headers.get('idempotent-replayed')]).toEqual([201, null]);
    expect([repeated.status, repeated.text]).toEqual([201, taken.text]);
  });

  it('needs a key, and the scopes that it says', async () => {
    await openSale('scopes');
    const secured = await startTestApp(database.pool, temporal.client, {
      flash,
      sales,
      access: {
        keys: [
          {
            caller: 'reader',
            sha256: createHash('sha256').update('token').digest('hex'),
            scopes: ['orders:read'],
          },
        ],
        rateLimit: null,
      },
    });
    try {
      const headers = { Authorization: 'Bearer token', 'Idempotency-Key': newKey() };
      const body = newOrder();
      const answers = [
        await ask(secured, 'GET', '/v1/sales/scopes', { headers }),
        await ask(secured, 'PUT', '/v1/sales/scopes', { headers, body: { sku: 'SKU-1', quantity: 1 } }),
        await ask(secured, 'POST', '/v1/sales/scopes/orders', { headers, body }),
      ];

      expect(answers.map(({ status }) => status)).toEqual([200, 403, 403]);
      const without = await ask(app, 'POST', '/v1/sales/scopes/orders', { body });
      expect(says(without)).toEqual([400, 'idempotency_key_missing']);
      expect(flash.placed).toEqual([]);
    } finally {
      await secured.close();
    }
  });
});

describe('POST /v1/orders in the flash lane', () => {
  it('is placed like an order of a sale, with any lines, and repeated from what is stored', async () => {
    const flashing = await startTestApp(database.pool, temporal.client, { flash, sales, lane: 'flash' });
    try {
      const key = { 'Idempotency-Key': newKey() };
      const lines = ['SKU-1', 'SKU-2'].map((sku) => ({ sku, quantity: 1, unitPriceMinor: 1 }));
      const place = () => ask(flashing, 'POST', '/v1/orders', { body: newOrder({ lines }), headers: key });
      const [first, again] = [await place(), await place()];
      const unknown = await ask(flashing, 'POST', '/v1/orders', {
        body: newOrder({ lines: [{ sku: 'SKU-nobody-has', quantity: 1, unitPriceMinor: 1 }] }),
        headers: { 'Idempotency-Key': newKey() },
      });

      expect(first.status).toBe(201);
      expect([again.status, again.text]).toEqual([201, first.text]);
      expect(says(unknown)).toEqual([422, 'unknown_sku']);
      expect(flash.placed.map(({ saleId }) => saleId)).toEqual([null, null, null]);
      expect(temporal.started).toEqual([]);
      // An order that the standard lane is asked for meanwhile is the same order.
      const standard = await ask(app, 'POST', '/v1/orders', { body: newOrder({ lines }), headers: key });
      expect([standard.status, standard.text]).toEqual([201, first.text]);
    } finally {
      await flashing.close();
    }
  });
});
