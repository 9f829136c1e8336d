import { isKeyTooOld, PAYMENT_KEYS_MAX, paymentKey, refundKey } from '../domain/payments';
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
import {
  parkRefund,
  raiseRefundKey,
  readRefund,
  requestUndo,
  retryRefund,
  settleRefund,
  type Refund,
} from '../database/refunds';
import { GatewayMismatchError, GatewayUnavailableError } from '../errors';
import type { PaymentGateway, RefundResult } from '../gateways/payments';
import { withHeartbeat } from './heartbeat';

export type ChargeOutcome = { kind: 'captured' } | { kind: 'declined'; code: string };
export type RefundOutcome = { kind: 'refunded' } | { kind: 'refused'; code: string };

export interface PaymentActivities {
  /**
   * Authorizes and captures. Idempotent: the intent is a row before the first call, the gateway's keys follow from it.
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown; GatewayMismatchError (not retryable)
   */
  chargePayment(input: { orderId: string; paymentId: string }): Promise<ChargeOutcome>;
  /**
   * Makes a payment's outcome definite and takes it back: voided, or captured and then to be refunded. Idempotent; safe
   * when nothing was ever sent.
   * @returns the refund to carry out, or null when no money moved
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown
   */
  undoPayment(input: { orderId: string; paymentId: string }): Promise<{ refundId: string | null }>;
  /** Gives the money back and settles it. Idempotent by refund id. A refusal for good is parked. */
  refundPayment(input: { refundId: string }): Promise<RefundOutcome>;
  /** An operator wants a parked refund tried again, under a new key. Idempotent. */
  retryRefund(input: { refundId: string }): Promise<void>;
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
        // Nobody is there to act in a charge: the customer has had the answer. Take the authorization back.
        return afterVoid(payment, result.authorizationId, {
          state: 'DECLINED',
          errorCode: 'requires_action',
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
    if (live !== undefined && payment.state === 'INTENDED') {
      return recordPayment(pool, payment, { state: 'AUTHORIZED', authorizationId: live.authorizationId });
    }
    if (payment.keyNumber >= PAYMENT_KEYS_MAX) {
      return recordPayment(pool, payment, { state: 'FAILED', errorCode: 'gateway_error' });
    }
    return raisePaymentKey(pool, payment);
  }

  async function capture(payment: Payment): Promise<Payment> {
    if (payment.state !== 'AUTHORIZED') return payment;
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

  /** A refund whose key is burnt may have happened all the same: the gateway's own list counts. */
  async function adoptRefund(refund: Refund): Promise<boolean> {
    const known = await gateway.find({ paymentId: refund.paymentId });
    const made = known.flatMap((one) => one.refunds).find((one) => one.refundId === refund.refundId);
    if (made === undefined) return false;
    await settleRefund(pool, {
      refundId: refund.refundId,
      gatewayRefundId: made.gatewayRefundId,
      at: deps.now().toISOString(),
    });
    return true;
  }

  /**
   * After this nothing more can happen to the payment at the gateway but a refund. An authorization is voided whatever is
   * believed of its capture: "refused" and "failed" are what we heard, and a late capture is money that moved.
   */
  async function makeDefinite(payment: Payment): Promise<Payment> {
    const known = await authorize(payment);
    if (known.authorizationId === null || known.state === 'CAPTURED' || known.state === 'VOIDED')
      return known;
    return afterVoid(known, known.authorizationId, { state: 'VOIDED' });
  }

  return {
    chargePayment: ({ orderId, paymentId }) =>
      withHeartbeat(async () => {
        if (!(await intendPayment(pool, { orderId, paymentId })))
          return { kind: 'declined', code: 'cancelled' };
        const payment = await capture(await authorize(await readPayment(pool, paymentId)));
        if (payment.state === 'CAPTURED') return { kind: 'captured' };
        return { kind: 'declined', code: payment.errorCode ?? payment.state.toLowerCase() };
      }),

    undoPayment: ({ orderId, paymentId }) =>
      withHeartbeat(async () => {
        if (!(await fencePayment(pool, { orderId, paymentId }))) return { refundId: null };
        const payment = await makeDefinite(await readPayment(pool, paymentId));
        return {
          refundId: payment.state === 'CAPTURED' ? await requestUndo(pool, { orderId, paymentId }) : null,
        };
      }),

    refundPayment: ({ refundId }) =>
      withHeartbeat(async () => {
        const refund = await readRefund(pool, refundId);
        if (refund === null) throw new RangeError('the refund does not exist');
        if (refund.state === 'DONE') return { kind: 'refunded' };
        if (refund.state === 'PARKED') return { kind: 'refused', code: refund.errorCode ?? 'refund_refused' };
        if (isKeyTooOld(refund.keyAt, deps.now())) {
          if (await adoptRefund(refund)) return { kind: 'refunded' };
          await raiseRefundKey(pool, refund);
          throw new GatewayUnavailableError(
            'The key of this refund is too old; it is tried under a new one.',
          );
        }
        const { captureId, amountMinor, currency } = refund;
        const idempotencyKey = refundKey(refundId, refund.keyNumber);
        const asked = { idempotencyKey, refundId, captureId, amountMinor, currency };
        const result = await gateway.refund(asked).catch(mismatchAsRefusal);
        switch (result.kind) {
          case 'refunded':
            await settleRefund(pool, {
              refundId,
              gatewayRefundId: result.gatewayRefundId,
              at: deps.now().toISOString(),
            });
            return { kind: 'refunded' };
          case 'refused':
            await parkRefund(pool, { refundId, code: result.code });
            return { kind: 'refused', code: result.code };
          case 'stored_error':
            if (await adoptRefund(refund)) return { kind: 'refunded' };
            await raiseRefundKey(pool, refund);
            throw new GatewayUnavailableError(
              'The gateway stored an error for this refund; it is tried under a new key.',
            );
        }
      }),

    retryRefund: ({ refundId }) => retryRefund(pool, refundId),
  };
}

/** An answer that contradicts the request is no refund that anybody can rely on: an operator must look. */
function mismatchAsRefusal(error: unknown): RefundResult {
  if (error instanceof GatewayMismatchError) return { kind: 'refused', code: error.code };
  throw error;
}
