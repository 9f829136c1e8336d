import { createHmac, randomUUID } from 'node:crypto';
import { shipmentIdOf, undoRefundIdOf } from '../../src/database/ids';
import { beginEnding, endOrder } from '../../src/database/order-endings';
import { readPayment } from '../../src/database/payments';
import { cancelledBecause } from '../../src/domain/orders';
import { createCarrierWebhooks } from '../../src/gateways/carrier-webhooks';
import { createPaymentWebhooks } from '../../src/gateways/payment-webhooks';
import { createStripeWebhooks } from '../../src/gateways/stripe-webhooks';
import { ADDRESS, eventsOf, orderRow, requested, waitingOrder } from '../database/order-fixtures';
import { AT, placeOne } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { stubTemporal, type TemporalStub } from './temporal-stub';
import { ask, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';

const secretOf = (text: string): string => `whsec_${Buffer.from(text.padEnd(32, '.')).toString('base64')}`;
const SECRET = secretOf('the new one');
const PREVIOUS = secretOf('the one before');
const STRIPE_SECRET = 'whsec_of_the_endpoint';
const now = (): Date => new Date();

let database: TestDatabase;
let temporal: TemporalStub;
let app: TestApp;
let ids = 0;

const participantWebhooks = {
  payments: createPaymentWebhooks({ secrets: [SECRET, PREVIOUS], now }),
  stripe: createStripeWebhooks({ secrets: [STRIPE_SECRET], now }),
  carrier: createCarrierWebhooks({ secrets: [SECRET], now }),
};

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  temporal = stubTemporal(database.pool);
  app = await startTestApp(database.pool, temporal.client, { participantWebhooks });
});
afterEach(() => app.close());
afterAll(() => database.drop());

const newId = (): string => `msg_${(ids += 1)}`;
const secondsNow = (): number => Math.floor(Date.now() / 1_000);

/** Written from the description of Standard Webhooks, not with the code that checks it. */
function signatureOf(id: string, seconds: number | string, body: string, secret = SECRET): string {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
}

interface Posting {
  id?: string;
  seconds?: number | string;
  signature?: string | ((valid: string) => string);
  secret?: string;
}

function headersOf(body: string, { id = newId(), seconds = secondsNow(), signature, secret }: Posting) {
  const valid = signatureOf(id, seconds, body, secret);
  const given = typeof signature === 'function' ? signature(valid) : (signature ?? valid);
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': given };
}

function post(path: string, document: unknown, posting: Posting = {}): Promise<Answer> {
  const body = typeof document === 'string' ? document : JSON.stringify(document);
  return ask(app, 'POST', `/webhooks/${path}`, { body, headers: headersOf(body, posting) });
}

const captured = (
  payment: { orderId: string; paymentId: string },
  data: Record<string, unknown> = {},
): Record<string, unknown> => ({
  type: 'payment.captured',
  timestamp: new Date().toISOString(),
  data: {
    ...payment,
    authorizationId: 'auth_1',
    captureId: 'cap_1',
    amountMinor: 2000,
    currency: 'EUR',
    ...data,
  },
});
const tracked = (
  shipmentId: string,
  type = 'shipment.shipped',
  trackingId = 'TRACK-1',
): Record<string, unknown> => ({
  type,
  timestamp: new Date().toISOString(),
  data: { shipmentId, trackingId },
});

async function asked(name: string): Promise<{ orderId: string; paymentId: string }> {
  const orderId = await waitingOrder(database.pool, name);
  return { orderId, paymentId: await requested(database.pool, orderId) };
}

