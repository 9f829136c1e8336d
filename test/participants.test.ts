import { createHmac } from 'node:crypto';
import { signatureHeaders } from '../src/bus/targets/webhook-signature';
import { readConfig, type Config } from '../src/config';
import { startFakeCarrier } from '../src/dev/fake-carrier';
import { startFakeCart } from '../src/dev/fake-cart';
import { startFakePayments } from '../src/dev/fake-payments';
import { startFakePoints } from '../src/dev/fake-points';
import type { FakeServer } from '../src/dev/fake-server';
import { startFakeStripe } from '../src/dev/fake-stripe';
import { FAKE_WEBHOOK_SECRET } from '../src/dev/signed-webhooks';
import { openParticipants, openParticipantWebhooks, participantsOf } from '../src/participants';
import { evidenceOf, temporaryLog } from './dev/fake-control';

const NOW = new Date('2026-11-21T12:00:00Z');
const SECONDS = NOW.getTime() / 1_000;
const now = (): Date => NOW;
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;

/** A configuration with one gateway over HTTP that nobody answers for, unless something else is said. */
function configured(settings: Record<string, string> = {}): Config {
  return readConfig({
    DATABASE_URL: 'postgres://localhost/db',
    TEMPORAL_ADDRESS: '127.0.0.1:7233',
    TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
    TWILIO_AUTH_TOKEN: 'token',
    TWILIO_FROM: '+15005550006',
    AFTERCOMMIT_PAYMENT_URL: 'http://127.0.0.1:9',
    AFTERCOMMIT_SECRETS_KEY: Buffer.alloc(32).toString('base64'),
    ...settings,
  });
}

const authorization = {
  idempotencyKey: 'pay:1',
  paymentId: 'pay_1',
  orderId: 'ord_1',
  amountMinor: 1_999,
  currency: 'EUR',
};
const booking = {
  shipmentId: 'shp_1',
  orderId: 'ord_1',
  address: { name: 'Ada', line1: 'Street 1', postalCode: '10115', city: 'Berlin', country: 'DE' },
  lines: [{ sku: 'SKU-1', quantity: 1 }],
};
const award = { entryId: 'ent_1', customerId: 'cus_1', orderId: 'ord_1', points: 19 };
const cartOfOrder = { cartId: 'cart_1', orderId: 'ord_1' };

describe('participants that are configured', () => {
  const stops: (() => void | Promise<void>)[] = [];
  const start = async (
    startFake: (options: { port: number; logFile: string }) => Promise<FakeServer>,
  ): Promise<string> => {
    const log = temporaryLog();
    stops.push(log.remove);
    const fake = await startFake({ port: 0, logFile: log.logFile });
    stops.push(() => fake.close());
    return fake.url;
  };
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  it('are each reached where they are', async () => {
    const [payments, carrier, points, cart] = await Promise.all([
      start(startFakePayments),
      start(startFakeCarrier),
      start(startFakePoints),
      start(startFakeCart),
    ]);
    const config = configured({
      AFTERCOMMIT_PAYMENT_URL: payments,
      AFTERCOMMIT_CARRIER_URL: carrier,
      AFTERCOMMIT_POINTS_URL: points,
      AFTERCOMMIT_CART_URL: cart,
    });
    const opened = openParticipants(config, now);
    stops.push(() => opened.close());

    const answers = [
      await opened.gateway.authorize({ ...authorization, method: 'tok_visa' }),
      await opened.carrier.book(booking),
      await opened.points.award(award),
      await opened.cart.clear(cartOfOrder),
    ];

    expect(answers.map(({ kind }) => kind)).toEqual(['authorized', 'booked', 'awarded', 'cleared']);
    expect(participantsOf(config)).toEqual({ carrier: true, points: true, cart: true });
  });

  it('are Stripe in place of the gateway when its key is set', async () => {
    const stripe = await start(startFakeStripe);
    const config = configured({
      AFTERCOMMIT_PAYMENT_URL: '',
      STRIPE_SECRET_KEY: 'sk_test_1',
      AFTERCOMMIT_STRIPE_URL: stripe,
      AFTERCOMMIT_STRIPE_RETURN_URL: 'https://shop.example/back',
    });
    const opened = openParticipants(config, now);
    stops.push(() => opened.close());

    const method = 'pm_card_threeDSecure2Required';
    const result = await opened.gateway.authorize({ ...authorization, method });

    expect(result).toMatchObject({ kind: 'requires_action', actionUrl: expect.any(String) as string });
    const [asked] = await evidenceOf(stripe, 'request');
    expect(new URLSearchParams(String(asked?.['body'])).get('return_url')).toBe('https://shop.example/back');
  });
});

