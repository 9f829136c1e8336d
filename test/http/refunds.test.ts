import { randomUUID } from 'node:crypto';
import { parkRefund, failRefund, settleRefund } from '../../src/database/refunds';
import { paidLines, paidOrder } from '../database/refund-fixtures';
import { placeOne } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { stubTemporal, type TemporalStub } from './temporal-stub';
import { ask, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';

let database: TestDatabase;
let temporal: TemporalStub;
let app: TestApp;
let keys = 0;

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  temporal = stubTemporal(database.pool);
  app = await startTestApp(database.pool, temporal.client);
});
afterEach(() => app.close());
afterAll(() => database.drop());

const newKey = (): string => `key-${(keys += 1)}`;
const refund = (orderId: string, body: unknown, key = newKey()): Promise<Answer> =>
  ask(app, 'POST', `/v1/orders/${orderId}/refunds`, { body, headers: { 'Idempotency-Key': key } });
const idOf = ({ body }: Answer): string => body['refundId'] as string;
const get = (path: string): Promise<Answer> => ask(app, 'GET', path);

describe('a refund for lines', () => {
  it('is their sum, shows them, and is one refund for its key', async () => {
    const orderId = await paidLines(database.pool, 'sum', { 'SKU-A': 700, 'SKU-B': 1300 });
    const lines = [
      { sku: 'SKU-A', amountMinor: 200 },
      { sku: 'SKU-B', amountMinor: 300 },
    ];
    const key = newKey();

    const first = await refund(orderId, { lines, reason: 'dented' }, key);
    const again = await refund(orderId, { reason: 'dented', lines }, key);
    const other = await refund(orderId, { lines: [lines[0]], reason: 'dented' }, key);

    expect(first).toMatchObject({
      status: 202,
      body: { status: 'PENDING', amountMinor: 500, lines, reason: 'dented', restock: false },
    });
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(other.body).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  });

  it('may name its sum too', async () => {
    const orderId = await paidLines(database.pool, 'named', { 'SKU-N': 700 });

    const answer = await refund(orderId, { amountMinor: 700, lines: [{ sku: 'SKU-N', amountMinor: 700 }] });

    expect(answer).toMatchObject({ status: 202, body: { amountMinor: 700 } });
  });

  const line = { sku: 'SKU-X', amountMinor: 100 };
  it.each([
    ['no lines', { lines: [] }, 422, 'invalid_value', '/lines'],
    ['a line twice', { lines: [line, line] }, 422, 'invalid_value', '/lines/1/sku'],
    ['an unknown line', { lines: [{ ...line, sku: 'SKU-none' }] }, 422, 'invalid_value', '/lines/0/sku'],
    ['another sum', { amountMinor: 101, lines: [line] }, 422, 'invalid_value', '/amountMinor'],
    [
      'nothing of a line',
      { lines: [{ ...line, amountMinor: 0 }] },
      422,
      'invalid_value',
      '/lines/0/amountMinor',
    ],
    ['a fraction', { lines: [{ ...line, amountMinor: 0.5 }] }, 422, 'invalid_value', '/lines/0/amountMinor'],
    [
      'more than a line cost',
      { lines: [{ ...line, amountMinor: 701 }] },
      422,
      'refund_exceeds_captured',
      '/lines/0/amountMinor',
    ],
    ['another currency', { lines: [line], currency: 'USD' }, 422, 'invalid_value', '/currency'],
    ['a text', { lines: [{ ...line, amountMinor: '1' }] }, 400, 'malformed_request', '/lines/0/amountMinor'],
    [
      'an unknown member',
      { lines: [{ ...line, lineNumber: 0 }] },
      400,
      'malformed_request',
      '/lines/0/lineNumber',
    ],
    ['lines that are none', { lines: {} }, 400, 'malformed_request', '/lines'],
  ])('with %s is refused and writes nothing', async (what, body, status, code, pointer) => {
    const orderId = await paidLines(database.pool, `bad ${what}`, { 'SKU-X': 700, 'SKU-Y': 1300 });
    const before = await rowCounts(database.pool);

    const answer = await refund(orderId, body);

    expect(answer.body).toMatchObject({ status, code, errors: [{ pointer }] });
    expect(await rowCounts(database.pool)).toEqual(before);
    expect(temporal.started).toEqual([]);
  });
});