describe('what the gateway tells', () => {
  it('is written, and wakes the run of its order', async () => {
    const payment = await asked('captured');

    expect((await post('payments', captured(payment))).status).toBe(204);

    expect(await readPayment(database.pool, payment.paymentId)).toMatchObject({ state: 'CAPTURED' });
    expect(temporal.started).toEqual([`order/${payment.orderId}`]);
  });

  it('changes nothing the second time, and nothing the hundredth', async () => {
    const payment = await asked('duplicate');
    const document = captured(payment);
    const id = newId();
    await post('payments', document, { id });
    const before = await rowCounts(database.pool);
    const first = await readPayment(database.pool, payment.paymentId);

    for (let n = 0; n < 5; n += 1) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => post('payments', document, { id })));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 204));
    }

    expect(await rowCounts(database.pool)).toEqual(before);
    expect(await readPayment(database.pool, payment.paymentId)).toEqual(first);
  });

  it('is 503 until Temporal has heard of it, and the repeat does the rest', async () => {
    const payment = await asked('away');
    const document = captured(payment);
    const id = newId();
    app.health.temporal = false;

    expect((await post('payments', document, { id })).status).toBe(503);
    expect(await readPayment(database.pool, payment.paymentId)).toMatchObject({ state: 'CAPTURED' });
    app.health.temporal = true;
    temporal.behaviour.start = 'lost';
    expect((await post('payments', document, { id })).status).toBe(503);
    temporal.behaviour.start = 'acknowledge';
    expect((await post('payments', document, { id })).status).toBe(204);

    expect(temporal.started).toEqual([`order/${payment.orderId}`]);
  });

  it('gives back once what comes for an order that has ended, though it comes twice', async () => {
    const payment = await asked('too late');
    const step = { orderId: payment.orderId, epoch: 1, at: AT, ending: cancelledBecause('cancelled') };
    await beginEnding(database.pool, step);
    await endOrder(database.pool, step);

    expect((await post('payments', captured(payment))).status).toBe(204);
    expect((await post('payments', captured(payment))).status).toBe(204);

    const refundId = undoRefundIdOf(payment.paymentId);
    expect(temporal.started).toEqual([`refund/${refundId}`, `refund/${refundId}`]);
    const { rows } = await database.pool.query(
      'select refund_id, amount_minor from aftercommit.refunds where order_id = $1',
      [payment.orderId],
    );
    expect(rows).toEqual([{ refund_id: refundId, amount_minor: 2000 }]);
  });

  it('is parked and 204 when nobody knows the order: no money moves', async () => {
    const before = await rowCounts(database.pool);
    const document = captured({ orderId: randomUUID(), paymentId: randomUUID() });
    const id = newId();

    expect((await post('payments', document, { id })).status).toBe(204);
    expect((await post('payments', document, { id })).status).toBe(204);

    expect(await rowCounts(database.pool)).toEqual({
      ...before,
      participant_reports: before['participant_reports']! + 1,
      parked_steps: before['parked_steps']! + 1,
    });
    expect(temporal.started).toEqual([]);
  });

  it('is 204 and nothing for a type that nobody needs', async () => {
    const before = await rowCounts(database.pool);

    expect((await post('payments', { type: 'payment.teleported', data: {} })).status).toBe(204);

    expect(await rowCounts(database.pool)).toEqual(before);
  });

  it('is read in the words of Stripe too', async () => {
    const payment = await asked('stripe');
    const body = JSON.stringify({
      id: 'evt_1',
      type: 'payment_intent.succeeded',
      created: secondsNow(),
      data: {
        object: {
          id: 'pi_1',
          object: 'payment_intent',
          status: 'succeeded',
          amount: 2000,
          amount_received: 2000,
          currency: 'eur',
          created: secondsNow(),
          latest_charge: 'ch_1',
          metadata: { payment_id: payment.paymentId, order_id: payment.orderId },
        },
      },
    });
    const seconds = secondsNow();
    const mac = createHmac('sha256', STRIPE_SECRET).update(`${seconds}.${body}`).digest('hex');
    const send = (signature: string): Promise<Answer> =>
      ask(app, 'POST', '/webhooks/stripe', { body, headers: { 'stripe-signature': signature } });

    expect((await send(`t=${seconds},v1=${mac.replace(/./g, '0')}`)).status).toBe(403);
    expect((await send('nonsense')).status).toBe(400);
    expect((await send(`t=${seconds},v1=${mac}`)).status).toBe(204);

    expect(await readPayment(database.pool, payment.paymentId)).toMatchObject({
      state: 'CAPTURED',
      captureId: 'ch_1',
    });
  });
});

describe('what the carrier tells', () => {
  it('moves the order, once, in any order that it comes in', async () => {
    const orderId = await placeOne(database.pool, 'delivered', 'none', { shipping: ADDRESS });
    const shipmentId = shipmentIdOf(orderId);

    for (const type of ['shipment.delivered', 'shipment.shipped', 'shipment.delivered'])
      expect((await post('carrier', tracked(shipmentId, type))).status).toBe(204);

    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'COMPLETED' });
    expect(await eventsOf(database.pool, orderId)).toEqual([
      'order.confirmed',
      'order.shipped',
      'order.delivered',
    ]);
    expect(new Set(temporal.started)).toEqual(new Set([`order/${orderId}`]));
  });

  it.each([randomUUID(), 'parcel-7'])(
    'is parked and 204 when nobody knows the shipment %s',
    async (shipmentId) => {
      const before = await rowCounts(database.pool);

      expect((await post('carrier', tracked(shipmentId))).status).toBe(204);

      const after = await rowCounts(database.pool);
      expect(after['parked_steps']).toBe(before['parked_steps']! + 1);
      expect(temporal.started).toEqual([]);
    },
  );
});

