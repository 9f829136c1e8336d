import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { isTerminal, type Ending, type OrderProgress } from '../domain/orders';
import { createCompensations } from './compensations';
import { awaitCommit, cancelOrder, searchAttributes, type OrderInput } from './messages';
import { carriedOutOrParked } from './parked';
import { carryOutRefund } from './refunds';
import {
  beginEnding,
  chargePayment,
  closeTransaction,
  commitOrder,
  deliverEvents,
  endOrder,
  readProgress,
  settleOrder,
  undoPayment,
} from './steps';

/** What one run knows. Everything that must last is in PostgreSQL. */
interface OrderRun {
  readonly orderId: string;
  progress: OrderProgress | undefined;
  cancelAsked: boolean;
  /** True once nothing more happens to the order's state in this run. */
  ended: boolean;
}

/**
 * One order, from commit to its end. `order/{orderId}`. Every start is a resume: the commit's receipt says what was
 * decided, the order's row how far it is, and the run goes on from there.
 */
export async function orderWorkflow({ orderId }: OrderInput): Promise<OrderProgress> {
  const run: OrderRun = { orderId, progress: undefined, cancelAsked: false, ended: false };
  setHandler(awaitCommit, async () => {
    await condition(() => run.progress !== undefined);
    return run.progress!;
  });
  setHandler(cancelOrder, async () => {
    run.cancelAsked = true;
    await condition(() => run.ended);
    return { status: run.progress!.status };
  });
  // Cancelling the run in the Web UI means the same as cancelling the order; nothing else is ever cut short.
  CancellationScope.current().cancelRequested.catch(() => {
    run.cancelAsked = true;
  });
  return CancellationScope.nonCancellable(() => carryOut(run));
}

async function carryOut(run: OrderRun): Promise<OrderProgress> {
  show(run, await commitOrClose(run));
  if (run.progress!.decision === 'committed') {
    const firstDelivery = deliver(run);
    if (!isTerminal(statusOf(run))) {
      await payAndSettle(run);
      run.ended = true;
      await deliver(run);
    }
    run.ended = true;
    await firstDelivery;
  }
  run.ended = true;
  await condition(allHandlersFinished);
  return run.progress!;
}

/**
 * Commits. When the time for it runs out without an outcome, or the order is cancelled before there is one, closes the
 * transaction, which waits for a commit that is still running, and goes on by that answer.
 */
async function commitOrClose(run: OrderRun): Promise<OrderProgress> {
  const { orderId } = run;
  const scope = new CancellationScope();
  const commit = scope.run(() => commitOrder({ orderId }));
  void condition(() => run.cancelAsked || run.progress !== undefined).then(() => scope.cancel());
  try {
    return await commit;
  } catch (error) {
    if (!(error instanceof ActivityFailure) && !isCancellation(error)) throw error;
    return closeTransaction({ orderId });
  }
}

/**
 * Events and messages never hold an order up. What cannot be delivered at all is in the log of the run, and reconciliation
 * comes back to it.
 */
async function deliver({ orderId }: OrderRun): Promise<void> {
  try {
    await deliverEvents({ aggregateId: orderId, handOver: true });
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.error('the events could not be delivered', { orderId, cause: String(error.cause) });
  }
}

/** Takes the payment and confirms the order, or undoes all of it. */
async function payAndSettle(run: OrderRun): Promise<void> {
  const { orderId } = run;
  const { paymentId, epoch } = run.progress!;
  if (paymentId === null)
    throw ApplicationFailure.nonRetryable('a payment is due and there is none', 'missing_payment');
  let { ending } = run.progress!;

  const compensations = createCompensations();
  compensations.add('release stock', () => endOrder({ orderId, epoch, ending: ending! }));
  compensations.add('undo payment', async () => {
    const undo = (): Promise<{ refundId: string | null }> => undoPayment({ orderId, paymentId });
    const undone = await carriedOutOrParked({ orderId, step: `pay:${paymentId}` }, undo);
    const refundId = undone?.refundId ?? null;
    if (refundId !== null) await carryOutRefund({ refundId, orderId });
  });

  if (ending === null) {
    const charged = await chargeUnlessCancelled(run, paymentId);
    if (charged === 'captured' && !run.cancelAsked && (await settleOrder({ orderId, epoch }))) {
      show(run, { ...run.progress!, status: 'CONFIRMED', paymentStatus: 'PAID' });
      return;
    }
    ending = charged === 'captured' || run.cancelAsked ? CANCELLED : endingOf(charged);
    if (!(await beginEnding({ orderId, epoch, ending }))) {
      // Somebody else brought the order to its end; what counts is in the database.
      show(run, await readProgress({ orderId }));
      return;
    }
  }
  show(run, { ...run.progress!, status: 'COMPENSATING', ending });
  await compensations.run();
  show(run, await readProgress({ orderId }));
}

const CANCELLED: Ending = { event: 'order.cancelled', status: 'CANCELLED', code: 'cancelled' };

function endingOf(charged: { code: string }): Ending {
  return { event: 'order.payment_failed', status: 'FAILED', code: charged.code };
}

/**
 * Charges, unless a cancel comes first: then nobody waits for the gateway any longer, and undoing the payment makes its
 * outcome definite.
 */
async function chargeUnlessCancelled(
  run: OrderRun,
  paymentId: string,
): Promise<'captured' | { code: string }> {
  const scope = new CancellationScope();
  const charge = scope.run(() => chargePayment({ orderId: run.orderId, paymentId }));
  void condition(() => run.cancelAsked || run.ended).then(() => scope.cancel());
  try {
    const outcome = await charge;
    return outcome.kind === 'captured' ? 'captured' : { code: outcome.code };
  } catch (error) {
    if (isCancellation(error)) return { code: 'cancelled' };
    if (!(error instanceof ActivityFailure)) throw error;
    // Unknown is unknown: whatever happened at the gateway, undoing the payment finds out and reverses it.
    const cause = error.cause instanceof ApplicationFailure ? error.cause.type : undefined;
    return { code: cause ?? 'gateway_unavailable' };
  }
}

function statusOf(run: OrderRun): Exclude<OrderProgress['status'], 'REJECTED'> {
  return run.progress!.status as Exclude<OrderProgress['status'], 'REJECTED'>;
}

/** Keeps what the Web UI shows in step with what is decided. */
function show(run: OrderRun, progress: OrderProgress): void {
  run.progress = progress;
  upsertSearchAttributes([
    { key: searchAttributes.orderStatus, value: progress.status },
    { key: searchAttributes.paymentStatus, value: progress.paymentStatus },
  ]);
  const lines = [`**${progress.status}**`, `payment: ${progress.paymentMode}, ${progress.paymentStatus}`];
  if (progress.code !== null) lines.push(`reason: ${progress.code}`);
  if (progress.ending !== null) lines.push(`ending: ${progress.ending.code}`);
  setCurrentDetails([`Order \`${run.orderId}\``, ...lines.map((line) => `- ${line}`)].join('\n'));
}
