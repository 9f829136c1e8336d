import { startFakeStripe } from '../../src/dev/fake-stripe';
import type { FakeServer } from '../../src/dev/fake-server';
import { FAKE_WEBHOOK_SECRET } from '../../src/dev/signed-webhooks';
import { GatewayMismatchError, GatewayUnavailableError } from '../../src/errors';
import type { AuthorizeRequest, PaymentGateway } from '../../src/gateways/payments';
import { createStripePaymentGateway } from '../../src/gateways/stripe-payments';
import { createStripeWebhooks } from '../../src/gateways/stripe-webhooks';
import { describePaymentGatewayContract } from '../contract/payment-gateway';
import { controlFake, evidenceOf, temporaryLog } from '../dev/fake-control';
import { startWebhookReceiver } from '../dev/webhook-receiver';
import { waitFor } from '../support/wait';
import { startScriptedServer, type ScriptedServer } from './scripted-server';

const API_KEY = 'sk_test_not_a_real_key';
/** Short, so that the tests of silence are; far above what loopback needs. */
const TIMEOUT_MS = 1_000;
const MONEY = { amountMinor: 1999, currency: 'EUR' };

const open = (baseUrl: string, returnUrl?: string): PaymentGateway =>
  createStripePaymentGateway({
    apiKey: API_KEY,
    baseUrl,
    timeoutMs: TIMEOUT_MS,
    now: () => new Date(),
    ...(returnUrl === undefined ? {} : { returnUrl }),
  });

async function actAsCustomer(url: string, authorizationId: string, isApproved: boolean): Promise<void> {
  const body = JSON.stringify({ outcome: isApproved ? 'approve' : 'refuse' });
  const response = await fetch(`${url}/_customer/${authorizationId}`, { method: 'POST', body });
  if (!response.ok) throw new Error(await response.text());
}

// Search knows nothing that is younger than a minute, as it may be at Stripe, so all look-ups here read the list.
describe.each([60_000, 0])('with a search that lags %i ms', (searchLagMs) => {
  describePaymentGatewayContract(
    'stripe',
    async () => {
      const log = temporaryLog();
      const fake = await startFakeStripe({ port: 0, logFile: log.logFile });
      await controlFake(fake.url, { searchLagMs });
      return {
        gateway: open(fake.url),
        act: (authorizationId, isApproved) => actAsCustomer(fake.url, authorizationId, isApproved),
        forgetKeys: async () => {
          await controlFake(fake.url, { forgetKeys: true });
        },
        stop: async () => {
          await fake.close();
          log.remove();
        },
      };
    },
    {
      methods: {
        good: 'pm_card_visa',
        declined: 'pm_card_visa_chargeDeclined',
        insufficient: 'pm_card_visa_chargeDeclinedInsufficientFunds',
        requiresAction: 'pm_card_authenticationRequired',
        captureRefused: 'pm_fake_captureExpired',
        refundRefused: 'pm_card_createDispute',
      },
      refusals: { capture: 'charge_expired_for_capture', refund: 'charge_disputed' },
    },
  );
});

