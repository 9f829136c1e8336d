import {
  ActivityFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import type { OrderProgress } from '../domain/orders';
import { fulfilOrder, followShipment } from './fulfilment';
import {
  awaitCommit,
  cancelOrder,
  orderChanged,
  payOrder,
  type OrderInput,
  type OrderResult,
} from './messages';
import { createOrderRun, deliver, restingPlaceOf, resultOf, show, type OrderRun } from './order-run';
import { payForOrder } from './payments';
import { closeTransaction, commitOrder } from './steps';
import { undoOrder } from './undoing';

/**
 * One order, from commit to its end. `order/{orderId}`. Every start is a resume: the commit's receipt says what was
 * decided, the order's row how far it is, and the run goes on from there.
 */
export async function orderWorkflow({ orderId }: OrderInput): Promise<OrderResult> {
  const run = createOrderRun(orderId);
  setHandler(awaitCommit, async () => {
    await condition(() => run.hasProgress);
    return resultOf(run);
  });
  setHandler(cancelOrder, async () => {
    run.cancelAsked = true;
    await condition(() => run.ended || run.isTooLateToCancel);
    return { status: run.progress.status };
  });
  setHandler(payOrder, async ({ paymentId }) => {
    run.changed = true;
    await condition(() => run.ended || run.paymentOutcomes.has(paymentId));
    return run.paymentOutcomes.get(paymentId) ?? null;
  });
  setHandler(orderChanged, () => {
    run.changed = true;
  });
  // Cancelling the run in the Web UI means the same as cancelling the order; nothing else is ever cut short.
  CancellationScope.current().cancelRequested.catch(() => {
    run.cancelAsked = true;
  });
  return CancellationScope.nonCancellable(() => carryOut(run));
}

async function carryOut(run: OrderRun): Promise<OrderResult> {
  show(run, await commitOrClose(run));
  if (run.progress.decision === 'committed') {
    deliver(run);
    await toItsEnd(run);
  }
  run.ended = true;
  await Promise.all(run.deliveries);
  await condition(allHandlersFinished);
  return resultOf(run);
}

/** From one state to the next, until the order needs no further step. */
async function toItsEnd(run: OrderRun): Promise<void> {
  for (;;) {
    switch (restingPlaceOf(run.progress)) {
      case 'to_be_paid':
        await payForOrder(run);
        break;
      case 'to_be_fulfilled':
        await fulfilOrder(run);
        break;
      case 'under_way':
        await followShipment(run);
        break;
      case 'to_be_undone':
        await undoOrder(run);
        break;
      case 'over':
        return;
    }
  }
}

/**
 * Commits. When the time for it runs out without an outcome, or the order is cancelled before there is one, closes the
 * transaction, which waits for a commit that is still running, and goes on by that answer.
 */
async function commitOrClose(run: OrderRun): Promise<OrderProgress> {
  const { orderId } = run;
  const scope = new CancellationScope();
  const commit = scope.run(() => commitOrder({ orderId }));
  void condition(() => run.cancelAsked || run.hasProgress).then(() => scope.cancel());
  try {
    return await commit;
  } catch (error) {
    if (!(error instanceof ActivityFailure) && !isCancellation(error)) throw error;
    return closeTransaction({ orderId });
  }
}
