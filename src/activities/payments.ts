import { isKeyTooOld, PAYMENT_KEYS_MAX, paymentKey } from '../domain/payments';
import { announceDecline } from '../database/payment-requests';
import {
  fencePayment,
  intendPayment,
  raisePaymentKey,
  readPayment,
  recordPayment,
  type Payment,
  type PaymentChange,
} from '../database/payments';
import type { Pool } from '../database/pool';
import { requestUndo } from '../database/refunds';
import { GatewayMismatchError } from '../errors';
import type { PaymentGateway } from '../gateways/payments';
import { withHeartbeat } from './heartbeat';

/** `requires_action`: the customer has to confirm it first; a webhook tells when, and the next charge looks. */
export type ChargeOutcome =
  { kind: 'captured' } | { kind: 'declined'; code: string } | { kind: 'requires_action' };

export interface PaymentActivities {
  /**
   * Authorizes and captures. Idempotent: the intent is a row before the first call, the gateway's keys follow from it.
   * A payment that waits for its customer is looked up.
   * @param input.customerActs - whether anybody is there to confirm it; otherwise a payment that needs it is declined
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown; GatewayMismatchError (not retryable)
   */
  chargePayment(input: { orderId: string; paymentId: string; customerActs: boolean }): Promise<ChargeOutcome>;
  /** Tells the customer of an order that goes on waiting that a payment came to nothing. Idempotent. */
  announceDecline(input: { orderId: string; epoch: number; paymentId: string; code: string }): Promise<void>;
  /**
   * Makes a payment's outcome definite and takes it back: voided, or captured and then to be refunded. Idempotent; safe
   * when nothing was ever sent.
   * @returns the refund to carry out, or null when no money moved
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown
   */
  undoPayment(input: { orderId: string; paymentId: string }): Promise<{ refundId: string | null }>;
}

