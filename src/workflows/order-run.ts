import {
  ActivityFailure,
  log,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { isToBeUndone, isUnderWay, isUnfulfilled } from '../domain/fulfilment';
import type { Ending, OrderProgress } from '../domain/orders';
import { searchAttributes, type OrderResult, type PayOutcome } from './messages';
import { beginEnding, deliverEvents, readProgress } from './steps';

/** What one run knows. Everything that must last is in PostgreSQL. */
export interface OrderRun {
  readonly orderId: string;
  /** Not before `hasProgress`. */
  progress: OrderProgress;
  hasProgress: boolean;
  cancelAsked: boolean;
  /** True once a cancel changes nothing any more, though the run goes on. */
  isTooLateToCancel: boolean;
  /** Somebody told something since it was last looked at. */
  changed: boolean;
  readonly paymentOutcomes: Map<string, Exclude<PayOutcome, null>>;
  /** First attempts that are under way. No business step waits for them. */
  readonly deliveries: Promise<void>[];
  /** True once nothing more happens to the order's state in this run. */
  ended: boolean;
}

export function createOrderRun(orderId: string): OrderRun {
  return {
    orderId,
    progress: undefined as unknown as OrderProgress,
    hasProgress: false,
    cancelAsked: false,
    isTooLateToCancel: false,
    changed: false,
    paymentOutcomes: new Map(),
    deliveries: [],
    ended: false,
  };
}

/** What the run answers with. Not before it has any progress. */
export function resultOf({ progress }: OrderRun): OrderResult {
  const { decision, code, status, paymentStatus } = progress;
  return { decision, code, status, paymentStatus };
}

/** Where an order stands: what its run has to do next. */
export function restingPlaceOf({
  status,
  fulfilment,
}: OrderProgress): 'to_be_paid' | 'to_be_fulfilled' | 'under_way' | 'to_be_undone' | 'over' {
  switch (status) {
    case 'PENDING_PAYMENT':
      return 'to_be_paid';
    case 'COMPENSATING':
      return 'to_be_undone';
    case 'CONFIRMED':
    case 'SHIPPED':
    case 'COMPLETED':
      // Goods may arrive before a ledger of points is back.
      if (isUnfulfilled(fulfilment) || isToBeUndone(fulfilment)) return 'to_be_fulfilled';
      return isUnderWay(fulfilment) ? 'under_way' : 'over';
    default:
      return 'over';
  }
}

/**
 * Begins to undo the order.
 * @returns false when it is not to be undone after all; what counts was read again
 */
export async function tryToEnd(run: OrderRun, ending: Ending): Promise<boolean> {
  const { orderId } = run;
  const { outcome, paymentId } = await beginEnding({ orderId, epoch: run.progress.epoch, ending });
  if (outcome === 'begun') {
    // A payment may have come since the progress was read: it is undone with the rest.
    show(run, { ...run.progress, status: 'COMPENSATING', ending, paymentId });
    return true;
  }
  await refresh(run);
  return false;
}

/** Reads again how far the order is. What is told while the read is under way makes for another one. */
export async function refresh(run: OrderRun): Promise<void> {
  run.changed = false;
  show(run, await readProgress({ orderId: run.orderId }));
}

/**
 * Events and messages never hold an order up. What cannot be delivered at all is in the log of the run, and reconciliation
 * comes back to it.
 */
export function deliver(run: OrderRun): void {
  run.deliveries.push(deliverAll(run.orderId));
}

async function deliverAll(orderId: string): Promise<void> {
  try {
    await deliverEvents({ aggregateId: orderId, handOver: true });
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    log.error('the events could not be delivered', { orderId, cause: String(error.cause) });
  }
}

/**
 * Takes in how far the order is: the Web UI shows it, and the event that came with another status is delivered. The beginning
 * of an undo is no news yet.
 */
export function show(run: OrderRun, progress: OrderProgress): void {
  const isNews = run.hasProgress && run.progress.status !== progress.status;
  if (isNews && progress.status !== 'COMPENSATING') deliver(run);
  run.progress = progress;
  run.hasProgress = true;
  if (progress.status === 'SHIPPED' || progress.status === 'COMPLETED') run.isTooLateToCancel = true;
  makeSearchable(progress);
  const { shipment, points, cart } = progress.fulfilment;
  const lines = [
    `**${progress.status}**`,
    `payment: ${progress.paymentMode}, ${progress.paymentStatus}`,
    ...(progress.deadline === null ? [] : [`to be paid until: ${progress.deadline}`]),
    ...(shipment === null ? [] : [`shipment: ${shipment.state}`]),
    ...(points === null ? [] : [`points: ${points.state}`]),
    ...(cart === null ? [] : [`cart: ${cart.state}`]),
    ...(progress.code === null ? [] : [`reason: ${progress.code}`]),
    ...(progress.ending === null ? [] : [`ending: ${progress.ending.code}`]),
  ];
  setCurrentDetails([`Order \`${run.orderId}\``, ...lines.map((line) => `- ${line}`)].join('\n'));
}

/**
 * What people search runs for. An event of the history and a write of the search index each time, so only for what is not
 * there already (the start brings `ACCEPTED`), and not while a charge is under way: its end follows within seconds. What
 * the commit came to is one command beside those that follow it: no task of its own, and the run is found by it from then
 * on. Only with the last command would it cost no write of the index, but an order that waits for its deliveries would not
 * be found.
 */
function makeSearchable({ status, paymentStatus, paymentMode }: OrderProgress): void {
  if (paymentMode === 'charge' && status === 'PENDING_PAYMENT') return;
  const { typedSearchAttributes: known } = workflowInfo();
  const { orderStatus, paymentStatus: ofPayment } = searchAttributes;
  if (known.get(orderStatus) === status && known.get(ofPayment) === paymentStatus) return;
  upsertSearchAttributes([
    { key: orderStatus, value: status },
    { key: ofPayment, value: paymentStatus },
  ]);
}