describe('the start of a refund', () => {
  it('that Temporal has had already is no error of the repeat', async () => {
    const orderId = await paidOrder(database.pool, 'ran');
    const key = newKey();
    const first = await refund(orderId, { amountMinor: 1 }, key);
    temporal.behaviour.start = 'ran';

    const repeat = await refund(orderId, { amountMinor: 1 }, key);

    expect(repeat).toMatchObject({ status: 202, body: { refundId: idOf(first), status: 'PENDING' } });
    expect(temporal.started).toEqual([`refund/${idOf(first)}`]);
  });

  it('that Temporal did not acknowledge is told, and made by the repeat', async () => {
    const orderId = await paidOrder(database.pool, 'lost');
    const key = newKey();
    temporal.behaviour.start = 'lost';
    const lost = await refund(orderId, { amountMinor: 1 }, key);
    temporal.behaviour.start = 'acknowledge';

    const repeat = await refund(orderId, { amountMinor: 1 }, key);

    expect(lost).toMatchObject({ status: 503, body: { code: 'temporal_unavailable' } });
    expect(repeat.status).toBe(202);
    expect(temporal.started).toEqual([`refund/${idOf(repeat)}`]);
  });
});

describe('reading refunds', () => {
  it('shows one, and all of an order page by page', async () => {
    const orderId = await paidOrder(database.pool, 'read');
    const made = [await refund(orderId, { amountMinor: 1 }), await refund(orderId, { amountMinor: 2 })];
    await settleRefund(database.pool, {
      refundId: idOf(made[0]!),
      gatewayRefundId: 'g',
      at: new Date().toISOString(),
    });

    const one = await get(`/v1/orders/${orderId}/refunds/${idOf(made[0]!)}`);
    const page = await get(`/v1/orders/${orderId}/refunds?limit=1`);
    const next = await get(
      `/v1/orders/${orderId}/refunds?limit=1&cursor=${page.body['nextCursor'] as string}`,
    );

    expect(one).toMatchObject({ status: 200, body: { status: 'DONE', amountMinor: 1, lines: [] } });
    expect(next.body['nextCursor']).toBeNull();
    const listed = [page, next].flatMap(({ body }) => body['data'] as { refundId: string }[]);
    expect(new Set(listed.map(({ refundId }) => refundId))).toEqual(new Set(made.map(idOf)));
  });

  it('is empty for an order that has none, and 404 for what there is not', async () => {
    const orderId = await placeOne(database.pool, 'none');
    const other = await paidOrder(database.pool, 'of another');
    const refundId = idOf(await refund(other, { amountMinor: 1 }));

    expect(await get(`/v1/orders/${orderId}/refunds`)).toMatchObject({
      status: 200,
      body: { data: [], nextCursor: null },
    });
    for (const path of [
      `/v1/orders/${randomUUID()}/refunds`,
      `/v1/orders/x/refunds`,
      `/v1/orders/${orderId}/refunds/${refundId}`,
      `/v1/orders/${other}/refunds/${randomUUID()}`,
      `/v1/orders/${other}/refunds/x`,
    ])
      expect(await get(path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    for (const query of ['limit=0', 'limit=201', 'cursor=x', 'state=DONE'])
      expect((await get(`/v1/orders/${other}/refunds?${query}`)).status).toBe(400);
  });
});

describe('a refund that an operator gave up', () => {
  it('is not started again by a repeat, and its amount can be asked for under another key', async () => {
    const orderId = await paidOrder(database.pool, 'failed');
    const key = newKey();
    const first = await refund(orderId, {}, key);
    await parkRefund(database.pool, { refundId: idOf(first), code: 'refund_refused' });
    expect((await refund(orderId, {})).body).toMatchObject({ code: 'refund_exceeds_captured' });
    await failRefund(database.pool, idOf(first));
    temporal.started.length = 0;

    const repeat = await refund(orderId, {}, key);
    const anew = await refund(orderId, {});

    expect(repeat).toMatchObject({ status: 202, body: { status: 'FAILED', errorCode: 'refund_refused' } });
    expect(anew).toMatchObject({ status: 202, body: { status: 'PENDING', amountMinor: 2000 } });
    expect(temporal.started).toEqual([`refund/${idOf(anew)}`]);
  });
});
