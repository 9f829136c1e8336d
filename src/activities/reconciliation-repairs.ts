import type { Pool } from '../database/pool';
import { readWorkflowStart } from '../database/enqueued';
import { adoptCapture, closeEpochConflicts } from '../database/reconciliation-adoptions';
import { raiseEpoch, readEpoch } from '../database/reconciliation-candidates';
import { recordTracking } from '../database/shipments';
import { requestUndo } from '../database/refunds';
import type { Decision } from '../domain/parked';
import { paymentKey } from '../domain/payments';
import { subjectId, type DetectorName, type Finding } from '../domain/reconciliation';
import type { Carrier } from '../gateways/carrier';
import type { PaymentGateway } from '../gateways/payments';
import type { Logger } from '../log';
import { parkedStepResolved, resolutionWakeUp, wakeUps, workflowIds } from '../workflows/messages';
import { startEnqueued } from './enqueued';
import type { WorkflowRuns } from './reconciliation-runs';
import type { Successors } from './successors';

export interface RepairDeps {
  pool: Pool;
  runs: WorkflowRuns;
  successors: Successors;
  gateway: PaymentGateway;
  carrier: Carrier;
  log: Pick<Logger, 'warn'>;
  now: () => Date;
}

/** Repairs that go through a workflow or another system. Each is idempotent, and may be done twice after a crash. */
export async function repair(deps: RepairDeps, finding: Finding): Promise<void> {
  await (OWN_WAYS[finding.detector] ?? restart)(deps, finding);
}

const OWN_WAYS: Partial<Record<DetectorName, (deps: RepairDeps, finding: Finding) => Promise<void>>> = {
  order_without_run: resumeOrder,
  epoch_conflict: replaceRun,
  unheard_decision: tellDecision,
  capture_to_return: giveBack,
  unrecorded_capture: recordCapture,
  leftover_authorization: voidAuthorization,
  shipment_behind: catchUp,
};

/** Starts or wakes the workflow that works on it, by what it is. */
async function restart({ pool, runs, successors, log }: RepairDeps, finding: Finding): Promise<void> {
  const { subject, orderId } = finding;
  const kind = subject.slice(0, subject.indexOf(':'));
  const id = subjectId(subject, kind);
  switch (kind) {
    case 'request':
      return runs.startOrder(id);
    case 'order':
      return runs.wakeOrder(id);
    case 'aggregate':
      return successors.delivery(id);
    case 'notification':
      return successors.notification({ notificationId: id, orderId: orderId! });
    case 'refund':
      return runs.startRefund({ refundId: id, orderId: orderId! });
    case 'replay':
      return successors.replay(id);
    case 'group':
      return successors.group(id);
    case 'sale':
      return runs.wake(wakeUps.sale(id));
    case 'workflow': {
      const start = await readWorkflowStart(pool, id);
      if (start !== null) await startEnqueued({ pool, log, client: runs.client() }, start);
      return;
    }
    default:
      throw new RangeError(`nobody works on a ${kind}`);
  }
}

/**
 * Hands an order to a new run, unless one runs by now. The epoch goes up first: if the old run is only out of sight, no
 * step of it is carried out any more.
 */
export async function resumeOrder({ pool, runs }: RepairDeps, { subject }: Finding): Promise<void> {
  const orderId = subjectId(subject, 'order');
  const { isRunning } = await runs.describe(workflowIds.order(orderId));
  if (isRunning) return;
  const epoch = await readEpoch(pool, orderId);
  if (epoch === null) return;
  await raiseEpoch(pool, { orderId, epoch });
  await runs.wakeOrder(orderId);
}

/** A run of an older epoch can do nothing any more: it is ended, and the order goes on in a new one. */
async function replaceRun({ pool, runs }: RepairDeps, finding: Finding): Promise<void> {
  const orderId = subjectId(finding.subject, 'order');
  const { runId } = finding.detail;
  if (typeof runId === 'string') {
    await runs.terminate(workflowIds.order(orderId), runId, 'a newer run has taken this order over');
  }
  await closeEpochConflicts(pool, orderId);
  await runs.wakeOrder(orderId);
}

async function tellDecision({ runs }: RepairDeps, { subject, orderId, detail }: Finding): Promise<void> {
  const parkedId = subjectId(subject, 'parked');
  const { step, decision, workflowId } = detail as { step: string; decision: Decision; workflowId: string };
  const { workflowType, options } = resolutionWakeUp({ workflowId, orderId: orderId! });
  await runs.wake({
    workflowType,
    options: { ...options, signal: parkedStepResolved, signalArgs: [{ step, decision, parkedId }] },
  });
}

/** Money of an order that is not to be: all that is left of it goes back, once, whoever asks for it. */
async function giveBack({ pool, runs }: RepairDeps, { subject, orderId }: Finding): Promise<void> {
  const paymentId = subjectId(subject, 'payment');
  const refundId = await requestUndo(pool, { orderId: orderId!, paymentId });
  if (refundId !== null) await runs.startRefund({ refundId, orderId: orderId! });
}

/** The gateway's word counts. What the order can take settles it, and what it cannot goes back. */
async function recordCapture(deps: RepairDeps, finding: Finding): Promise<void> {
  const paymentId = subjectId(finding.subject, 'payment');
  const { authorizationId, captureId } = finding.detail as { authorizationId: string; captureId: string };
  const adopted = await adoptCapture(deps.pool, { paymentId, authorizationId, captureId });
  if (adopted === 'owed') return giveBack(deps, finding);
  await deps.runs.wakeOrder(finding.orderId!);
}

/** Nobody will capture it any more, and it blocks the customer's money. Definite either way: captured is found next. */
async function voidAuthorization({ gateway }: RepairDeps, { subject, detail }: Finding): Promise<void> {
  const authorizationId = subjectId(subject, 'authorization');
  const { paymentId, keyNumber } = detail as { paymentId: string; keyNumber: number };
  const idempotencyKey = `${paymentKey(paymentId, keyNumber, 'void')}:${authorizationId}`;
  await gateway.void({ idempotencyKey, authorizationId });
}

/** What the carrier says now counts; the order's run goes on from there. */
async function catchUp(
  { pool, runs, carrier, now }: RepairDeps,
  { subject, orderId }: Finding,
): Promise<void> {
  const shipmentId = subjectId(subject, 'shipment');
  const found = await carrier.find({ shipmentId });
  const state = { shipped: 'SHIPPED', delivered: 'DELIVERED', returned: 'RETURNED' } as const;
  if (found !== null && found.status in state) {
    const { trackingId, status } = found;
    const tracking = { shipmentId, trackingId, state: state[status as keyof typeof state] };
    await recordTracking(pool, { ...tracking, at: now().toISOString() });
  }
  await runs.wakeOrder(orderId!);
}
