import { MockActivityEnvironment } from '@temporalio/testing';
import { createRefundActivities, type RefundActivities } from '../../src/activities/refunds';
import { readRefund, requestRefund } from '../../src/database/refunds';
import { GatewayMismatchError, GatewayUnavailableError } from '../../src/errors';
import type { Authorization, PaymentGateway } from '../../src/gateways/payments';
import { paidOrder, refundOf } from '../database/refund-fixtures';
import { createTestDatabase, type TestDatabase } from '../support/database';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

type Answers = Partial<Pick<PaymentGateway, 'refund' | 'find'>>;

/** A gateway that answers as told, and remembers the keys that it was asked with. */
function scripted(answers: Answers): { gateway: PaymentGateway; keys: string[] } {
  const keys: string[] = [];
  const nobody = (): Promise<never> => Promise.reject(new Error('nobody expected this call'));
  const gateway: PaymentGateway = {
    ...({ authorize: nobody, capture: nobody, void: nobody } as unknown as PaymentGateway),
    find: answers.find ?? nobody,
    refund: (request) => {
      keys.push(request.idempotencyKey);
      return (answers.refund ?? nobody)(request);
    },
  };
  return { gateway, keys };
}

const refunded = () => Promise.resolve({ kind: 'refunded', gatewayRefundId: 'g-1' } as const);
const refused = () => Promise.resolve({ kind: 'refused', code: 'refund_refused' } as const);
const storedError = () => Promise.resolve({ kind: 'stored_error', code: 'http_500' } as const);
/** The gateway's own list, with these refunds of the payment. */
const knows =
  (...refundIds: string[]) =>
  (): Promise<Authorization[]> =>
    Promise.resolve([
      {
        authorizationId: 'auth',
        status: 'captured',
        amountMinor: 2000,
        currency: 'EUR',
        captureId: 'cap',
        refunds: refundIds.map((refundId) => ({ refundId, gatewayRefundId: 'g-known', amountMinor: 500 })),
      },
    ]);
const tomorrow = () => new Date(Date.now() + 21 * 60 * 60 * 1000);

function activities(gateway: PaymentGateway, now = () => new Date()): RefundActivities {
  return createRefundActivities({ pool: database.pool, gateway, now });
}

/** Runs an activity where it can heartbeat. */
function run<T>(work: () => Promise<T>): Promise<T> {
  return new MockActivityEnvironment().run(work);
}

async function pending(name: string): Promise<{ refundId: string }> {
  const orderId = await paidOrder(database.pool, name);
  const { refund } = await requestRefund(database.pool, refundOf(orderId, 'r', { amountMinor: 500 }));
  return { refundId: refund.refundId };
}

const read = ({ refundId }: { refundId: string }) => readRefund(database.pool, refundId);

describe('making a refund', () => {
  it('sends it once under its key and settles it; a repeat asks nobody', async () => {
    const { gateway, keys } = scripted({ refund: refunded });
    const refund = await pending('made');

    expect(await run(() => activities(gateway).refundPayment(refund))).toEqual({ kind: 'refunded' });
    expect(await run(() => activities(gateway).refundPayment(refund))).toEqual({ kind: 'refunded' });

    expect(keys).toEqual([`refund:${refund.refundId}:1`]);
    expect(await read(refund)).toMatchObject({ state: 'DONE' });
  });

  it('repeats an unknown outcome with the same key', async () => {
    const lost = () => Promise.reject(new GatewayUnavailableError('no answer'));
    const { gateway, keys } = scripted({ refund: lost });
    const refund = await pending('lost');

    for (let n = 0; n < 2; n += 1)
      await expect(run(() => activities(gateway).refundPayment(refund))).rejects.toMatchObject({
        code: 'gateway_unavailable',
      });

    expect(new Set(keys).size).toBe(1);
    expect(await read(refund)).toMatchObject({ state: 'PENDING' });
  });

  it.each([
    ['a refusal', refused, 'refund_refused'],
    [
      'an answer about another amount',
      () => Promise.reject(new GatewayMismatchError('another amount')),
      'gateway_mismatch',
    ],
  ])('leaves %s to an operator, and asks the gateway no more', async (what, refund, code) => {
    const { gateway, keys } = scripted({ refund });
    const asked = await pending(what);

    for (let n = 0; n < 2; n += 1)
      expect(await run(() => activities(gateway).refundPayment(asked))).toEqual({ kind: 'refused', code });

    expect(keys).toHaveLength(1);
    expect(await read(asked)).toMatchObject({ state: 'PARKED', errorCode: code });
  });

  it('takes a new key after a stored error, unless the gateway knows the refund', async () => {
    const refund = await pending('stored');
    const unknown = scripted({ refund: storedError, find: knows() });
    await expect(run(() => activities(unknown.gateway).refundPayment(refund))).rejects.toMatchObject({
      code: 'gateway_unavailable',
    });
    const known = scripted({ refund: storedError, find: knows(refund.refundId) });

    expect(await run(() => activities(known.gateway).refundPayment(refund))).toEqual({ kind: 'refunded' });

    expect(unknown.keys).toEqual([`refund:${refund.refundId}:1`]);
    // The look comes before the new key: it may have been made late.
    expect(known.keys).toEqual([]);
    expect(await read(refund)).toMatchObject({ state: 'DONE' });
  });

  it('looks before an operator has it tried again: an answer about another amount may stand for a refund that was made', async () => {
    const refund = await pending('made after all');
    const mismatch = scripted({ refund: () => Promise.reject(new GatewayMismatchError('another amount')) });
    await run(() => activities(mismatch.gateway).refundPayment(refund));
    await run(() => activities(mismatch.gateway).retryRefund(refund));
    const { gateway, keys } = scripted({ find: knows(refund.refundId), refund: refunded });

    expect(await run(() => activities(gateway).refundPayment(refund))).toEqual({ kind: 'refunded' });

    expect(keys).toEqual([]);
  });

  it('looks a refund up before a key is used that the gateway may have forgotten', async () => {
    const refund = await pending('old');
    const { gateway, keys } = scripted({ find: knows(refund.refundId) });

    expect(await run(() => activities(gateway, tomorrow).refundPayment(refund))).toEqual({
      kind: 'refunded',
    });
    expect(keys).toEqual([]);
  });
});

describe('a parked refund', () => {
  async function parked(name: string): Promise<{ refundId: string }> {
    const refund = await pending(name);
    await run(() => activities(scripted({ refund: refused }).gateway).refundPayment(refund));
    return refund;
  }

  it('is tried again under a new key', async () => {
    const refund = await parked('again');
    const { gateway, keys } = scripted({ refund: refunded, find: knows() });

    await activities(gateway).retryRefund(refund);
    await activities(gateway).retryRefund(refund);

    expect(await run(() => activities(gateway).refundPayment(refund))).toEqual({ kind: 'refunded' });
    expect(keys).toEqual([`refund:${refund.refundId}:2`]);
  });

  it('that is given up is never sent again', async () => {
    const refund = await parked('given up');
    const { gateway, keys } = scripted({});

    for (let n = 0; n < 2; n += 1)
      expect(await activities(gateway).failRefund(refund)).toEqual({ state: 'FAILED' });

    expect(await run(() => activities(gateway).refundPayment(refund))).toEqual({ kind: 'failed' });
    expect(keys).toEqual([]);
  });
});
