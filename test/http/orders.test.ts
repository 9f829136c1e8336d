import { shipmentIdOf } from '../../src/database/ids';
import { beginEnding, endOrder } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { recordTracking } from '../../src/database/shipments';
import { cancelledBecause } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { setAvailable } from '../../src/database/inventory';
import { closeTransaction } from '../../src/database/orders';
import { ask, newOrder, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';
import { commit, stubTemporal, type TemporalStub } from './temporal-stub';

let database: TestDatabase;
let temporal: TemporalStub;
let app: TestApp;
let keys = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  await setAvailable(database.pool, { sku: 'SKU-1', available: 10_000, actor: 'test', reason: '' });
  await setAvailable(database.pool, { sku: 'RARE', available: 1, actor: 'test', reason: '' });
});

beforeEach(async () => {
  temporal = stubTemporal(database.pool);
  app = await startTestApp(database.pool, temporal.client);
});

afterEach(async () => app.close());
afterAll(async () => database.drop());

const newKey = (): string => `key-${(keys += 1)}`;

function place(
  key: string,
  body: unknown = newOrder(),
  headers: Record<string, string> = {},
): Promise<Answer> {
  return ask(app, 'POST', '/v1/orders', { body, headers: { 'Idempotency-Key': key, ...headers } });
}

function pathOf(answer: Answer): string {
  return answer.headers.get('location')!;
}

describe('an order that is decided in time', () => {
  it('is answered with 201, its view and its address', async () => {
    const answer = await place(newKey());

    expect(answer.status).toBe(201);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('idempotent-replayed')).toBeNull();
    expect(pathOf(answer)).toBe(`/v1/orders/${answer.body['orderId'] as string}`);
    expect(answer.body).toMatchObject({ status: 'CONFIRMED', totalMinor: 1998, currency: 'EUR' });
    expect(answer.text).not.toContain('+1500');
    expect((await ask(app, 'GET', pathOf(answer))).body).toMatchObject({
      status: 'CONFIRMED',
      customerId: 'cus_1',
    });
    expect(temporal.started).toEqual([`order/${answer.body['orderId'] as string}`]);
  });

  it('is replayed byte for byte, however the key is quoted and the members are ordered', async () => {
    const key = newKey();
    const first = await place(key);
    const { customer, ...others } = newOrder();

    const second = await place(`"${key}"`, JSON.stringify({ ...others, customer }, null, 2));

    expect(second.status).toBe(201);
    expect(second.text).toBe(first.text);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expect(pathOf(second)).toBe(pathOf(first));
    expect(temporal.started).toHaveLength(1);
  });

  it('refuses the same key with another body', async () => {
    const key = newKey();
    await place(key);
    const before = await rowCounts(database.pool);

    const answer = await place(key, newOrder({ currency: 'USD' }));

    expect(answer.status).toBe(422);
    expect(answer.body['code']).toBe('idempotency_key_reused');
    expect(await rowCounts(database.pool)).toEqual(before);
  });

  it('is placed once by 200 requests at once, which all get the same bytes', async () => {
    const key = newKey();

    const answers = await Promise.all(Array.from({ length: 200 }, () => place(key)));

    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201]));
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('idempotent-replayed') === null)).toHaveLength(1);
    const { rows } = await database.pool.query('select 1 from aftercommit.order_lines where order_id = $1', [
      answers[0]!.body['orderId'],
    ]);
    expect(rows).toHaveLength(1);
  });
});

describe('an order that is rejected', () => {
  it.each([
    ['an unknown SKU', 'NOWHERE', 422, 'unknown_sku'],
    ['too little stock', 'RARE', 409, 'out_of_stock'],
  ])('answers %s with its code, and a repeat with the same bytes', async (_what, sku, status, code) => {
    const key = newKey();
    const body = newOrder({ lines: [{ sku, quantity: 2, unitPriceMinor: 1 }] });
    const before = await rowCounts(database.pool);

    const answers = await Promise.all([1, 2, 3].map(() => place(key, body)));
    const repeat = await place(key, body);

    for (const answer of [...answers, repeat]) {
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.text).toBe(repeat.text);
    }
    expect(repeat.headers.get('idempotent-replayed')).toBe('true');
    expect(repeat.body).toMatchObject({ code, errors: [{ pointer: '/lines/0/sku' }] });
    const orderId = repeat.body['orderId'] as string;
    expect((await ask(app, 'GET', `/v1/orders/${orderId}`)).body).toMatchObject({ status: 'REJECTED', code });
    expect((await ask(app, 'GET', `/v1/orders/${orderId}/transaction`)).body).toEqual({
      state: 'ROLLED_BACK',
    });
    expect(await rowCounts(database.pool)).toEqual({
      ...before,
      order_requests: before['order_requests']! + 1,
      step_receipts: before['step_receipts']! + 1,
    });
  });

  it('answers 409 when the transaction was closed before it committed', async () => {
    temporal.behaviour.decide = 'timeout';
    const key = newKey();
    const { body } = await place(key);
    await closeTransaction(database.pool, body['orderId'] as string);

    const answer = await place(key);

    expect(answer.status).toBe(409);
    expect(answer.body['code']).toBe('transaction_closed');
  });
});

