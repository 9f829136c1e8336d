import { randomUUID } from 'node:crypto';
import { endOrder, beginEnding } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { intendPayment, readPayment, recordPayment, type PaymentChange } from '../../src/database/payments';
import { cancelledBecause } from '../../src/domain/orders';
import { AT, placeOne } from '../database/place';
import { passDeadline, waitingOrder } from '../database/order-fixtures';
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
const pay = (orderId: string, body: unknown = { method: 'tok_visa' }, key = newKey()): Promise<Answer> =>
  ask(app, 'POST', `/v1/orders/${orderId}/payments`, { body, headers: { 'Idempotency-Key': key } });
const waiting = (name: string): Promise<string> => waitingOrder(database.pool, name);

/** What the gateway answers; the run of the order takes it in, and settles what was captured. */
function answersWith(change: PaymentChange, andThen: (orderId: string) => Promise<unknown> = settle): void {
  temporal.behaviour.update = async (name, input) => {
    expect(name).toBe('payOrder');
    const { paymentId } = input as { paymentId: string };
    const payment = await readPayment(database.pool, paymentId);
    await intendPayment(database.pool, payment);
    await recordPayment(database.pool, payment, change);
    if (change.state === 'CAPTURED') await andThen(payment.orderId);
    return null;
  };
}
const CAPTURED: PaymentChange = { state: 'CAPTURED', authorizationId: 'auth', captureId: 'cap' };
const settle = (orderId: string): Promise<unknown> =>
  settleOrder(database.pool, { orderId, epoch: 1, at: AT, earnsPoints: true });

async function cancel(orderId: string): Promise<void> {
  const step = { orderId, epoch: 1, at: AT, ending: cancelledBecause('cancelled') };
  await beginEnding(database.pool, step);
  await endOrder(database.pool, step);
}

describe('paying for an order that waits', () => {
  it('is answered with the order once it is paid, and is one payment for its key', async () => {
    const orderId = await waiting('paid');
    const key = newKey();
    answersWith(CAPTURED);

    const first = await pay(orderId, { method: 'tok_visa' }, key);
    temporal.behaviour.update = () => Promise.reject(new Error('nobody asks for what is decided'));
    const again = await pay(orderId, { method: 'tok_visa' }, key);

    expect(first).toMatchObject({
      status: 200,
      body: {
        orderId,
        status: 'CONFIRMED',
        payment: { mode: 'wait', status: 'PAID', capturedMinor: 2000, deadline: null, actionUrl: null },
        shipment: null,
        points: { points: 20, state: 'INTENDED' },
      },
    });
    expect(first.headers.get('location')).toBeNull();
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const { rows } = await database.pool.query('select 1 from aftercommit.payments where order_id = $1', [
      orderId,
    ]);
    expect(rows).toHaveLength(1);
  });

  it('is answered with 202 while the customer has to act, and says where', async () => {
    const orderId = await waiting('acting');
    answersWith({ state: 'REQUIRES_ACTION', authorizationId: 'auth', actionUrl: 'https://bank.example/3ds' });

    const answer = await pay(orderId);

    expect(answer).toMatchObject({
      status: 202,
      body: { status: 'PENDING_PAYMENT', payment: { actionUrl: 'https://bank.example/3ds' } },
    });
    expect(answer.headers.get('location')).toBe(`/v1/orders/${orderId}`);
  });

  it('is answered with 202 when nothing was heard in time, and the run is woken', async () => {
    const orderId = await waiting('not heard');
    temporal.behaviour.decide = 'timeout';

    const answer = await pay(orderId);

    expect(answer).toMatchObject({ status: 202, body: { status: 'PENDING_PAYMENT' } });
    expect(temporal.started).toEqual([`order/${orderId}`]);
  });

  it('asks the run again for what was captured and not settled yet', async () => {
    const orderId = await waiting('captured only');
    const key = newKey();
    answersWith(CAPTURED, () => Promise.resolve());
    expect(await pay(orderId, { method: 'tok_visa' }, key)).toMatchObject({ status: 202 });
    temporal.behaviour.update = () => settle(orderId);

    expect(await pay(orderId, { method: 'tok_visa' }, key)).toMatchObject({ status: 200 });
  });

  it('is 402 when it is declined; the order waits on, and takes another one', async () => {
    const orderId = await waiting('declined');
    const key = newKey();
    answersWith({ state: 'DECLINED', errorCode: 'card_declined' });

    const declined = await pay(orderId, { method: 'tok_declined' }, key);

    expect(declined).toMatchObject({
      status: 402,
      body: { code: 'payment_declined', reason: 'card_declined', state: 'PENDING_PAYMENT' },
    });
    expect(await pay(orderId, { method: 'tok_declined' }, key)).toMatchObject({
      status: 402,
      body: { reason: 'card_declined', paymentId: declined.body['paymentId'] },
    });
    answersWith(CAPTURED);
    expect(await pay(orderId)).toMatchObject({ status: 200 });
  });

  it('is 402 when the order was closed meanwhile: what was taken goes back', async () => {
    const orderId = await waiting('closed meanwhile');
    const key = newKey();
    answersWith(CAPTURED, cancel);

    const answers = [await pay(orderId, undefined, key), await pay(orderId, undefined, key)];

    for (const answer of answers)
      expect(answer).toMatchObject({ status: 402, body: { reason: 'order_closed', state: 'CANCELLED' } });
  });

  it('is one payment when twenty ask for one at once', async () => {
    const orderId = await waiting('twenty');
    temporal.behaviour.update = () => Promise.resolve(null);

    const answers = await Promise.all(Array.from({ length: 20 }, () => pay(orderId)));

    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    const others = answers.filter(({ status }) => status === 409);
    expect(others).toHaveLength(19);
    expect(others[0]!.body).toMatchObject({ code: 'payment_in_progress' });
    expect(others[0]!.body['paymentId']).toEqual(expect.any(String));
  });
});