describe('stripe payments', () => {
  const log = temporaryLog();
  let fake: FakeServer;
  let gateway: PaymentGateway;
  let count = 0;

  beforeAll(async () => {
    fake = await startFakeStripe({ port: 0, logFile: log.logFile });
    gateway = open(fake.url);
  });
  afterEach(() => controlFake(fake.url, { reset: true }));
  afterAll(async () => {
    await gateway.close();
    await fake.close();
    log.remove();
  });

  const newRequest = (changes: Partial<AuthorizeRequest> = {}): AuthorizeRequest => {
    count += 1;
    return {
      idempotencyKey: `pay:pay_${count}:1:authorize`,
      paymentId: `pay_${count}`,
      orderId: `ord_${count}`,
      ...MONEY,
      method: 'pm_card_visa',
      ...changes,
    };
  };
  const authorize = async (request: AuthorizeRequest): Promise<string> => {
    const result = await gateway.authorize(request);
    return 'authorizationId' in result ? result.authorizationId : '';
  };
  const captured = async (request: AuthorizeRequest): Promise<string> => {
    const { amountMinor, currency } = request;
    const authorizationId = await authorize(request);
    const idempotencyKey = `${request.paymentId}:c`;
    const result = await gateway.capture({ idempotencyKey, authorizationId, amountMinor, currency });
    return result.kind === 'captured' ? result.captureId : '';
  };
  const plan = (fault: Record<string, unknown>) => controlFake(fake.url, { faults: [fault] });
  const failureOf = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);
  const formOfLast = async (path: string): Promise<Record<string, string>> => {
    const requests = (await evidenceOf(fake.url, 'request')).filter((one) => one['path'] === path);
    return Object.fromEntries(new URLSearchParams(requests.at(-1)?.['body'] as string));
  };

  it('asks as the API is published: form, version, key, manual capture, our ids as metadata', async () => {
    const request = newRequest();

    await authorize(request);

    expect(await formOfLast('/v1/payment_intents')).toEqual({
      amount: '1999',
      currency: 'eur',
      confirm: 'true',
      capture_method: 'manual',
      'payment_method_types[]': 'card',
      'metadata[payment_id]': request.paymentId,
      'metadata[order_id]': request.orderId,
      payment_method: 'pm_card_visa',
    });
    expect((await evidenceOf(fake.url, 'request')).at(-1)).toMatchObject({
      version: '2024-06-20',
      idempotencyKey: request.idempotencyKey,
    });
  });

  it('takes a token of the older kind', async () => {
    expect(await gateway.authorize(newRequest({ method: 'tok_visa' }))).toMatchObject({ kind: 'authorized' });

    const form = await formOfLast('/v1/payment_intents');
    expect(form).toMatchObject({ 'payment_method_data[card][token]': 'tok_visa' });
  });

  it.each([
    ['JPY', 500, '500'],
    ['ISK', 5, '500'],
    ['UGX', 5, '500'],
    ['MGA', 500, '5'],
    ['KWD', 5120, '5120'],
    ['HUF', 1045, '1045'],
  ])('says %s %i in the units of Stripe, and reads them back', async (currency, amountMinor, amount) => {
    const request = newRequest({ currency, amountMinor });

    const captureId = await captured(request);
    const refund = { refundId: `ref_${count}`, captureId, amountMinor, currency };
    const result = await gateway.refund({ idempotencyKey: `r${count}`, ...refund });

    expect((await formOfLast('/v1/payment_intents'))['amount']).toBe(amount);
    expect(result.kind).toBe('refunded');
    expect(await gateway.find({ paymentId: request.paymentId })).toMatchObject([
      { amountMinor, currency, captureId, refunds: [{ amountMinor, refundId: refund.refundId }] },
    ]);
  });

  it.each([
    ['MGA', 501],
    ['KWD', 5124],
    ['USD', Number.MAX_SAFE_INTEGER * 100],
  ])('sends nothing for %s %i, which Stripe cannot take', async (currency, amountMinor) => {
    const request = newRequest({ currency, amountMinor });

    expect(await gateway.authorize(request)).toEqual({ kind: 'declined', code: 'amount_not_representable' });
    expect(await gateway.find({ paymentId: request.paymentId })).toEqual([]);
  });

  it.each(['500_before', 'cut_before', 'timeout_after', 'cut_after', '429'])(
    '%s: says that the outcome is unknown, and the same key settles it',
    async (action) => {
      const request = newRequest();
      await plan({ method: 'POST', path: 'payment_intents', action });

      const failure = await failureOf(gateway.authorize(request));

      expect(failure).toBeInstanceOf(GatewayUnavailableError);
      expect(await gateway.authorize(request)).toMatchObject({ kind: 'authorized' });
      expect(await gateway.find({ paymentId: request.paymentId })).toHaveLength(1);
    },
  );

  it.each([
    ['500_after', 1],
    ['500_stored', 0],
  ])('%s: tells a burnt key apart, and the look-up shows what it did', async (action, expected) => {
    const request = newRequest();
    await plan({ method: 'POST', path: 'payment_intents', action });

    const first = await failureOf(gateway.authorize(request));
    const second = await gateway.authorize(request);

    expect(first).toBeInstanceOf(GatewayUnavailableError);
    expect(second).toEqual({ kind: 'stored_error', code: 'api_error' });
    expect(await gateway.find({ paymentId: request.paymentId })).toHaveLength(expected);
  });

  it.each(['capture', 'refunds'])('%s: is done once although its answer is cut', async (path) => {
    const request = newRequest();
    const money = { ...MONEY };
    const authorizationId = await authorize(request);
    const capture = () => gateway.capture({ idempotencyKey: `c${count}`, authorizationId, ...money });
    const refund = async () => {
      const done = await capture();
      const captureId = done.kind === 'captured' ? done.captureId : '';
      return gateway.refund({ idempotencyKey: `r${count}`, refundId: `ref_${count}`, captureId, ...money });
    };
    const call: () => Promise<unknown> = path === 'capture' ? capture : refund;
    await plan({ method: 'POST', path, action: 'cut_after' });

    const failure = await failureOf(call());
    const repeated = await call();

    expect(failure).toBeInstanceOf(GatewayUnavailableError);
    expect(repeated).toMatchObject({ kind: path === 'capture' ? 'captured' : 'refunded' });
    const [found] = await gateway.find({ paymentId: request.paymentId });
    expect(found).toMatchObject({ status: 'captured' });
    expect(found?.refunds).toHaveLength(path === 'capture' ? 0 : 1);
  });

  it.each(['500_after', '500_stored'])('settles a void whose key is burnt (%s)', async (action) => {
    const request = newRequest();
    const authorizationId = await authorize(request);
    const call = () => gateway.void({ idempotencyKey: `v${count}`, authorizationId });
    await plan({ method: 'POST', path: 'cancel', action });

    await failureOf(call());

    expect(await call()).toEqual({ kind: 'voided' });
    expect(await gateway.find({ paymentId: request.paymentId })).toMatchObject([{ status: 'voided' }]);
  });

  it('cancels a declined payment, so that its customer cannot pay it with another card', async () => {
    const request = newRequest({ method: 'pm_card_visa_chargeDeclined' });
    await gateway.authorize(request);
    const [declined] = await gateway.find({ paymentId: request.paymentId });
    const authorizationId = declined?.authorizationId ?? '';

    expect(await gateway.void({ idempotencyKey: `v${count}`, authorizationId })).toEqual({ kind: 'voided' });

    expect(await gateway.find({ paymentId: request.paymentId })).toMatchObject([{ status: 'voided' }]);
  });

  it.each(['payment_intents', 'capture', 'refunds'])(
    'refuses an answer of %s with another amount',
    async (path) => {
      const request = newRequest();
      await plan({ method: 'POST', path, action: 'amount_mismatch' });
      const calls = async (): Promise<void> => {
        const captureId = await captured(request);
        await gateway.refund({ idempotencyKey: `r${count}`, refundId: `ref_${count}`, captureId, ...MONEY });
      };

      const failure = await failureOf(calls());

      expect(failure).toBeInstanceOf(GatewayMismatchError);
    },
  );

  it('refuses a refund in another currency, and one of another request under the key', async () => {
    const captureId = await captured(newRequest());
    const refund = { idempotencyKey: `r${count}`, refundId: `ref_${count}`, captureId };

    expect(await gateway.refund({ ...refund, amountMinor: 1, currency: 'USD' })).toEqual({
      kind: 'refused',
      code: 'currency_mismatch',
    });
    await gateway.refund({ ...refund, amountMinor: 1, currency: 'EUR' });
    const failure = await failureOf(gateway.refund({ ...refund, amountMinor: 2, currency: 'EUR' }));
    expect(failure).toBeInstanceOf(GatewayMismatchError);
  });

  it('knows every refund when there are more than a charge shows', async () => {
    const request = newRequest({ amountMinor: 12_000 });
    const captureId = await captured(request);
    const refundIds = Array.from({ length: 120 }, (_, n) => `ref_many_${n}`);
    for (const refundId of refundIds) {
      const one = { idempotencyKey: refundId, refundId, captureId, amountMinor: 100, currency: 'EUR' };
      expect(await gateway.refund(one)).toMatchObject({ kind: 'refunded' });
    }

    const [found] = await gateway.find({ paymentId: request.paymentId });

    expect(found?.refunds.map(({ refundId }) => refundId)).toEqual(refundIds);
  });

  it('tells where the customer acts when they have somewhere to come back to', async () => {
    const returning = open(fake.url, 'https://shop.example/back');
    const request = newRequest({ method: 'pm_card_authenticationRequired' });

    const result = await returning.authorize(request);
    await returning.close();

    const authorizationId = 'authorizationId' in result ? result.authorizationId : '';
    expect(result).toEqual({
      kind: 'requires_action',
      authorizationId,
      actionUrl: `${fake.url}/_customer/${authorizationId}`,
    });
  });

  it.each(["it's", String.raw`back\slash`, '"quoted"'])(
    'finds the payment %s by search',
    async (paymentId) => {
      const request = newRequest({ paymentId, idempotencyKey: paymentId });
      await controlFake(fake.url, { searchLagMs: 0 });
      const later = createStripePaymentGateway({
        apiKey: API_KEY,
        baseUrl: fake.url,
        timeoutMs: TIMEOUT_MS,
        // So much later that the list of the last hour does not hold it any more.
        now: () => new Date(Date.now() + 7_200_000),
      });

      const authorizationId = await authorize(request);
      // A lag of none counts whole seconds, as the times of the objects do.
      const found = await waitFor('search knows it', async () => {
        const some = await later.find({ paymentId });
        return some.length > 0 && some;
      });
      await later.close();

      expect(found).toMatchObject([{ authorizationId, status: 'authorized' }]);
    },
  );

  it('says that it is unavailable while Stripe is down or refuses the key', async () => {
    const wrong = createStripePaymentGateway({
      apiKey: 'nobody',
      baseUrl: fake.url,
      timeoutMs: TIMEOUT_MS,
      now: () => new Date(),
    });
    const unauthorized = await failureOf(wrong.authorize(newRequest()));
    await controlFake(fake.url, { down: true });
    const down = await failureOf(gateway.authorize(newRequest()));
    await wrong.close();

    expect([unauthorized, down]).toEqual([
      expect.any(GatewayUnavailableError),
      expect.any(GatewayUnavailableError),
    ]);
    expect(`${String(unauthorized)} ${String(down)}`).not.toContain('nobody');
  });

  it('tells by signed webhooks what became of payments', async () => {
    const receiver = await startWebhookReceiver();
    await controlFake(fake.url, { webhookUrl: receiver.url });
    const webhooks = createStripeWebhooks({ secrets: [FAKE_WEBHOOK_SECRET], now: () => new Date() });
    const good = newRequest();
    const captureId = await captured(good);
    const refused = newRequest({ method: 'pm_card_authenticationRequired' });
    await actAsCustomer(fake.url, await authorize(refused), false);
    const cancelled = newRequest();
    await gateway.void({ idempotencyKey: `v${count}`, authorizationId: await authorize(cancelled) });

    await waitFor('all six came', () => receiver.received.length === 6);
    const readings = receiver.received.map((one) => webhooks.read(one));
    await receiver.stop();

    const events = readings.flatMap((one) => (one.kind === 'event' ? [one.event] : []));
    const told = events.map(({ type, paymentId, code }) => [paymentId, type, code]);
    expect(told.sort()).toEqual(
      [
        [good.paymentId, 'payment.authorized', null],
        [good.paymentId, 'payment.captured', null],
        [refused.paymentId, 'payment.declined', 'payment_intent_authentication_failure'],
        [cancelled.paymentId, 'payment.authorized', null],
        [cancelled.paymentId, 'payment.voided', null],
      ].sort(),
    );
    expect(events.find(({ type }) => type === 'payment.captured')).toMatchObject({
      id: expect.stringMatching(/^evt_/) as string,
      orderId: good.orderId,
      captureId,
      ...MONEY,
    });
    expect(readings.filter(({ kind }) => kind === 'ignored')).toMatchObject([
      { type: 'payment_intent.requires_action' },
    ]);
  });

  it('goes on after a restart of the other side', async () => {
    const request = newRequest();
    const captureId = await captured(request);

    await gateway.close();
    await fake.close();
    fake = await startFakeStripe({ port: 0, logFile: log.logFile });
    gateway = open(fake.url);

    expect(await gateway.authorize(request)).toMatchObject({ kind: 'authorized' });
    expect(await gateway.find({ paymentId: request.paymentId })).toMatchObject([{ captureId }]);
  });
});

