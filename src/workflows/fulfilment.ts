import { ActivityFailure, CancellationScope, condition, isCancellation, log } from '@temporalio/workflow';
import { isToBeUndone } from '../domain/fulfilment';
import { cancelledBecause } from '../domain/orders';
import { refresh, tryToEnd, type OrderRun } from './order-run';
import { carriedOutOrDecided, untilResolved } from './parked';
import {
  awardPoints,
  bookShipment,
  cancelShipment,
  clearCart,
  closeStep,
  completeShipment,
  lookUpShipment,
} from './steps';

/**
 * The carrier is asked when it says nothing by itself: first after this long, then after twice as long each time, so that a
 * month of silence costs the history few events.
 */
const FIRST_LOOK_UP_MS = 6 * 3_600_000;
const LONGEST_LOOK_UP_MS = 7 * 24 * 3_600_000;
/** About a month without news; then an operator has to look. */
const LOOK_UPS_MAX = 8;

/**
 * Ships, awards points and clears the cart, all at once. Returns once each has an outcome, or the order is to be undone:
 * because somebody cancelled it, or because the carrier refused it. A refusal of points or cart undoes nothing.
 */
export async function fulfilOrder(run: OrderRun): Promise<void> {
  await carryOutSteps(run);
  if (mayCancel(run)) return cancelAtCarrier(run, 'cancelled');
  await refresh(run);
  const { fulfilment } = run.progress;
  if (isToBeUndone(fulfilment))
    await tryToEnd(run, cancelledBecause(fulfilment.shipment?.code ?? 'cancelled'));
}

async function carryOutSteps(run: OrderRun): Promise<void> {
  const { orderId } = run;
  const { shipment, points, cart } = run.progress.fulfilment;
  const scope = new CancellationScope();
  const ship = async (): Promise<void> => {
    const booked = await bookShipment({ orderId });
    // The order is to be undone: nobody waits for the others any longer.
    if (booked.kind === 'refused') scope.cancel();
  };
  const works: Promise<void>[] = [];
  const add = (step: Step, name: string, work: () => Promise<void>): void => {
    works.push(scope.run(() => carryOut(orderId, step, name, work)));
  };
  if (shipment?.state === 'INTENDED') add('shipment', `ship:${shipment.shipmentId}`, ship);
  if (points?.state === 'INTENDED') add('points', `points:${points.entryId}`, () => awardPoints({ orderId }));
  if (cart?.state === 'INTENDED') add('cart', `cart:${orderId}`, () => clearCart({ orderId }));
  let isOver = false;
  // The undo makes the outcome of what hangs definite.
  void condition(() => mayCancel(run) || isOver).then(() => scope.cancel());
  // What the carrier tells while another step takes long is passed on at once.
  const listening = listenUntil(run, () => isOver);
  const settled = await Promise.allSettled(works);
  isOver = true;
  await listening;
  const failed = settled.find((one) => one.status === 'rejected' && !isCancellation(one.reason));
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}

type Step = Parameters<typeof closeStep>[0]['step'];

/** What repeating cannot mend is an operator's to decide: done by hand, or refused. */
async function carryOut(orderId: string, step: Step, name: string, work: () => Promise<void>): Promise<void> {
  const { kind } = await carriedOutOrDecided({ orderId, step: name }, work);
  if (kind !== 'done') await closeStep({ orderId, step, decision: kind });
}

/** Only what ships can be cancelled once it is confirmed, and only until the carrier has it on its way. */
function mayCancel(run: OrderRun): boolean {
  return run.cancelAsked && !run.isTooLateToCancel && run.progress.fulfilment.shipment !== null;
}

/** Reads again whenever something is told. */
async function listenUntil(run: OrderRun, isOver: () => boolean): Promise<void> {
  for (;;) {
    await condition(() => run.changed || isOver());
    if (isOver()) return;
    await refresh(run);
  }
}

/** The carrier decides who was first: what it has on its way is not undone any more. */
async function cancelAtCarrier(run: OrderRun, code: 'cancelled' | 'not_shipped'): Promise<void> {
  const { orderId } = run;
  const asked = await carriedOutOrDecided({ orderId, step: stepOf(run) }, () => cancelShipment({ orderId }));
  // Done by hand, or given up: then an operator knows.
  const isCancelled = asked.kind === 'done' ? asked.value.kind === 'cancelled' : asked.kind === 'skip';
  if (isCancelled) {
    await tryToEnd(run, cancelledBecause(code));
    return;
  }
  await lookUp(run);
  await refresh(run);
  run.isTooLateToCancel = true;
}

/** An answer that nobody can use is no news: after so many of them an operator has to look. */
async function lookUp({ orderId }: OrderRun): Promise<void> {
  try {
    await lookUpShipment({ orderId });
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.warn('the shipment could not be looked up', { orderId, cause: String(error.cause) });
  }
}

/** Until the carrier tells something, by itself or because it was asked; or somebody cancels. */
export async function followShipment(run: OrderRun): Promise<void> {
  const before = stateOf(run);
  if (before === 'RETURNED') return decideAbout(run, 'returned');
  for (let lookUps = 0; stateOf(run) === before;) {
    if (lookUps === LOOK_UPS_MAX)
      return decideAbout(run, before === 'BOOKED' ? 'not_shipped' : 'not_delivered');
    const waitMs = Math.min(LONGEST_LOOK_UP_MS, FIRST_LOOK_UP_MS * 2 ** lookUps);
    const isTold = await condition(() => run.changed || mayCancel(run), waitMs, {
      summary: 'until the carrier tells something',
    });
    if (mayCancel(run)) return cancelAtCarrier(run, 'cancelled');
    if (!isTold) {
      lookUps += 1;
      await lookUp(run);
    }
    await refresh(run);
  }
}

function stepOf({ progress }: OrderRun): string {
  return `ship:${progress.fulfilment.shipment!.shipmentId}`;
}

function stateOf({ progress }: OrderRun): string | undefined {
  return progress.fulfilment.shipment?.state;
}

/** Goods that came back, or that nobody has seen: an operator knows, unless the carrier tells something after all. */
async function decideAbout(
  run: OrderRun,
  reason: 'returned' | 'not_delivered' | 'not_shipped',
): Promise<void> {
  const { orderId } = run;
  const before = stateOf(run);
  let isDecided = false;
  const scope = new CancellationScope();
  const listening = listenUntil(run, () => isDecided || stateOf(run) !== before).then(() => {
    if (!isDecided) scope.cancel();
  });
  try {
    const decision = await scope.run(() => untilResolved({ orderId, step: stepOf(run), reason }));
    isDecided = true;
    await listening;
    if (decision === 'fail') {
      // What was never on its way is taken out of the carrier's hands first: its word counts, and the goods are for sale.
      if (reason === 'not_shipped') return cancelAtCarrier(run, reason);
      await tryToEnd(run, cancelledBecause(reason));
      return;
    }
    await (decision === 'skip' ? completeShipment({ orderId }) : lookUp(run));
    await refresh(run);
  } catch (error) {
    // What the carrier told is read already.
    if (!isCancellation(error)) throw error;
  }
}
