import { MockActivityEnvironment } from '@temporalio/testing';
import { createPaymentActivities, type PaymentActivities } from '../../src/activities/payments';
import { paymentIdOf } from '../../src/database/ids';
import { readPayment } from '../../src/database/payments';
import { GatewayMismatchError } from '../../src/errors';
import type { Authorization, PaymentGateway } from '../../src/gateways/payments';
import { placeOne } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** A gateway that answers as told, and remembers what it was asked. */
function scripted(answers: Partial<PaymentGateway>): { gateway: PaymentGateway; asked: string[] } {
  const asked: string[] = [];
  const nobody = (): Promise<never> => Promise.reject(new Error('nobody expected this call'));
  const names = ['authorize', 'capture', 'void', 'refund', 'find', 'close'] as const;
  const gateway = Object.fromEntries(
    names.map((name) => [
      name,
      (request: never) => {
        asked.push(name);
        return ((answers[name] ?? nobody) as (request: never) => Promise<unknown>)(request);
      },
    ]),
  ) as unknown as PaymentGateway;
  return { gateway, asked };
}

const authorized = () => Promise.resolve({ kind: 'authorized', authorizationId: 'auth' } as const);
const voided = () => Promise.resolve({ kind: 'voided' } as const);
const storedError = () => Promise.resolve({ kind: 'stored_error', code: 'http_500' } as const);
const known: Authorization = {
  authorizationId: 'auth',
  status: 'authorized',
  amountMinor: 2000,
  currency: 'EUR',
  captureId: null,
  refunds: [],
};

function activities(gateway: PaymentGateway, now = () => new Date()): PaymentActivities {
  return createPaymentActivities({ pool: database.pool, gateway, now });
}

/** Runs an activity where it can heartbeat. */
function run<T>(work: () => Promise<T>): Promise<T> {
  return new MockActivityEnvironment().run(work);
}

async function ids(name: string) {
  const orderId = await placeOne(database.pool, name, 'charge');
  return { orderId, paymentId: paymentIdOf(orderId) };
}

describe('undoing a payment', () => {
  it('sends nothing when no charge was ever begun', async () => {
    const { gateway, asked } = scripted({});
    const payment = await ids('never');

    expect(await run(() => activities(gateway).undoPayment(payment))).toEqual({ refundId: null });
    expect(await run(() => activities(gateway).chargePayment({ ...payment, customerActs: false }))).toEqual({
      kind: 'declined',
      code: 'cancelled',
    });
    expect(asked).toEqual([]);
  });

  it('voids the authorization of a capture that was refused', async () => {
    const { gateway, asked } = scripted({
      authorize: authorized,
      capture: () => Promise.resolve({ kind: 'refused', code: 'capture_refused' }),
      void: voided,
    });
    const payment = await ids('refused');

    expect(
      await run(() => activities(gateway).chargePayment({ ...payment, customerActs: false })),
    ).toMatchObject({ kind: 'declined' });
    expect(await run(() => activities(gateway).undoPayment(payment))).toEqual({ refundId: null });
    expect(asked).toEqual(['authorize', 'capture', 'void']);
  });

  it('gives the money back when a capture that was believed to have failed shows up', async () => {
    const { gateway } = scripted({
      authorize: authorized,
      capture: storedError,
      find: () => Promise.resolve([known]),
      void: () => Promise.resolve({ kind: 'already_captured', captureId: 'late' }),
    });
    const payment = await ids('late');

    expect(
      await run(() => activities(gateway).chargePayment({ ...payment, customerActs: false })),
    ).toMatchObject({ kind: 'declined' });
    const { refundId } = await run(() => activities(gateway).undoPayment(payment));

    expect(refundId).not.toBeNull();
    expect(await readPayment(database.pool, payment.paymentId)).toMatchObject({
      state: 'CAPTURED',
      captureId: 'late',
    });
  });
});

describe('undoing a payment whose authorization was answered with another amount', () => {
  const authorize = () => Promise.reject(new GatewayMismatchError('another amount'));

  it('voids what the gateway holds of it', async () => {
    const { gateway, asked } = scripted({ authorize, find: () => Promise.resolve([known]), void: voided });
    const payment = await ids('mismatch');
    const charge = run(() => activities(gateway).chargePayment({ ...payment, customerActs: false }));
    await expect(charge).rejects.toMatchObject({ code: 'gateway_mismatch' });

    expect(await run(() => activities(gateway).undoPayment(payment))).toEqual({ refundId: null });

    expect(asked).toEqual(['authorize', 'authorize', 'find', 'void']);
    expect(await readPayment(database.pool, payment.paymentId)).toMatchObject({ state: 'VOIDED' });
  });

  it('is left to an operator when nothing can be found', async () => {
    const { gateway } = scripted({ authorize, find: () => Promise.resolve([]) });
    const payment = await ids('mismatch of nothing');
    const charge = run(() => activities(gateway).chargePayment({ ...payment, customerActs: false }));
    await expect(charge).rejects.toMatchObject({ code: 'gateway_mismatch' });

    const undo = run(() => activities(gateway).undoPayment(payment));

    await expect(undo).rejects.toMatchObject({ code: 'gateway_mismatch' });
  });
});

describe('an idempotency key that is older than twenty hours', () => {
  const tomorrow = () => new Date(Date.now() + 21 * 60 * 60 * 1000);

  it('is looked up before anything is sent under a new one', async () => {
    const { gateway, asked } = scripted({
      find: () => Promise.resolve([{ ...known, status: 'captured', captureId: 'cap' }]),
    });
    const payment = await ids('old');

    expect(
      await run(() => activities(gateway, tomorrow).chargePayment({ ...payment, customerActs: false })),
    ).toEqual({
      kind: 'captured',
    });
    expect(asked).toEqual(['find']);
  });
});