describe('stripe payments against answers that prove nothing', () => {
  let server: ScriptedServer;

  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.stop());

  it.each<[string, number, string]>([
    ['a redirect', 307, ''],
    ['HTML', 200, '<html></html>'],
    ['an empty object', 200, '{}'],
    ['another object', 200, '{"object":"charge","id":"ch_1"}'],
    [
      'a status that nobody promised',
      200,
      '{"object":"payment_intent","id":"pi_1","status":"new","currency":"eur","amount":1999}',
    ],
    ['403', 403, '{"error":{"type":"invalid_request_error"}}'],
    [
      '409 of another request with the key',
      409,
      '{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}',
    ],
    ['424', 424, '{"error":{"type":"invalid_request_error"}}'],
    ['429', 429, '{"error":{"type":"invalid_request_error","code":"lock_timeout"}}'],
    ['402 of nobody', 402, '{"error":{"message":"pay for the proxy"}}'],
    ['400 of a proxy', 400, '<html></html>'],
    ['500', 500, '{"error":{"type":"api_error"}}'],
  ])('throws a retryable error for %s, and asks once', async (_name, status, body) => {
    server.answer(status, body);
    const gateway = open(`${server.url}/base`);
    const request = { idempotencyKey: 'k', paymentId: 'p', orderId: 'o', method: 'pm_secret', ...MONEY };

    const failure = await gateway.authorize(request).catch((error: unknown) => error);
    await gateway.close();

    expect(failure).toBeInstanceOf(GatewayUnavailableError);
    expect(String(failure)).not.toMatch(/pm_secret|sk_test/);
    expect(server.paths()).toEqual(['/base/v1/payment_intents']);
    expect(server.authorization()).toBe(`Bearer ${API_KEY}`);
  });
});
