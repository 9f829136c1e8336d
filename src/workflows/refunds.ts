import { CancellationScope, setCurrentDetails } from '@temporalio/workflow';
import type { RefundState } from '../domain/payments';
import type { RefundInput } from './messages';
import { untilResolved } from './parked';
import { deliverEvents, failRefund, refundPayment, retryRefund } from './steps';

/** PARKED: an operator said that it was made by other means. FAILED: given up, its amount may be refunded again. */
type RefundEnd = Exclude<RefundState, 'PENDING'>;

/**
 * Gives money back, partly or all of it, and tells of it. `refund/{refundId}`. Cancelling the run changes nothing: money that
 * is owed stays owed, and an operator gives a refund up by a decision.
 */
export async function refundWorkflow(input: RefundInput): Promise<{ state: RefundEnd }> {
  return CancellationScope.nonCancellable(async () => {
    const { refundId, orderId } = input;
    setCurrentDetails(`Refund \`${refundId}\` of order \`${orderId}\`: **pending**`);
    const state = await carryOutRefund(input);
    setCurrentDetails(`Refund \`${refundId}\` of order \`${orderId}\`: **${state.toLowerCase()}**`);
    await deliverEvents({ aggregateId: orderId, handOver: true });
    return { state };
  });
}

/**
 * Brings one refund to its end: done, or left as an operator said. An unknown outcome is repeated with the same key without
 * limit; a refusal for good waits for the operator.
 */
export async function carryOutRefund({ refundId, orderId }: RefundInput): Promise<RefundEnd> {
  for (;;) {
    const step = `refund:${refundId}`;
    const outcome = await refundPayment({ refundId });
    if (outcome.kind === 'refunded') return 'DONE';
    if (outcome.kind === 'failed') return 'FAILED';
    switch (await untilResolved({ orderId, step, reason: outcome.code })) {
      case 'skip':
        return 'PARKED';
      case 'fail':
        return (await failRefund({ refundId })).state;
      case 'retry':
        await retryRefund({ refundId });
    }
  }
}