describe('an order that is not decided in time', () => {
  it('is answered with 202 and shown as accepted, without personal data, until it is decided', async () => {
    temporal.behaviour.decide = 'timeout';
    const key = newKey();

    const answer = await place(key, newOrder(), { Prefer: 'wait=1' });

    expect(answer.status).toBe(202);
    expect(answer.headers.get('preference-applied')).toBe('wait=1');
    expect(answer.body).toMatchObject({ status: 'ACCEPTED', totalMinor: 1998, lines: [{ sku: 'SKU-1' }] });
    expect(answer.text).not.toContain('+1500');
    const shown = await ask(app, 'GET', pathOf(answer));
    expect(shown.body).toEqual(answer.body);
    expect((await ask(app, 'GET', `${pathOf(answer)}/transaction`)).body).toEqual({ state: 'UNKNOWN' });

    await commit(database.pool, answer.body['orderId'] as string);
    const repeat = await place(key);

    expect(repeat.status).toBe(201);
    expect(repeat.headers.get('idempotent-replayed')).toBe('true');
    expect((await ask(app, 'GET', `${pathOf(answer)}/transaction`)).body).toEqual({ state: 'COMMITTED' });
  });

  it('is only started when nobody wants to wait', async () => {
    const answer = await place(newKey(), newOrder(), { Prefer: 'wait=0' });

    expect(answer.status).toBe(202);
    expect(temporal.started).toHaveLength(1);
  });

  it('is answered with 503 when the start is not acknowledged, and can be repeated', async () => {
    temporal.behaviour.decide = 'lost';
    temporal.behaviour.start = 'lost';
    const key = newKey();

    const refused = await place(key);

    expect(refused.status).toBe(503);
    expect(refused.body['code']).toBe('temporal_unavailable');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    temporal.behaviour.decide = 'commit';
    expect((await place(key)).status).toBe(201);
  });
});

describe('while Temporal is known to be down', () => {
  it('refuses a new order without writing it, and replays a decided one', async () => {
    const key = newKey();
    const first = await place(key);
    const before = await rowCounts(database.pool);
    app.health.temporal = false;

    const refused = await place(newKey());
    const replayed = await place(key);

    expect(refused.status).toBe(503);
    expect(refused.body['code']).toBe('temporal_unavailable');
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(replayed.status).toBe(201);
    expect(replayed.text).toBe(first.text);
    expect(replayed.headers.get('idempotent-replayed')).toBe('true');
    expect((await ask(app, 'GET', pathOf(first))).status).toBe(200);
    expect(await rowCounts(database.pool)).toEqual(before);
  });
});

describe('while the database is known to be down', () => {
  it('answers 503 at once, and UNKNOWN to the back-check', async () => {
    const first = await place(newKey());
    app.health.database = false;

    for (const answer of [
      await place(newKey()),
      await ask(app, 'GET', pathOf(first)),
      await ask(app, 'GET', '/v1/events'),
    ]) {
      expect(answer.status).toBe(503);
      expect(answer.body['code']).toBe('database_unavailable');
      expect(answer.headers.get('retry-after')).not.toBeNull();
    }
    expect((await ask(app, 'GET', `${pathOf(first)}/transaction`)).body).toEqual({ state: 'UNKNOWN' });
  });
});

const ADDRESS = { name: 'A Person', line1: '1 Street', postalCode: '10115', city: 'Berlin', country: 'DE' };

