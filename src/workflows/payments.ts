import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  ParentClosePolicy,
  sleep,
  startChild,
} from '@temporalio/workflow';
import { cancelledBecause, PAYMENT_EXPIRED, type Ending } from '../domain/orders';
import { workflowIds } from './messages';
import { deliver, refresh, show, tryToEnd, type OrderRun } from './order-run';
import { carriedOutOrParked } from './parked';
import type { refundWorkflow } from './refunds';
import { announceDecline, chargePayment, settleOrder, undoPayment } from './steps';

/** A refused ending because the clocks differ by some milliseconds is asked for again after this. */
const CLOCKS_DIFFER_MS = 1_000;

/** What came of trying a payment. `declined` covers a refusal and an outcome that nobody could find out in time. */
type Tried = { kind: 'captured' } | { kind: 'requires_action' } | { kind: 'declined'; code: string };

/** Takes the payment and confirms the order, or begins to undo it. Returns once the order's status is another. */
export async function payForOrder(run: OrderRun): Promise<void> {
  while (isWaiting(run)) {
    const tried = await tryPayment(run);
    if (!isWaiting(run)) return;
    if (run.cancelAsked) await tryToEnd(run, cancelledBecause('cancelled'));
    else if (run.progress.paymentMode === 'charge') await tryToEnd(run, failedBecause(tried));
    else await waitForPayment(run);
  }
}

function failedBecause(tried: Tried | null): Ending {
  if (tried === null || tried.kind !== 'declined')
    throw ApplicationFailure.nonRetryable('a payment is due and there is none', 'missing_payment');
  return { event: 'order.payment_failed', status: 'FAILED', code: tried.code };
}

/**
 * Also one that the gateway's own report has declined: it is given up like any other.
 * @returns null when there is no payment to try
 */
async function tryPayment(run: OrderRun): Promise<Tried | null> {
  const { paymentId, paymentIsLive, paymentMode } = run.progress;
  if (paymentId === null || run.cancelAsked) return null;
  if (!paymentIsLive && run.paymentOutcomes.get(paymentId) === 'declined') return null;
  const tried = await chargeUnlessCancelled(run, paymentId);
  if (tried.kind === 'captured' && !run.cancelAsked) return settle(run, paymentId);
  if (tried.kind === 'declined' && paymentMode === 'wait' && !run.cancelAsked)
    await giveUpPayment(run, paymentId, tried.code);
  // What was taken for an order that is cancelled goes back with it.
  run.paymentOutcomes.set(paymentId, run.cancelAsked ? 'declined' : tried.kind);
  return tried;
}

async function settle(run: OrderRun, paymentId: string): Promise<Tried> {
  const { orderId } = run;
  const { epoch, paymentMode } = run.progress;
  const settled = await settleOrder({ orderId, epoch });
  if (settled.settled) {
    show(run, {
      ...run.progress,
      status: 'CONFIRMED',
      paymentStatus: 'PAID',
      deadline: null,
      fulfilment: settled.fulfilment,
    });
    run.paymentOutcomes.set(paymentId, 'captured');
    return { kind: 'captured' };
  }
  const { code } = settled;
  const mayAnotherPay = code === 'amount_mismatch' || code === 'not_captured';
  if (paymentMode === 'wait' && mayAnotherPay) await giveUpPayment(run, paymentId, code);
  // Captured, and the order cannot have it: whatever the mode, it is undone with its payment.
  else await tryToEnd(run, cancelledBecause(code === 'order_closed' ? 'cancelled' : code));
  run.paymentOutcomes.set(paymentId, 'declined');
  return { kind: 'declined', code };
}

/** The payment came to nothing and the order goes on waiting: what may have moved goes back, the customer is told. */
async function giveUpPayment(run: OrderRun, paymentId: string, code: string): Promise<void> {
  const { orderId } = run;
  const undo = (): Promise<{ refundId: string | null }> => undoPayment({ orderId, paymentId });
  const undone = await carriedOutOrParked({ orderId, step: `pay:${paymentId}` }, undo);
  const refundId = undone?.refundId ?? null;
  if (refundId !== null) await startRefund(refundId, orderId);
  await announceDecline({ orderId, epoch: run.progress.epoch, paymentId, code });
  await refresh(run);
  deliver(run);
}

/** In a run of its own: the order does not wait for money that goes back to a payment that did not count. */
async function startRefund(refundId: string, orderId: string): Promise<void> {
  try {
    await startChild<typeof refundWorkflow>('refundWorkflow', {
      workflowId: workflowIds.refund(refundId),
      args: [{ refundId, orderId }],
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** Until somebody pays, cancels, or the deadline has passed. */
async function waitForPayment(run: OrderRun): Promise<void> {
  const leftMs = Date.parse(run.progress.deadline!) - Date.now();
  const isWoken = (): boolean => run.changed || run.cancelAsked;
  if (leftMs > 0) await condition(isWoken, leftMs, { summary: 'until a payment, or the deadline' });
  if (run.cancelAsked) return;
  await (run.changed ? refresh(run) : expire(run));
}

/** The deadline has passed. A customer who confirmed a payment whose report was lost gets the order all the same. */
async function expire(run: OrderRun): Promise<void> {
  await refresh(run);
  if (isWaiting(run)) await tryPayment(run);
  // A payment that came meanwhile is tried first.
  if (!isWaiting(run) || run.cancelAsked || run.changed) return;
  if (!(await tryToEnd(run, PAYMENT_EXPIRED)) && isWaiting(run)) await sleep(CLOCKS_DIFFER_MS);
}

function isWaiting({ progress }: OrderRun): boolean {
  return progress.status === 'PENDING_PAYMENT';
}

/**
 * Charges, unless a cancel comes first: then nobody waits for the gateway any longer, and undoing the payment makes its
 * outcome definite.
 */
async function chargeUnlessCancelled(run: OrderRun, paymentId: string): Promise<Tried> {
  const { orderId } = run;
  const customerActs = run.progress.paymentMode === 'wait';
  const scope = new CancellationScope();
  const charge = scope.run(() => chargePayment({ orderId, paymentId, customerActs }));
  let isOver = false;
  void condition(() => run.cancelAsked || isOver).then(() => scope.cancel());
  try {
    return await charge;
  } catch (error) {
    if (isCancellation(error)) return { kind: 'declined', code: 'cancelled' };
    if (!(error instanceof ActivityFailure)) throw error;
    // Unknown is unknown: whatever happened at the gateway, undoing the payment finds out and reverses it.
    const cause = error.cause instanceof ApplicationFailure ? error.cause.type : undefined;
    return { kind: 'declined', code: cause ?? 'gateway_unavailable' };
  } finally {
    isOver = true;
  }
}