export function createPaymentActivities(deps: {
  pool: Pool;
  gateway: PaymentGateway;
  now: () => Date;
}): PaymentActivities {
  const { pool, gateway } = deps;

  /** Brings the payment to an authorization, or to a definite failure. */
  async function authorize(payment: Payment): Promise<Payment> {
    if (payment.state !== 'INTENDED') return payment;
    if (isKeyTooOld(payment.keyAt, deps.now())) return authorize(await withoutKey(payment));
    const result = await gateway.authorize({
      idempotencyKey: paymentKey(payment.paymentId, payment.keyNumber, 'authorize'),
      paymentId: payment.paymentId,
      orderId: payment.orderId,
      amountMinor: payment.amountMinor,
      currency: payment.currency,
      method: payment.method,
    });
    switch (result.kind) {
      case 'authorized':
        return recordPayment(pool, payment, { state: 'AUTHORIZED', authorizationId: result.authorizationId });
      case 'declined':
        return recordPayment(pool, payment, { state: 'DECLINED', errorCode: result.code });
      case 'requires_action':
        return recordPayment(pool, payment, {
          state: 'REQUIRES_ACTION',
          authorizationId: result.authorizationId,
          actionUrl: result.actionUrl,
        });
      case 'stored_error':
        return authorize(await withoutKey(payment));
    }
  }

  /** The key is burnt or forgotten. What is known at the gateway counts; only when it knows nothing is a new key used. */
  async function withoutKey(payment: Payment): Promise<Payment> {
    const known = await gateway.find({ paymentId: payment.paymentId });
    const live = known.find((one) => one.status === 'authorized' || one.status === 'captured');
    if (live?.status === 'captured' && live.captureId !== null) {
      const { authorizationId, captureId } = live;
      return recordPayment(pool, payment, { state: 'CAPTURED', authorizationId, captureId });
    }
    const waiting = known.find((one) => one.status === 'requires_action');
    if (live === undefined && waiting !== undefined && payment.state === 'INTENDED') {
      const { authorizationId } = waiting;
      return recordPayment(pool, payment, { state: 'REQUIRES_ACTION', authorizationId });
    }
    if (live !== undefined && payment.state === 'INTENDED') {
      return recordPayment(pool, payment, { state: 'AUTHORIZED', authorizationId: live.authorizationId });
    }
    if (payment.keyNumber >= PAYMENT_KEYS_MAX) {
      return recordPayment(pool, payment, { state: 'FAILED', errorCode: 'gateway_error' });
    }
    return raisePaymentKey(pool, payment);
  }

  async function capture(payment: Payment): Promise<Payment> {
    // An undo that came meanwhile has the last word.
    if (payment.state !== 'AUTHORIZED' || payment.undoneAt !== null) return payment;
    if (isKeyTooOld(payment.keyAt, deps.now())) return capture(await withoutKey(payment));
    const result = await gateway.capture({
      idempotencyKey: paymentKey(payment.paymentId, payment.keyNumber, 'capture'),
      authorizationId: payment.authorizationId!,
      amountMinor: payment.amountMinor,
      currency: payment.currency,
    });
    switch (result.kind) {
      case 'captured':
        return recordPayment(pool, payment, { state: 'CAPTURED', captureId: result.captureId });
      case 'refused':
        return recordPayment(pool, payment, { state: 'DECLINED', errorCode: result.code });
      case 'stored_error':
        return capture(await withoutKey(payment));
    }
  }

  /** Voids an authorization and stores what that proved: it is gone, or it was captured before. */
  async function afterVoid(payment: Payment, authorizationId: string, gone: PaymentChange): Promise<Payment> {
    const idempotencyKey = paymentKey(payment.paymentId, payment.keyNumber, 'void');
    const result = await gateway.void({ idempotencyKey, authorizationId });
    if (result.kind === 'voided') return recordPayment(pool, payment, { ...gone, authorizationId });
    return recordPayment(pool, payment, { state: 'CAPTURED', authorizationId, captureId: result.captureId });
  }

  /** The customer confirmed it, refused it, or did neither yet: the gateway knows, whether its webhook came or not. */
  async function afterAction(payment: Payment): Promise<Payment> {
    if (payment.state !== 'REQUIRES_ACTION') return payment;
    const known = await gateway.find({ paymentId: payment.paymentId });
    const one = known.find(({ authorizationId }) => authorizationId === payment.authorizationId);
    switch (one?.status) {
      case 'authorized':
        return recordPayment(pool, payment, { state: 'AUTHORIZED' });
      case 'captured':
        return recordPayment(pool, payment, { state: 'CAPTURED', captureId: one.captureId ?? undefined });
      case 'declined':
      case 'voided':
        return recordPayment(pool, payment, { state: 'DECLINED', errorCode: `action_${one.status}` });
      default:
        return payment;
    }
  }

  /** Nobody is there to act in a charge: the customer has had the answer. Takes the authorization back. */
  async function withoutCustomer(payment: Payment): Promise<Payment> {
    if (payment.state !== 'REQUIRES_ACTION') return payment;
    const declined = { state: 'DECLINED', errorCode: 'requires_action' } as const;
    return afterVoid(payment, payment.authorizationId!, declined);
  }

  /** The answer was about something else, and always will be: what the gateway holds is looked up, to be taken back. */
  async function afterMismatch(payment: Payment, error: unknown): Promise<Payment> {
    if (!(error instanceof GatewayMismatchError)) throw error;
    const known = await gateway.find({ paymentId: payment.paymentId });
    const live = known.find(({ status }) => status === 'authorized' || status === 'requires_action');
    if (live === undefined) throw error;
    return recordPayment(pool, payment, { state: 'AUTHORIZED', authorizationId: live.authorizationId });
  }

  /**
   * After this nothing more can happen to the payment at the gateway but a refund. An authorization is voided whatever is
   * believed of its capture: "refused" and "failed" are what we heard, and a late capture is money that moved.
   */
  async function makeDefinite(payment: Payment): Promise<Payment> {
    const known = await authorize(payment).catch((error: unknown) => afterMismatch(payment, error));
    if (known.authorizationId === null || known.state === 'CAPTURED' || known.state === 'VOIDED')
      return known;
    return afterVoid(known, known.authorizationId, { state: 'VOIDED' });
  }

  return {
    announceDecline: (step) => announceDecline(pool, { ...step, at: deps.now().toISOString() }),

    chargePayment: ({ orderId, paymentId, customerActs }) =>
      withHeartbeat(async () => {
        if (!(await intendPayment(pool, { orderId, paymentId })))
          return { kind: 'declined', code: 'cancelled' };
        const known = await readPayment(pool, paymentId);
        if (known.undoneAt !== null) return outcomeOf(known);
        const asked = await authorize(await afterAction(known));
        return outcomeOf(await capture(customerActs ? asked : await withoutCustomer(asked)));
      }),

    undoPayment: ({ orderId, paymentId }) =>
      withHeartbeat(async () => {
        if (!(await fencePayment(pool, { orderId, paymentId }))) return { refundId: null };
        const payment = await makeDefinite(await readPayment(pool, paymentId));
        return {
          refundId: payment.state === 'CAPTURED' ? await requestUndo(pool, { orderId, paymentId }) : null,
        };
      }),
  };
}

/** One that is to be taken back pays for nothing, whatever became of it at the gateway. */
function outcomeOf({ state, undoneAt, errorCode }: Payment): ChargeOutcome {
  if (undoneAt !== null) return { kind: 'declined', code: errorCode ?? 'undone' };
  if (state === 'CAPTURED') return { kind: 'captured' };
  if (state === 'REQUIRES_ACTION') return { kind: 'requires_action' };
  return { kind: 'declined', code: errorCode ?? state.toLowerCase() };
}