describe('an order that ships, waits or comes from a cart', () => {
  it('shows its shipment and no address', async () => {
    const answer = await place(newKey(), newOrder({ shipping: ADDRESS, cartId: 'cart_1' }));

    const expected = { status: 'CONFIRMED', shipment: { state: 'INTENDED', trackingId: null }, points: null };
    expect(answer).toMatchObject({ status: 201, body: expected });
    const read = await ask(app, 'GET', pathOf(answer));
    expect(read.body).toEqual(answer.body);
    expect(answer.text + read.text).not.toContain('Berlin');
  });

  it('shows until when its payment is waited for', async () => {
    const answer = await place(newKey(), newOrder({ payment: { mode: 'wait', deadlineSeconds: 60 } }));

    const { payment, createdAt } = answer.body as { payment: { deadline: string }; createdAt: string };
    expect(answer).toMatchObject({ status: 201, body: { status: 'PENDING_PAYMENT', shipment: null } });
    expect(Date.parse(payment.deadline) - Date.parse(createdAt)).toBe(60_000);
    expect((await ask(app, 'GET', pathOf(answer))).body).toEqual(answer.body);
  });

  it('is refused where nobody could carry it out, and nothing is written', async () => {
    const participants = { carrier: false, points: false, cart: false };
    const bare = await startTestApp(database.pool, temporal.client, { participants });
    const before = await rowCounts(database.pool);
    try {
      const answer = await ask(bare, 'POST', '/v1/orders', {
        body: newOrder({ shipping: ADDRESS, cartId: 'cart_1' }),
        headers: { 'Idempotency-Key': newKey() },
      });

      expect(answer).toMatchObject({
        status: 409,
        body: { code: 'participant_missing', errors: [{ pointer: '/shipping' }, { pointer: '/cartId' }] },
      });
      expect(answer.headers.get('location')).toBeNull();
    } finally {
      await bare.close();
    }
    expect(await rowCounts(database.pool)).toEqual(before);
    expect(temporal.started).toEqual([]);
  });

  it('keeps its answer when the carrier is taken away afterwards', async () => {
    const key = newKey();
    const first = await place(key, newOrder({ shipping: ADDRESS }));
    const participants = { carrier: false, points: false, cart: false };
    const bare = await startTestApp(database.pool, temporal.client, { participants });
    try {
      const again = await ask(bare, 'POST', '/v1/orders', {
        body: newOrder({ shipping: ADDRESS }),
        headers: { 'Idempotency-Key': key },
      });

      expect(again).toMatchObject({ status: 201, text: first.text });
    } finally {
      await bare.close();
    }
  });
});

describe('cancelling what ships', () => {
  async function confirmed(): Promise<string> {
    const answer = await place(newKey(), newOrder({ shipping: ADDRESS }));
    return answer.body['orderId'] as string;
  }
  const cancel = (orderId: string): Promise<Answer> => ask(app, 'POST', `/v1/orders/${orderId}/cancel`);

  it('asks the run of the order, and answers with what came of it', async () => {
    const orderId = await confirmed();
    const step = { orderId, epoch: 1, at: new Date().toISOString(), ending: cancelledBecause('cancelled') };
    temporal.behaviour.update = async (name) => {
      expect(name).toBe('cancelOrder');
      await beginEnding(database.pool, step);
      await endOrder(database.pool, step);
      return { status: 'CANCELLED' };
    };

    const answers = [await cancel(orderId), await cancel(orderId)];

    expect(answers).toMatchObject([
      { status: 200, body: { status: 'CANCELLED' } },
      { status: 200, body: { status: 'CANCELLED' } },
    ]);
  });

  it('is 409 once it is on its way, and when the run says that it is too late', async () => {
    const [shipped, late] = [await confirmed(), await confirmed()];
    const shipmentId = shipmentIdOf(shipped);
    await recordTracking(database.pool, {
      shipmentId,
      state: 'SHIPPED',
      trackingId: 'T',
      at: new Date().toISOString(),
    });
    temporal.behaviour.update = () => Promise.resolve({ status: 'CONFIRMED' });

    const answers = [await cancel(shipped), await cancel(late)];

    expect(answers).toMatchObject([
      { status: 409, body: { code: 'order_not_cancellable', state: 'SHIPPED' } },
      { status: 409, body: { code: 'order_not_cancellable', state: 'CONFIRMED' } },
    ]);
  });
});