describe('a payment that cannot be', () => {
  it.each([
    ['an order that is charged at once', 'charge', null, 'PENDING_PAYMENT'],
    ['an order that costs nothing more', 'none', null, 'CONFIRMED'],
    ['an order that was cancelled', 'wait', cancel, 'CANCELLED'],
    [
      'an order whose time is over',
      'wait',
      (orderId: string) => passDeadline(database.pool, orderId),
      'PENDING_PAYMENT',
    ],
  ] as const)('is 409 for %s, and writes nothing', async (what, mode, change, state) => {
    const orderId =
      mode === 'wait' ? await waiting(what) : await placeOne(database.pool, what, mode, { at: AT });
    await change?.(orderId);
    const before = await rowCounts(database.pool);

    expect(await pay(orderId)).toMatchObject({ status: 409, body: { code: 'order_not_payable', state } });

    expect(await rowCounts(database.pool)).toEqual(before);
    expect(temporal.started).toEqual([]);
  });

  it('is 404 for an order that there is not', async () => {
    for (const orderId of [randomUUID(), 'x'])
      expect(await pay(orderId)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it.each([
    ['no method', {}, 400, '/method'],
    ['a method that is a number', { method: 1 }, 400, '/method'],
    ['an amount of its own', { method: 'tok_visa', amountMinor: 1 }, 400, '/amountMinor'],
    ['an empty method', { method: '' }, 422, '/method'],
    ['a method with a space', { method: 'tok visa' }, 422, '/method'],
    ['a method of 256 characters', { method: 'm'.repeat(256) }, 422, '/method'],
  ])('with %s is refused and writes nothing', async (what, body, status, pointer) => {
    const orderId = await waiting(`bad ${what}`);
    const before = await rowCounts(database.pool);

    const answer = await pay(orderId, body);

    expect(answer).toMatchObject({ status, body: { errors: [{ pointer }] } });
    expect(await rowCounts(database.pool)).toEqual(before);
  });

  it('needs a key, which stands for one body', async () => {
    const orderId = await waiting('keys');
    const without = await ask(app, 'POST', `/v1/orders/${orderId}/payments`, {
      body: { method: 'tok_visa' },
    });
    const key = newKey();
    temporal.behaviour.update = () => Promise.resolve(null);
    await pay(orderId, { method: 'tok_visa' }, key);

    expect(without).toMatchObject({ status: 400, body: { code: 'idempotency_key_missing' } });
    expect(await pay(orderId, { method: 'tok_other' }, key)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
  });

  it('is 503 without Temporal and writes nothing, but what is decided is told', async () => {
    const orderId = await waiting('away');
    const key = newKey();
    answersWith({ state: 'DECLINED', errorCode: 'card_declined' });
    await pay(orderId, undefined, key);
    app.health.temporal = false;
    const before = await rowCounts(database.pool);

    expect(await pay(orderId)).toMatchObject({ status: 503, body: { code: 'temporal_unavailable' } });
    expect(await pay(orderId, undefined, key)).toMatchObject({ status: 402 });

    expect(await rowCounts(database.pool)).toEqual(before);
  });

  it('stands though Temporal was lost on the way: the same key goes on with it', async () => {
    const orderId = await waiting('lost');
    const key = newKey();
    temporal.behaviour.decide = 'lost';
    temporal.behaviour.start = 'lost';
    expect(await pay(orderId, undefined, key)).toMatchObject({ status: 503 });
    temporal.behaviour.decide = 'commit';
    answersWith(CAPTURED);

    expect(await pay(orderId, undefined, key)).toMatchObject({ status: 200, body: { status: 'CONFIRMED' } });
  });
});
