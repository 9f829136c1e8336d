import {
  isGrpcServiceError,
  ServiceError,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { orderSummary, type OrderLine, type VisibleStatus } from '../domain/orders';
import { TemporalUnavailableError } from '../errors';
import {
  awaitCommit,
  CANCEL_UPDATE_ID,
  cancelOrder,
  COMMIT_UPDATE_ID,
  payOrder,
  searchAttributes,
  TASK_QUEUES,
  wakeUps,
  WORKFLOW_TYPES,
  workflowIds,
  type OrderInput,
  type OrderResult,
} from '../workflows/messages';
import type { HttpDeps } from './deps';

/** A start or a cancellation is one write of Temporal's; longer means that it is not well. Milliseconds. */
export const WRITE_TIMEOUT_MS = 5_000;

type Temporal = Pick<HttpDeps, 'temporal' | 'log'>;
export type OrderWorkflow = (input: OrderInput) => Promise<OrderResult>;

/** What a start of an order's workflow shows in the Web UI. No personal data. */
export interface StartableOrder {
  orderId: string;
  status: VisibleStatus;
  /** Null when only the id is known. */
  contents: { lines: readonly OrderLine[]; currency: string } | null;
}

type StartOptions = WorkflowStartOptions<OrderWorkflow> & { workflowIdConflictPolicy: 'USE_EXISTING' };

export function startOptions(
  order: StartableOrder,
  reuse: 'REJECT_DUPLICATE' | 'ALLOW_DUPLICATE',
): StartOptions {
  return {
    workflowId: workflowIds.order(order.orderId),
    taskQueue: TASK_QUEUES.orders,
    args: [{ orderId: order.orderId }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: reuse,
    ...(order.contents === null ? {} : { staticSummary: orderSummary(order.contents) }),
    typedSearchAttributes: [
      { key: searchAttributes.orderId, value: order.orderId },
      { key: searchAttributes.orderStatus, value: order.status },
    ],
  };
}

/**
 * Starts the order's workflow and waits until its commit is decided; a repeat joins the same update. Returns in any case
 * once the time is up or Temporal says something else: what was decided is in the receipt, whatever was heard here.
 */
export async function awaitDecision(
  { temporal, log }: Temporal,
  order: StartableOrder,
  waitMs: number,
): Promise<void> {
  if (waitMs <= 0) return;
  const startWorkflowOperation = new WithStartWorkflowOperation<OrderWorkflow>(
    WORKFLOW_TYPES.order,
    startOptions(order, 'REJECT_DUPLICATE'),
  );
  try {
    await temporal.withDeadline(Date.now() + waitMs, () =>
      temporal.workflow.executeUpdateWithStart(awaitCommit, {
        startWorkflowOperation,
        updateId: COMMIT_UPDATE_ID,
        args: [],
      }),
    );
  } catch (error) {
    if (!isAnswerOfTemporal(error)) throw error;
    log.debug({ orderId: order.orderId, error: nameOf(error) }, 'no decision was heard from the workflow');
  }
}

/**
 * Makes sure that the order's workflow runs or has run.
 * @throws TemporalUnavailableError when Temporal does not acknowledge it
 */
export async function ensureStarted(
  { temporal, log, decisions }: Temporal & Pick<HttpDeps, 'decisions'>,
  order: StartableOrder,
): Promise<void> {
  try {
    await temporal.withDeadline(Date.now() + WRITE_TIMEOUT_MS, () =>
      temporal.workflow.start<OrderWorkflow>(WORKFLOW_TYPES.order, {
        ...startOptions(order, 'REJECT_DUPLICATE'),
        requestEagerStart: decisions !== null,
      }),
    );
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return;
    throw unavailable(log, error, workflowIds.order(order.orderId));
  }
}

/**
 * Asks the order's workflow to undo the order, and waits for what came of it.
 * @returns the status that the order ended in, or null when that is not known in time; the request to cancel then stands
 * @throws TemporalUnavailableError when Temporal does not acknowledge the request
 */
export async function askToCancel(
  { temporal, log }: Temporal,
  order: StartableOrder,
  waitMs: number,
): Promise<VisibleStatus | null> {
  const startWorkflowOperation = new WithStartWorkflowOperation<OrderWorkflow>(
    WORKFLOW_TYPES.order,
    startOptions(order, 'ALLOW_DUPLICATE'),
  );
  try {
    const { status } = await temporal.withDeadline(Date.now() + waitMs, () =>
      temporal.workflow.executeUpdateWithStart(cancelOrder, {
        startWorkflowOperation,
        updateId: CANCEL_UPDATE_ID,
        args: [],
      }),
    );
    return status;
  } catch (error) {
    if (!isAnswerOfTemporal(error)) throw error;
    log.debug(
      { orderId: order.orderId, error: nameOf(error) },
      'no outcome of a cancel was heard from the workflow',
    );
  }
  await requestCancellation({ temporal, log }, order);
  return null;
}

/**
 * An update that no worker has accepted is not durable, and a 202 must be. The cancellation of the run is, and means the
 * same to the workflow.
 */
async function requestCancellation({ temporal, log }: Temporal, order: StartableOrder): Promise<void> {
  const workflowId = workflowIds.order(order.orderId);
  try {
    await temporal.withDeadline(Date.now() + WRITE_TIMEOUT_MS, async () => {
      await temporal.workflow.start<OrderWorkflow>(
        WORKFLOW_TYPES.order,
        startOptions(order, 'ALLOW_DUPLICATE'),
      );
      await temporal.workflow.getHandle(workflowId).cancel();
    });
  } catch (error) {
    // Ended meanwhile: what it ended in is in the database.
    if (error instanceof WorkflowNotFoundError) return;
    throw unavailable(log, error, workflowId);
  }
}

/**
 * Asks the order's workflow to take a payment whose row is written, and waits for what came of it: its row tells. A repeat
 * joins the same update. A request that nobody heard in time stands all the same: the run is woken and looks at the rows.
 * @throws TemporalUnavailableError when Temporal does not acknowledge the request
 */
export async function askToPay(
  { temporal, log }: Temporal,
  order: StartableOrder,
  { paymentId, waitMs }: { paymentId: string; waitMs: number },
): Promise<void> {
  const startWorkflowOperation = new WithStartWorkflowOperation<OrderWorkflow>(
    WORKFLOW_TYPES.order,
    startOptions(order, 'ALLOW_DUPLICATE'),
  );
  try {
    await temporal.withDeadline(Date.now() + waitMs, () =>
      temporal.workflow.executeUpdateWithStart(payOrder, {
        startWorkflowOperation,
        updateId: paymentId,
        args: [{ paymentId }],
      }),
    );
    return;
  } catch (error) {
    if (!isAnswerOfTemporal(error)) throw error;
    log.debug({ orderId: order.orderId, error: nameOf(error) }, 'no outcome of a payment was heard');
  }
  const { workflowType, options } = wakeUps.order(order.orderId);
  try {
    await temporal.withDeadline(Date.now() + WRITE_TIMEOUT_MS, () =>
      temporal.workflow.signalWithStart(workflowType, options),
    );
  } catch (error) {
    throw unavailable(log, error, options.workflowId);
  }
}

/** True for what the client throws when Temporal answered or failed to; anything else is a bug and goes up. */
export function isAnswerOfTemporal(error: unknown): boolean {
  return (
    error instanceof ServiceError ||
    error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
    error instanceof WorkflowUpdateFailedError ||
    error instanceof WorkflowExecutionAlreadyStartedError ||
    error instanceof WorkflowNotFoundError ||
    isGrpcServiceError(error)
  );
}

/** The 503 for a start that was not acknowledged; a bug stays itself. */
export function unavailable(log: HttpDeps['log'], error: unknown, workflowId: string): unknown {
  if (!isAnswerOfTemporal(error)) return error;
  log.warn({ workflowId, error: nameOf(error) }, 'temporal did not acknowledge a start');
  return new TemporalUnavailableError('Temporal did not acknowledge the request; repeat it.', {
    cause: error,
  });
}

/** For the log: what was thrown, and why. */
export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error.name}: ${error.message}${cause}`;
}
