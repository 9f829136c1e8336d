import { createPaymentActivities, type PaymentActivities } from '../../src/activities/payments';
import { createRefundActivities } from '../../src/activities/refunds';
import { recordPaymentReport } from '../../src/database/participant-reports';
import { requestPayment } from '../../src/database/payment-requests';
import { readPayment } from '../../src/database/payments';
import { requestUndo } from '../../src/database/refunds';
import { uuidV5 } from '../../src/database/ids';
import {
  createSimulatedPaymentGateway,
  type SimulatedPaymentGateway,
} from '../../src/gateways/simulated-payments';
import { paymentReport, printedDraws, waitingOrder } from '../database/order-fixtures';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { patiently, run } from './patience';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const NOW = (): Date => new Date();
const TOMORROW = (): Date => new Date(Date.now() + 21 * 60 * 60 * 1_000);
const activities = (gateway: SimulatedPaymentGateway, now = NOW): PaymentActivities =>
  createPaymentActivities({ pool: database.pool, gateway, now });

/** A payment of 20.00 EUR that was asked for, of an order that waits for it. */
async function asked(name: string, method = 'tok_visa') {
  const orderId = await waitingOrder(database.pool, name);
  const paymentId = uuidV5(orderId, 'key');
  await requestPayment(database.pool, { paymentId, orderId, method, fingerprint: name });
  return { orderId, paymentId };
}

const paymentOf = (paymentId: string) => readPayment(database.pool, paymentId);
const typesOf = (gateway: SimulatedPaymentGateway): string[] => gateway.facts().map(({ type }) => type);

describe('a payment that its customer must confirm', () => {
  async function acting(name: string) {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked(name, 'tok_requires_action');
    const charge = (): ReturnType<PaymentActivities['chargePayment']> =>
      run(() => activities(gateway).chargePayment({ ...payment, customerActs: true }));
    expect(await charge()).toEqual({ kind: 'requires_action' });
    const { authorizationId } = await paymentOf(payment.paymentId);
    return { gateway, payment, charge, authorizationId: authorizationId! };
  }

  it('waits as long as nobody acts, and asks for no second one', async () => {
    const { gateway, payment, charge } = await acting('nobody acts');

    expect([await charge(), await charge()]).toEqual([
      { kind: 'requires_action' },
      { kind: 'requires_action' },
    ]);

    expect(await paymentOf(payment.paymentId)).toMatchObject({ state: 'REQUIRES_ACTION' });
    expect(typesOf(gateway)).toEqual(['requires_action']);
  });

  it('is captured once its webhook has come', async () => {
    const { gateway, payment, charge, authorizationId } = await acting('webhook came');
    gateway.act(authorizationId, true);
    await recordPaymentReport(
      database.pool,
      paymentReport(payment, { change: 'AUTHORIZED', authorizationId }),
    );

    expect(await charge()).toEqual({ kind: 'captured' });

    expect(typesOf(gateway)).toEqual(['requires_action', 'action_completed', 'captured']);
  });

  it('is captured though its webhook was lost: the gateway is asked', async () => {
    const { gateway, payment, charge, authorizationId } = await acting('webhook lost');
    gateway.act(authorizationId, true);
    gateway.faults.plan('lost_before', 'find');

    await expect(charge()).rejects.toMatchObject({ retryable: true });
    expect(await charge()).toEqual({ kind: 'captured' });

    expect(await paymentOf(payment.paymentId)).toMatchObject({ capturedMinor: 2000, actionUrl: null });
  });

  it('is declined when the customer fails', async () => {
    const { gateway, payment, charge, authorizationId } = await acting('customer fails');
    gateway.act(authorizationId, false);

    expect(await charge()).toEqual({ kind: 'declined', code: 'action_declined' });

    expect(await paymentOf(payment.paymentId)).toMatchObject({ state: 'DECLINED' });
  });

  it('is voided when nobody is there to act', async () => {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked('nobody there', 'tok_requires_action');

    const outcome = await run(() => activities(gateway).chargePayment({ ...payment, customerActs: false }));

    expect(outcome).toEqual({ kind: 'declined', code: 'requires_action' });
    expect(typesOf(gateway)).toEqual(['requires_action', 'voided']);
  });

  it('is voided by an undo, and what the customer does afterwards is nothing', async () => {
    const { gateway, payment, charge, authorizationId } = await acting('undone');

    expect(await run(() => activities(gateway).undoPayment(payment))).toEqual({ refundId: null });

    expect(gateway.act(authorizationId, true)).toBe(false);
    expect(await charge()).toMatchObject({ kind: 'declined' });
    expect(typesOf(gateway)).toEqual(['requires_action', 'voided']);
  });
});