describe('what is not believed', () => {
  let payment: { orderId: string; paymentId: string };
  let before: Record<string, number>;
  beforeAll(async () => {
    payment = await asked('forged');
  });
  beforeEach(async () => {
    before = await rowCounts(database.pool);
  });
  afterEach(async () => {
    expect(await rowCounts(database.pool)).toEqual(before);
    expect(await readPayment(database.pool, payment.paymentId)).toMatchObject({ state: 'INTENDED' });
    expect(temporal.started).toEqual([]);
  });

  const many = (entry: string, length: number): string => Array.from({ length }, () => entry).join(' ');
  it.each([
    ['a signature of another secret', { secret: secretOf('of somebody else') }, 403],
    [
      'a signature of another body',
      { signature: (valid: string) => valid.replace(/(?<=,.*)[a-z]/, 'A') },
      403,
    ],
    ['an empty signature', { signature: '' }, 400],
    ['a signature without its version', { signature: (valid: string) => valid.slice(3) }, 400],
    ['a signature of an unknown version', { signature: (valid: string) => valid.replace('v1', 'v2') }, 400],
    ['only the version', { signature: 'v1,' }, 400],
    [
      'a hundred entries, the good one last',
      { signature: (valid: string) => `${many('v1,AAAA', 100)} ${valid}` },
      400,
    ],
    ['ten thousand entries', { signature: many('a', 7_000) }, 400],
    ['a timestamp of six minutes ago', { seconds: secondsNow() - 360 }, 400],
    ['a timestamp of six minutes ahead', { seconds: secondsNow() + 360 }, 400],
    ['a timestamp that is no number', { seconds: 'yesterday' }, 400],
    ['a negative timestamp', { seconds: -1 }, 400],
    ['an id with a dot', { id: 'msg.1' }, 400],
    ['an id of 300 characters', { id: 'm'.repeat(300) }, 400],
  ] as const)('is refused for %s', async (_what, posting, status) => {
    const answer = await post('payments', captured(payment), posting);

    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ code: status === 403 ? 'signature_refused' : 'malformed_request' });
    expect(answer.text).not.toContain(payment.paymentId);
  });

  it('is refused when its headers are longer than any', async () => {
    const answer = await post('payments', captured(payment), { signature: many('v1,AAAA', 10_000) });

    expect(answer.status).toBe(431);
  });

  it.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('is refused without %s', async (name) => {
    const body = JSON.stringify(captured(payment));
    const headers: Record<string, string> = headersOf(body, {});
    delete headers[name];

    expect((await ask(app, 'POST', '/webhooks/payments', { body, headers })).status).toBe(400);
  });

  it('is refused when a byte of the body was changed after it was signed', async () => {
    const body = JSON.stringify(captured(payment));

    const answer = await ask(app, 'POST', '/webhooks/payments', {
      body: `${body} `,
      headers: headersOf(body, {}),
    });

    expect(answer.status).toBe(403);
  });

  it.each([
    ['no JSON', 'payment captured'],
    ['a list', '[]'],
    ['no type', { data: {} }],
    ['no order', () => captured({ ...payment, orderId: '' })],
    ['an amount that is a text', () => captured(payment, { amountMinor: '2000' })],
    ['no amount', () => captured(payment, { amountMinor: 0 })],
    ['a negative amount', () => captured(payment, { amountMinor: -1 })],
    ['part of a minor unit', () => captured(payment, { amountMinor: 0.5 })],
    ['a currency in small letters', () => captured(payment, { currency: 'eur' })],
    ['no capture', () => captured(payment, { captureId: null })],
    ['a NUL in a text', () => captured(payment, { captureId: 'cap\u0000' })],
    ['a text that is far too long', () => captured(payment, { captureId: 'c'.repeat(256) })],
    ['a time that is none', () => ({ ...captured(payment), timestamp: 'now' })],
  ])('is refused, though signed, with %s', async (_what, content) => {
    const document = typeof content === 'function' ? content() : content;

    const answer = await post('payments', document);

    expect(answer).toMatchObject({ status: 400, body: { code: 'malformed_request' } });
  });

  it('is refused of a body of more than 64 KB', async () => {
    expect((await post('payments', { ...captured(payment), more: 'x'.repeat(70_000) })).status).toBe(413);
  });

  it('is refused when the carrier signs for the gateway, and where no secret is set', async () => {
    const bare = await startTestApp(database.pool, temporal.client);
    try {
      const body = JSON.stringify(captured(payment));
      for (const path of ['payments', 'stripe', 'carrier']) {
        const answer = await ask(bare, 'POST', `/webhooks/${path}`, { body, headers: headersOf(body, {}) });
        expect(answer).toMatchObject({ status: 403, body: { code: 'signature_refused' } });
      }
    } finally {
      await bare.close();
    }
    expect((await post('carrier', tracked(randomUUID()), { secret: PREVIOUS })).status).toBe(403);
  });

  it('is 405 for another method', async () => {
    expect((await ask(app, 'GET', '/webhooks/payments')).status).toBe(405);
  });
});

it('takes the signature of the secret before, and one good signature among bad ones', async () => {
  const [first, second] = [await asked('rotated'), await asked('one of two')];
  const bad = (valid: string): string => `v1,${Buffer.alloc(32, 1).toString('base64')} ${valid} v1a,other`;

  expect((await post('payments', captured(first), { secret: PREVIOUS })).status).toBe(204);
  expect((await post('payments', captured(second), { signature: bad })).status).toBe(204);

  expect(await readPayment(database.pool, first.paymentId)).toMatchObject({ state: 'CAPTURED' });
  expect(await readPayment(database.pool, second.paymentId)).toMatchObject({ state: 'CAPTURED' });
});