describe('participants that are not configured', () => {
  const config = configured();
  const opened = openParticipants(config, now);
  const { carrier, points, cart } = opened;
  afterAll(() => opened.close());

  it('are known to be missing', () => {
    expect(participantsOf(config)).toEqual({ carrier: false, points: false, cart: false });
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ['a booking', () => carrier.book(booking), 'AFTERCOMMIT_CARRIER_URL'],
    ['a cancel', () => carrier.cancel({ shipmentId: 'shp_1' }), 'AFTERCOMMIT_CARRIER_URL'],
    ['a look-up', () => carrier.find({ shipmentId: 'shp_1' }), 'AFTERCOMMIT_CARRIER_URL'],
    ['an award', () => points.award(award), 'AFTERCOMMIT_POINTS_URL'],
    ['a reverse', () => points.reverse({ entryId: 'ent_1' }), 'AFTERCOMMIT_POINTS_URL'],
    ['a clear', () => cart.clear(cartOfOrder), 'AFTERCOMMIT_CART_URL'],
    ['a restore', () => cart.restore(cartOfOrder), 'AFTERCOMMIT_CART_URL'],
  ])('refuse %s for good, and say what is not set', async (_what, call, variable) => {
    await expect(call()).rejects.toMatchObject({
      code: 'participant_missing',
      retryable: false,
      message: expect.stringContaining(variable) as string,
    });
  });
});

describe('webhooks of participants', () => {
  const standard = (secret: string, document: object) => {
    const body = JSON.stringify({ timestamp: NOW.toISOString(), ...document });
    const signed = signatureHeaders(
      { id: 'msg_1', timestampSeconds: SECONDS, body },
      { kind: 'webhook_secret', secret, previousSecret: '' },
    );
    return { headers: { 'webhook-id': 'msg_1', ...signed }, body };
  };
  const shipped = {
    type: 'shipment.shipped',
    data: { shipmentId: 'shp_1', trackingId: 'track_1' },
  };
  const captured = {
    type: 'payment.captured',
    data: {
      paymentId: 'pay_1',
      orderId: 'ord_1',
      authorizationId: 'auth_1',
      captureId: 'cap_1',
      amountMinor: 1_999,
      currency: 'EUR',
    },
  };

  it('are not read without a secret', () => {
    expect(openParticipantWebhooks(configured(), now)).toEqual({
      payments: null,
      stripe: null,
      carrier: null,
    });
  });

  it('are read with either secret of a rotation, each participant with its own', () => {
    const { payments, carrier } = openParticipantWebhooks(
      configured({
        AFTERCOMMIT_PAYMENT_WEBHOOK_SECRETS: FAKE_WEBHOOK_SECRET,
        AFTERCOMMIT_CARRIER_WEBHOOK_SECRETS: `${OTHER_SECRET},${FAKE_WEBHOOK_SECRET}`,
      }),
      now,
    );

    expect(payments?.read(standard(FAKE_WEBHOOK_SECRET, captured)).kind).toBe('event');
    expect(payments?.read(standard(OTHER_SECRET, captured)).kind).toBe('refused');
    expect(carrier?.read(standard(FAKE_WEBHOOK_SECRET, shipped)).kind).toBe('event');
    expect(carrier?.read(standard(OTHER_SECRET, shipped)).kind).toBe('event');
  });

  it('of Stripe are read with its secret', () => {
    const { stripe } = openParticipantWebhooks(
      configured({
        AFTERCOMMIT_PAYMENT_URL: '',
        STRIPE_SECRET_KEY: 'sk_test_1',
        STRIPE_WEBHOOK_SECRET: 'whsec_stripe',
      }),
      now,
    );
    const body = JSON.stringify({ id: 'evt_1', type: 'customer.created' });
    const read = (secret: string) => {
      const mac = createHmac('sha256', secret).update(`${SECONDS}.${body}`).digest('hex');
      return stripe?.read({ headers: { 'stripe-signature': `t=${SECONDS},v1=${mac}` }, body });
    };

    expect(read('whsec_stripe')).toEqual({ kind: 'ignored', id: 'evt_1', type: 'customer.created' });
    expect(read('whsec_other')).toMatchObject({ kind: 'refused', reason: 'wrong_signature' });
  });
});
