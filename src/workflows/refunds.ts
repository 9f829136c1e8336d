import { setCurrentDetails } from '@temporalio/workflow';
import type { RefundInput } from './messages';
import { untilResolved } from './parked';
import { deliverEvents, refundPayment, retryRefund } from './steps';

/** Gives money back, partly or all of it, and tells of it. `refund/{refundId}`. */
export async function refundWorkflow({
  refundId,
  orderId,
}: RefundInput): Promise<{ state: 'DONE' | 'PARKED' }> {
  setCurrentDetails(`Refund \`${refundId}\` of order \`${orderId}\`: **pending**`);
  const state = await carryOutRefund({ refundId, orderId });
  setCurrentDetails(`Refund \`${refundId}\` of order \`${orderId}\`: **${state.toLowerCase()}**`);
  await deliverEvents({ aggregateId: orderId, handOver: true });
  return { state };
}

/**
 * Brings one refund to its end: done, or left parked because an operator said so. An unknown outcome is repeated with the
 * same key without limit; a refusal for good waits for the operator.
 */
export async function carryOutRefund({ refundId, orderId }: RefundInput): Promise<'DONE' | 'PARKED'> {
  for (;;) {
    const step = `refund:${refundId}`;
    const outcome = await refundPayment({ refundId });
    if (outcome.kind === 'refunded') return 'DONE';
    const decision = await untilResolved({ orderId, step, reason: outcome.code });
    if (decision === 'skip') return 'PARKED';
    await retryRefund({ refundId });
  }
}
