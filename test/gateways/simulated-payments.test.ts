import { GatewayUnavailableError } from '../../src/errors';
import {
  createSimulatedPaymentGateway,
  type SimulatedPaymentGateway,
} from '../../src/gateways/simulated-payments';
import { describePaymentGatewayContract } from '../contract/payment-gateway';

describePaymentGatewayContract('simulated', () => {
  const gateway = createSimulatedPaymentGateway();
  return Promise.resolve({
    gateway,
    act: (authorizationId, isApproved) => {
      if (!gateway.act(authorizationId, isApproved)) throw new Error('nothing waits for the customer');
      return Promise.resolve();
    },
    forgetKeys: () => {
      gateway.forgetKeys();
      return Promise.resolve();
    },
    stop: () => Promise.resolve(),
  });
});

const FAULTS = {
  lost_before: 0.15,
  lost_after: 0.15,
  late: 0.1,
  stored_before: 0.1,
  stored_after: 0.1,
} as const;
const MONEY = { amountMinor: 1999, currency: 'EUR' };
const PAYMENTS = 300;

/** Repeats while the outcome is unknown. */
async function settled<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    const result = await call().catch((error: unknown) => {
      if (!(error instanceof GatewayUnavailableError)) throw error;
    });
    if (result !== undefined) return result;
  }
}

/** Charges as the product does: the same key while unknown, a look-up and then a new key after a stored error. */
async function charge(gateway: SimulatedPaymentGateway, paymentId: string): Promise<string> {
  const request = { paymentId, orderId: `ord_${paymentId}`, method: 'tok_visa', ...MONEY };
  for (let n = 1; ; n += 1) {
    const [known] = await settled(() => gateway.find({ paymentId }));
    if (known?.status === 'captured' || known?.status === 'declined') return known.status;
    if (known === undefined) {
      const idempotencyKey = `pay:${paymentId}:${n}:authorize`;
      const result = await settled(() => gateway.authorize({ idempotencyKey, ...request }));
      if (result.kind === 'declined') return 'declined';
      continue;
    }
    const { authorizationId } = known;
    const idempotencyKey = `pay:${paymentId}:${n}:capture`;
    await settled(() => gateway.capture({ idempotencyKey, authorizationId, ...MONEY }));
  }
}

describe('a simulated gateway with seeded faults', () => {
  it.each([1, 2, 3])('has captured what was charged, once each (seed %s)', async (seed) => {
    const gateway = createSimulatedPaymentGateway({ seed, faults: FAULTS, declineRate: 0.3 });
    const outcomes = new Map<string, string>();

    for (let n = 0; n < PAYMENTS; n += 1) outcomes.set(`p${n}`, await charge(gateway, `p${n}`));

    const captured = gateway.facts().filter(({ type }) => type === 'captured');
    const charged = [...outcomes].filter(([, outcome]) => outcome === 'captured').map(([id]) => id);
    expect(captured.map((fact) => fact['paymentId'])).toEqual(charged);
    const declined = PAYMENTS - charged.length;
    expect(declined).toBeGreaterThan(PAYMENTS * 0.2);
    expect(declined).toBeLessThan(PAYMENTS * 0.4);
    for (const kind of Object.keys(FAULTS) as (keyof typeof FAULTS)[]) {
      expect(gateway.faults.fired.get(kind)).toBeGreaterThan(PAYMENTS / 20);
    }
  });

  it('declines a payment every time, whatever key it comes with', async () => {
    const gateway = createSimulatedPaymentGateway({ declineRate: 1 });
    const request = { paymentId: 'p', orderId: 'o', method: 'tok_visa', ...MONEY };

    const results = [
      await gateway.authorize({ idempotencyKey: 'k1', ...request }),
      await gateway.authorize({ idempotencyKey: 'k2', ...request }),
    ];

    expect(results).toEqual(Array(2).fill({ kind: 'declined', code: 'card_declined' }));
  });

  it('carries a late call out only after it was asked for again', async () => {
    const gateway = createSimulatedPaymentGateway();
    gateway.faults.plan('late', 'authorize');
    const request = { idempotencyKey: 'k', paymentId: 'p', orderId: 'o', method: 'tok_visa', ...MONEY };
    const failures: unknown[] = [];
    const ask = () => gateway.authorize(request).catch((error: unknown) => failures.push(error));

    await ask();
    expect(await gateway.find({ paymentId: 'p' })).toEqual([]);
    await ask();
    await ask();
    const found = await gateway.find({ paymentId: 'p' });

    expect(failures).toHaveLength(3);
    expect(await gateway.authorize(request)).toEqual({
      kind: 'authorized',
      authorizationId: found[0]?.authorizationId,
    });
    expect(gateway.facts()).toHaveLength(1);
  });

  it('settles a void whose key is burnt', async () => {
    const gateway = createSimulatedPaymentGateway();
    const authorization = await gateway.authorize({
      idempotencyKey: 'k',
      paymentId: 'p',
      orderId: 'o',
      method: 'tok_visa',
      ...MONEY,
    });
    const authorizationId = 'authorizationId' in authorization ? authorization.authorizationId : '';
    gateway.faults.plan('stored_before', 'void');
    const call = () => gateway.void({ idempotencyKey: 'v', authorizationId });

    await expect(call()).rejects.toBeInstanceOf(GatewayUnavailableError);

    expect(await call()).toEqual({ kind: 'voided' });
    expect(gateway.facts().filter(({ type }) => type === 'voided')).toHaveLength(1);
  });
});
