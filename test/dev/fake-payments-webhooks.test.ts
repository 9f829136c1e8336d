import { startFakePayments } from '../../src/dev/fake-payments';
import type { FakeServer } from '../../src/dev/fake-server';
import { FAKE_WEBHOOK_SECRET } from '../../src/dev/signed-webhooks';
import { createHttpPaymentGateway } from '../../src/gateways/http-payments';
import { createPaymentWebhooks, type PaymentEvent } from '../../src/gateways/payment-webhooks';
import type { PaymentGateway } from '../../src/gateways/payments';
import { waitFor } from '../support/wait';
import { controlFake, evidenceOf, temporaryLog } from './fake-control';
import { startWebhookReceiver, type WebhookReceiver } from './webhook-receiver';

const MONEY = { amountMinor: 1999, currency: 'EUR' };

describe('fake payments: customers and webhooks', () => {
  const log = temporaryLog();
  const webhooks = createPaymentWebhooks({ secrets: [FAKE_WEBHOOK_SECRET], now: () => new Date() });
  let fake: FakeServer;
  let gateway: PaymentGateway;
  let receiver: WebhookReceiver;
  let count = 0;

  const open = async (): Promise<void> => {
    fake = await startFakePayments({ port: 0, logFile: log.logFile, webhookUrl: receiver.url });
    gateway = createHttpPaymentGateway({ baseUrl: fake.url, timeoutMs: 5_000 });
  };
  beforeAll(async () => {
    receiver = await startWebhookReceiver();
    await open();
  });
  beforeEach(async () => {
    receiver.received.length = 0;
    await controlFake(fake.url, { reset: true });
  });
  afterAll(async () => {
    await gateway.close();
    await fake.close();
    await receiver.stop();
    log.remove();
  });

  const newPayment = () => {
    count += 1;
    return { paymentId: `pay_${count}`, orderId: `ord_${count}` };
  };
  const authorize = async (method: string) => {
    const ids = newPayment();
    const idempotencyKey = `${ids.paymentId}:a`;
    const result = await gateway.authorize({ idempotencyKey, ...ids, ...MONEY, method });
    return { ...ids, authorizationId: 'authorizationId' in result ? result.authorizationId : '' };
  };
  const customer = async (path: string, body: unknown) => {
    const response = await fetch(`${fake.url}/_customer${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const events = (): PaymentEvent[] =>
    receiver.received.flatMap((one) => {
      const reading = webhooks.read(one);
      if (reading.kind === 'refused') throw new Error(reading.reason);
      return reading.kind === 'event' ? [reading.event] : [];
    });
  const eventsAfter = (n: number) => waitFor(`${n} events came`, () => events().length >= n && events());

  it.each([
    ['approve', 'payment.authorized', null],
    ['refuse', 'payment.declined', 'authentication_failed'],
  ])('tells, signed, what became of an authorization when the customers %s', async (outcome, type, code) => {
    const payment = await authorize('tok_requires_action');

    await customer(`/${payment.authorizationId}`, { outcome });

    expect(await eventsAfter(1)).toEqual([
      {
        ...payment,
        ...MONEY,
        id: expect.stringMatching(/^msg_/) as string,
        type,
        occurredAt: expect.any(String) as string,
        captureId: null,
        code,
      },
    ]);
    expect(String(receiver.received[0]?.body)).not.toContain('tok_');
  });

  it('lets nobody act twice, or on what waits for nobody', async () => {
    const waiting = await authorize('tok_requires_action');
    const other = await authorize('tok_visa');

    const statuses = [
      await customer(`/${waiting.authorizationId}`, { outcome: 'maybe' }),
      await customer(`/${waiting.authorizationId}`, { outcome: 'refuse' }),
      await customer(`/${waiting.authorizationId}`, { outcome: 'approve' }),
      await customer(`/${other.authorizationId}`, { outcome: 'approve' }),
      await customer('/auth_unknown', { outcome: 'approve' }),
    ].map(({ status }) => status);

    expect(statuses).toEqual([422, 200, 409, 409, 404]);
    expect(await gateway.find({ paymentId: waiting.paymentId })).toMatchObject([{ status: 'declined' }]);
  });

  it('tells of a payment that the customer made on a page of the gateway', async () => {
    const ids = newPayment();

    const { body } = await customer('', { ...ids, ...MONEY });

    const [authorized, captured] = await eventsAfter(2);
    expect(authorized).toMatchObject({ type: 'payment.authorized', ...ids, ...MONEY });
    expect(captured).toMatchObject({ type: 'payment.captured', ...ids, captureId: body['captureId'] });
    const found = await gateway.find({ paymentId: ids.paymentId });
    expect(found).toMatchObject([{ status: 'captured', captureId: captured?.captureId }]);
  });

  it('tells of a customer whose card is declined there', async () => {
    const ids = newPayment();

    expect(await customer('', { ...ids, ...MONEY, method: 'tok_declined' })).toMatchObject({ status: 402 });

    expect(await eventsAfter(1)).toMatchObject([{ type: 'payment.declined', ...ids, code: 'card_declined' }]);
  });

  it('tells "captured" before it answers the capture, when told to be early', async () => {
    const { authorizationId, paymentId } = await authorize('tok_visa');
    await eventsAfter(1);
    await controlFake(fake.url, { webhooks: { early: true } });

    await gateway.capture({ idempotencyKey: `${paymentId}:c`, authorizationId, ...MONEY });

    expect(events().map(({ type }) => type)).toEqual(['payment.authorized', 'payment.captured']);
  });

  it('tells of a void, and of a refund in words that nobody here needs', async () => {
    const voided = await authorize('tok_visa');
    await gateway.void({ idempotencyKey: `${voided.paymentId}:v`, ...voided });
    const { authorizationId, paymentId } = await authorize('tok_visa');
    const result = await gateway.capture({ idempotencyKey: `${paymentId}:c`, authorizationId, ...MONEY });
    const captureId = result.kind === 'captured' ? result.captureId : '';
    const refund = { idempotencyKey: `${paymentId}:r`, refundId: 'ref_1', captureId, ...MONEY };

    await gateway.refund(refund);
    await waitFor('all five came', () => receiver.received.length === 5);

    expect(receiver.received.map((one) => webhooks.read(one)).at(-1)).toMatchObject({
      kind: 'ignored',
      type: 'payment.refunded',
    });
    expect(
      events()
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['payment.authorized', 'payment.authorized', 'payment.captured', 'payment.voided']);
  });

  it('sends nothing for a repeat', async () => {
    const { authorizationId, paymentId } = await authorize('tok_visa');
    const capture = () => gateway.capture({ idempotencyKey: `${paymentId}:c`, authorizationId, ...MONEY });

    await capture();
    await capture();
    const ids = newPayment();
    await customer('', { ...ids, ...MONEY });

    const all = await eventsAfter(4);
    expect(all.filter((event) => event.paymentId === paymentId)).toHaveLength(2);
  });

  it('forgets keys when their lifetime is over, or when told to, and after a restart', async () => {
    const ids = newPayment();
    const call = () =>
      gateway.authorize({ idempotencyKey: `${ids.paymentId}:a`, ...ids, ...MONEY, method: 'tok_visa' });
    const first = await call();
    expect(await call()).toEqual(first);

    await controlFake(fake.url, { keyLifetimeMs: 0 });
    const second = await waitFor('the key is older than nothing', async () => {
      const result = await call();
      return JSON.stringify(result) !== JSON.stringify(first) && result;
    });
    await controlFake(fake.url, { keyLifetimeMs: 86_400_000, forgetKeys: true });
    await gateway.close();
    await fake.close();
    await open();
    const third = await call();

    expect(third).not.toEqual(second);
    expect(await call()).toEqual(third);
    expect((await gateway.find({ paymentId: ids.paymentId })).length).toBeGreaterThanOrEqual(3);
  });

  it('never carries out a late call after it was closed', async () => {
    const ids = newPayment();
    await controlFake(fake.url, { faults: [{ action: 'late', delayMs: 50, operation: 'authorize' }] });
    const hasty = createHttpPaymentGateway({ baseUrl: fake.url, timeoutMs: 10 });
    const request = { idempotencyKey: `${ids.paymentId}:a`, ...ids, ...MONEY, method: 'tok_visa' };

    await expect(hasty.authorize(request)).rejects.toMatchObject({ code: 'gateway_unavailable' });
    await hasty.close();
    await gateway.close();
    await fake.close();
    await open();

    expect((await evidenceOf(fake.url, 'fault')).at(-1)).toMatchObject({ action: 'late' });
    expect(await gateway.authorize(request)).toMatchObject({ kind: 'authorized' });
    expect(await gateway.find({ paymentId: ids.paymentId })).toHaveLength(1);
  });

  it.each(['?createdSince=yesterday', '?createdSince=2026-01-01T00:00:00Z&limit=0', '?limit=5', ''])(
    'refuses the list %s',
    async (query) => {
      expect((await fetch(`${fake.url}/v1/authorizations${query}`)).status).toBe(422);
    },
  );
});