describe('cancelling', () => {
  it('is too late for a confirmed order that does not ship, and says which state it is in', async () => {
    const order = await place(newKey());

    const answer = await ask(app, 'POST', `${pathOf(order)}/cancel`);

    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'order_not_cancellable', state: 'CONFIRMED' });
  });

  it('is too late for a rejected order', async () => {
    const rejected = await place(
      newKey(),
      newOrder({ lines: [{ sku: 'NOWHERE', quantity: 1, unitPriceMinor: 1 }] }),
    );

    const answer = await ask(app, 'POST', `/v1/orders/${rejected.body['orderId'] as string}/cancel`, {
      body: {},
    });

    expect(answer.body).toMatchObject({ status: 409, state: 'REJECTED' });
  });

  it('leaves a durable request behind when no outcome is known in time', async () => {
    const order = await place(newKey(), newOrder({ payment: { mode: 'charge', method: 'tok_visa' } }));
    temporal.behaviour.decide = 'timeout';

    const answer = await ask(app, 'POST', `${pathOf(order)}/cancel`, { body: { reason: 'changed my mind' } });

    expect(answer.status).toBe(202);
    expect(answer.body['status']).toBe('PENDING_PAYMENT');
    expect(temporal.cancelled).toEqual([`order/${order.body['orderId'] as string}`]);
  });

  it('answers 503 while Temporal is down, and 404 for an order that nobody knows', async () => {
    const order = await place(newKey(), newOrder({ payment: { mode: 'charge', method: 'tok_visa' } }));
    app.health.temporal = false;

    expect((await ask(app, 'POST', `${pathOf(order)}/cancel`)).status).toBe(503);
    expect((await ask(app, 'POST', '/v1/orders/5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21/cancel')).status).toBe(
      404,
    );
  });
});

describe('refunding', () => {
  async function paidOrder(): Promise<string> {
    const order = await place(newKey(), newOrder({ payment: { mode: 'charge', method: 'tok_visa' } }));
    const orderId = order.body['orderId'] as string;
    await database.pool.query(
      `update aftercommit.payments set state = 'CAPTURED', captured_minor = amount_minor, capture_id = 'cap' where order_id = $1`,
      [orderId],
    );
    await settleOrder(database.pool, { orderId, epoch: 1, at: new Date().toISOString(), earnsPoints: true });
    return orderId;
  }

  function refund(orderId: string, key: string, body: unknown): Promise<Answer> {
    return ask(app, 'POST', `/v1/orders/${orderId}/refunds`, { body, headers: { 'Idempotency-Key': key } });
  }

  it('is accepted once per key', async () => {
    const orderId = await paidOrder();
    const key = newKey();

    const first = await refund(orderId, key, { amountMinor: 500, reason: 'scratched' });
    const again = await refund(orderId, key, { reason: 'scratched', amountMinor: 500 });
    const rest = await refund(orderId, newKey(), {});

    expect(first.status).toBe(202);
    expect(first.body).toMatchObject({ status: 'PENDING', amountMinor: 500, currency: 'EUR' });
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(rest.body).toMatchObject({ amountMinor: 1498 });
    expect(temporal.started).toContain(`refund/${first.body['refundId'] as string}`);
  });

  it.each([
    ['more than was captured', { amountMinor: 1_999 }, 422, 'refund_exceeds_captured'],
    ['zero', { amountMinor: 0 }, 422, 'invalid_value'],
    ['a negative amount', { amountMinor: -1 }, 422, 'invalid_value'],
    ['a fraction', { amountMinor: 1.5 }, 422, 'invalid_value'],
    ['another currency', { amountMinor: 1, currency: 'USD' }, 422, 'invalid_value'],
    ['an amount that is a text', { amountMinor: '1' }, 400, 'malformed_request'],
    ['an unknown member', { amount: 1 }, 400, 'malformed_request'],
    ['a reason of 501 characters', { reason: 'x'.repeat(501) }, 422, 'invalid_value'],
  ])('refuses %s and writes nothing', async (_what, body, status, code) => {
    const orderId = await paidOrder();
    const before = await rowCounts(database.pool);

    const answer = await refund(orderId, newKey(), body);

    expect(answer.body).toMatchObject({ status, code });
    expect(await rowCounts(database.pool)).toEqual(before);
  });

  it('refuses the same key with another body, and a request without a key', async () => {
    const orderId = await paidOrder();
    const key = newKey();
    await refund(orderId, key, { amountMinor: 1 });

    expect((await refund(orderId, key, { amountMinor: 2 })).body['code']).toBe('idempotency_key_reused');
    const keyless = await ask(app, 'POST', `/v1/orders/${orderId}/refunds`, { body: {} });
    expect(keyless.body['code']).toBe('idempotency_key_missing');
  });

  it('refuses an order of which nothing was captured, and one that nobody knows', async () => {
    const order = await place(newKey());

    const nothing = await refund(order.body['orderId'] as string, newKey(), {});
    const nobody = await refund('5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21', newKey(), {});

    expect(nothing.body).toMatchObject({ status: 409, code: 'nothing_captured' });
    expect(nobody.body).toMatchObject({ status: 404 });
  });

  it('writes nothing while Temporal is down, and can be repeated when a start was lost', async () => {
    const orderId = await paidOrder();
    const key = newKey();
    const before = await rowCounts(database.pool);
    app.health.temporal = false;
    expect((await refund(orderId, key, {})).status).toBe(503);
    expect(await rowCounts(database.pool)).toEqual(before);
    app.health.temporal = true;
    temporal.behaviour.start = 'lost';
    expect((await refund(orderId, key, {})).status).toBe(503);
    temporal.behaviour.start = 'acknowledge';

    const repeat = await refund(orderId, key, {});

    expect(repeat.status).toBe(202);
    expect(temporal.started).toContain(`refund/${repeat.body['refundId'] as string}`);
  });
});

