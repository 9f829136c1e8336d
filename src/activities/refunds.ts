import type { Pool } from '../database/pool';
import {
  failRefund,
  parkRefund,
  raiseRefundKey,
  readRefund,
  retryRefund,
  settleRefund,
  type Refund,
} from '../database/refunds';
import { isKeyTooOld, refundKey } from '../domain/payments';
import { GatewayMismatchError, GatewayUnavailableError } from '../errors';
import type { PaymentGateway, RefundResult } from '../gateways/payments';
import { withHeartbeat } from './heartbeat';

/** `refused`: an operator must decide. `failed`: one gave it up. */
export type RefundOutcome = { kind: 'refunded' } | { kind: 'refused'; code: string } | { kind: 'failed' };

export interface RefundActivities {
  /**
   * Gives the money back and settles it. Idempotent by refund id. A refusal for good is parked.
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown
   */
  refundPayment(input: { refundId: string }): Promise<RefundOutcome>;
  /** An operator wants a parked refund tried again, under a new key. Idempotent. */
  retryRefund(input: { refundId: string }): Promise<void>;
  /** An operator gives a parked refund up. Idempotent. @returns DONE when the gateway made it after all */
  failRefund(input: { refundId: string }): Promise<{ state: 'DONE' | 'FAILED' }>;
}

interface RefundDeps {
  pool: Pool;
  gateway: PaymentGateway;
  now: () => Date;
}

export function createRefundActivities(deps: RefundDeps): RefundActivities {
  const { pool } = deps;
  return {
    refundPayment: ({ refundId }) => withHeartbeat(() => refundPayment(deps, refundId)),
    retryRefund: ({ refundId }) => retryRefund(pool, refundId),
    async failRefund({ refundId }) {
      return { state: (await failRefund(pool, refundId)) === 'DONE' ? 'DONE' : 'FAILED' };
    },
  };
}

async function refundPayment(deps: RefundDeps, refundId: string): Promise<RefundOutcome> {
  const { pool, gateway } = deps;
  const refund = await readRefund(pool, refundId);
  if (refund === null) throw new RangeError('the refund does not exist');
  const { state, captureId, amountMinor, currency, errorCode } = refund;
  if (state === 'DONE') return { kind: 'refunded' };
  if (state === 'FAILED') return { kind: 'failed' };
  if (state === 'PARKED') return { kind: 'refused', code: errorCode ?? 'refund_refused' };
  // A later key follows an answer that was none, or a no; it may have been made all the same.
  if (refund.keyNumber > 1 && (await adopt(deps, refund))) return { kind: 'refunded' };
  if (isKeyTooOld(refund.keyAt, deps.now()))
    return adoptOrRaise(deps, refund, 'The key of this refund is too old; it is tried under a new one.');

  const idempotencyKey = refundKey(refundId, refund.keyNumber);
  const asked = { idempotencyKey, refundId, captureId, amountMinor, currency };
  const result = await gateway.refund(asked).catch(mismatchAsRefusal);
  switch (result.kind) {
    case 'refunded':
      await settle(deps, refundId, result.gatewayRefundId);
      return { kind: 'refunded' };
    case 'refused':
      await parkRefund(pool, { refundId, code: result.code });
      return { kind: 'refused', code: result.code };
    case 'stored_error':
      return adoptOrRaise(
        deps,
        refund,
        'The gateway stored an error for this refund; it is tried under a new key.',
      );
  }
}

/** A refund whose key is burnt or forgotten may have happened all the same: the gateway's own list counts. */
async function adoptOrRaise(deps: RefundDeps, refund: Refund, message: string): Promise<RefundOutcome> {
  if (await adopt(deps, refund)) return { kind: 'refunded' };
  await raiseRefundKey(deps.pool, refund);
  throw new GatewayUnavailableError(message);
}

/** @returns false when the gateway knows nothing of it */
async function adopt(deps: RefundDeps, { refundId, paymentId }: Refund): Promise<boolean> {
  const known = await deps.gateway.find({ paymentId });
  const made = known.flatMap((one) => one.refunds).find((one) => one.refundId === refundId);
  if (made === undefined) return false;
  await settle(deps, refundId, made.gatewayRefundId);
  return true;
}

async function settle(deps: RefundDeps, refundId: string, gatewayRefundId: string): Promise<void> {
  await settleRefund(deps.pool, { refundId, gatewayRefundId, at: deps.now().toISOString() });
}

/** An answer that contradicts the request is no refund that anybody can rely on: an operator must look. */
function mismatchAsRefusal(error: unknown): RefundResult {
  if (error instanceof GatewayMismatchError) return { kind: 'refused', code: error.code };
  throw error;
}