describe('a key that is burnt or forgotten', () => {
  it('is looked up after a stored error, and the next one charges', async () => {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked('stored before');
    gateway.faults.plan('stored_before', 'authorize');

    expect(
      await patiently(() => activities(gateway).chargePayment({ ...payment, customerActs: true })),
    ).toEqual({ kind: 'captured' });

    expect(await paymentOf(payment.paymentId)).toMatchObject({ keyNumber: 2 });
    expect(typesOf(gateway)).toEqual(['authorized', 'captured']);
  });

  it.each(['authorize', 'capture'])('takes what a stored error of %s had done', async (operation) => {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked(`stored after ${operation}`);
    gateway.faults.plan('stored_after', operation);

    expect(
      await patiently(() => activities(gateway).chargePayment({ ...payment, customerActs: true })),
    ).toEqual({ kind: 'captured' });

    expect(await paymentOf(payment.paymentId)).toMatchObject({ keyNumber: 1, capturedMinor: 2000 });
    expect(typesOf(gateway)).toEqual(['authorized', 'captured']);
  });

  it('is given up after three stored errors', async () => {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked('always stored', 'tok_error');

    expect(
      await patiently(() => activities(gateway).chargePayment({ ...payment, customerActs: true })),
    ).toEqual({ kind: 'declined', code: 'gateway_error' });

    expect(await paymentOf(payment.paymentId)).toMatchObject({ state: 'FAILED', keyNumber: 3 });
  });

  it('charges no second time when the gateway has forgotten it', async () => {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked('forgotten');
    gateway.faults.plan('lost_after', 'capture');
    const charge = (now: () => Date): Promise<unknown> =>
      patiently(() => activities(gateway, now).chargePayment({ ...payment, customerActs: true }));
    await run(() => activities(gateway).chargePayment({ ...payment, customerActs: true })).catch(
      () => undefined,
    );
    gateway.forgetKeys();

    expect(await charge(TOMORROW)).toEqual({ kind: 'captured' });

    expect(typesOf(gateway)).toEqual(['authorized', 'captured']);
  });
});

describe('a payment that is to be taken back', () => {
  it('is never captured any more, wherever a charge stands', async () => {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked('taken back');
    await recordPaymentReport(database.pool, paymentReport(payment, { change: 'AUTHORIZED' }));
    await requestUndo(database.pool, payment);

    const outcome = await run(() => activities(gateway).chargePayment({ ...payment, customerActs: true }));

    expect(outcome).toEqual({ kind: 'declined', code: 'undone' });
    expect(gateway.facts()).toEqual([]);
  });

  it('pays for nothing though it was captured', async () => {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked('captured late');
    await recordPaymentReport(
      database.pool,
      paymentReport(payment, { change: 'DECLINED', code: 'card_declined' }),
    );
    await recordPaymentReport(database.pool, paymentReport(payment));

    const outcome = await run(() => activities(gateway).chargePayment({ ...payment, customerActs: true }));

    expect(outcome).toEqual({ kind: 'declined', code: 'card_declined' });
  });

  it('goes back when its capture hung and was carried out in the end', async () => {
    const gateway = createSimulatedPaymentGateway();
    const payment = await asked('late success');
    gateway.faults.plan('lost_after', 'capture');
    await run(() => activities(gateway).chargePayment({ ...payment, customerActs: true })).catch(
      () => undefined,
    );

    const { refundId } = await patiently(() => activities(gateway).undoPayment(payment));

    expect(refundId).not.toBeNull();
    const refunds = createRefundActivities({ pool: database.pool, gateway, now: NOW });
    await patiently(() => refunds.refundPayment({ refundId: refundId! }));
    expect(typesOf(gateway)).toEqual(['authorized', 'captured', 'refunded']);
    expect(await paymentOf(payment.paymentId)).toMatchObject({ capturedMinor: 2000, refundedMinor: 2000 });
  });
});

it('ends with net money exact for many payments, whatever the gateway does', async () => {
  const draw = printedDraws('payments taken and taken back');
  const gateway = createSimulatedPaymentGateway({
    seed: Math.floor(draw() * 2 ** 31),
    faults: { lost_before: 0.12, lost_after: 0.12, late: 0.06, stored_before: 0.06, stored_after: 0.06 },
    declineRate: 0.2,
  });
  const charges = activities(gateway);
  const refunds = createRefundActivities({ pool: database.pool, gateway, now: NOW });
  const payments = await Promise.all(Array.from({ length: 40 }, (_, n) => asked(`net ${n}`)));
  const undone = new Set<string>();

  await Promise.all(
    payments.map(async (payment) => {
      const isUndone = draw() < 0.5;
      const charge = patiently(() => charges.chargePayment({ ...payment, customerActs: true }));
      if (!isUndone || draw() < 0.5) await charge;
      if (isUndone) {
        undone.add(payment.paymentId);
        const { refundId } = await patiently(() => charges.undoPayment(payment));
        if (refundId !== null) await patiently(() => refunds.refundPayment({ refundId }));
      }
      await charge;
    }),
  );

  let kept = 0;
  for (const { paymentId } of payments) {
    const facts = gateway.facts().filter((fact) => fact['paymentId'] === paymentId);
    const sum = (type: string): number =>
      facts
        .filter((fact) => fact.type === type)
        .reduce((total, fact) => total + Number(fact['amountMinor']), 0);
    const net = sum('captured') - sum('refunded');
    const { state, capturedMinor, refundedMinor } = await paymentOf(paymentId);
    expect(facts.filter(({ type }) => type === 'captured').length).toBeLessThanOrEqual(1);
    expect(net).toBe(capturedMinor - refundedMinor);
    expect(net).toBe(undone.has(paymentId) || state !== 'CAPTURED' ? 0 : 2000);
    kept += net;
  }
  expect(kept).toBeGreaterThan(0);
  expect(gateway.faults.fired.size).toBeGreaterThanOrEqual(4);
});