describe('reading', () => {
  it('lists orders newest first, page by page, filtered', async () => {
    const customer = { id: 'cus_list', phone: '+15005550006' };
    for (let n = 0; n < 3; n += 1) await place(newKey(), newOrder({ customer }));

    const first = await ask(app, 'GET', '/v1/orders?customerId=cus_list&limit=2&status=CONFIRMED');
    const cursor = first.body['nextCursor'] as string;
    const second = await ask(app, 'GET', `/v1/orders?customerId=cus_list&limit=2&cursor=${cursor}`);
    const future = await ask(app, 'GET', '/v1/orders?customerId=cus_list&from=9000-01-01T00:00:00Z');

    const ids = [...(first.body['data'] as unknown[]), ...(second.body['data'] as unknown[])].map(
      (order) => (order as { orderId: string }).orderId,
    );
    expect(new Set(ids).size).toBe(3);
    expect(second.body['nextCursor']).toBeNull();
    expect(future.body['data']).toEqual([]);
  });

  it('tells what happened to an order, oldest first', async () => {
    const order = await place(newKey());

    const { body } = await ask(app, 'GET', `${pathOf(order)}/timeline`);

    const types = (body['data'] as { type: string }[]).map((entry) => entry.type);
    expect(types[0]).toBe('request.accepted');
    expect(types).toEqual(expect.arrayContaining(['transaction.committed', 'event.committed']));
    expect(JSON.stringify(body)).not.toContain('+1500');
  });

  it('shows events and deliveries', async () => {
    const order = await place(newKey());
    const orderId = order.body['orderId'] as string;

    const events = await ask(app, 'GET', `/v1/events?orderId=${orderId.toUpperCase()}&status=PENDING`);
    const deliveries = await ask(app, 'GET', `/v1/deliveries?orderId=${orderId}&state=DEAD`);

    expect(events.body['data']).toEqual([
      expect.objectContaining({ 'detail-type': 'order.confirmed', status: 'PENDING' }),
    ]);
    expect(deliveries.body).toEqual({ data: [], nextCursor: null });
  });

  it('answers 404 with the same body for every id that is no order', async () => {
    const ids = [
      '5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21',
      'nothing',
      '..%2f..%2fetc%2fpasswd',
      '%00',
      'x'.repeat(2_000),
    ];

    const answers = await Promise.all(ids.map((id) => ask(app, 'GET', `/v1/orders/${id}`)));

    for (const answer of answers) {
      const { requestId, ...problem } = answer.body;
      expect(problem).toEqual({
        type: 'urn:aftercommit:problem:not_found',
        title: 'Not found',
        status: 404,
        detail: 'There is no such order.',
        code: 'not_found',
        errors: [],
      });
      expect(requestId).toBe(answer.headers.get('x-request-id'));
    }
  });
});
