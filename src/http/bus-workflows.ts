import { WorkflowFailedError } from '@temporalio/client';
import {
  parkedStepResolved,
  resolutionWakeUp,
  searchAttributes,
  TASK_QUEUES,
  wakeUps,
  WORKFLOW_TYPES,
  workflowIds,
  type BacklogInput,
  type RefundInput,
  type TargetTestInput,
  type WakeUp,
} from '../workflows/messages';
import type { BacklogOwner } from '../database/backlog';
import type { NotificationRef } from '../database/notifications';
import type { DecidedStep } from '../database/parked';
import { TemporalUnavailableError } from '../errors';
import type { HttpDeps } from './deps';
import { unavailable } from './order-workflow';

/** A start is one write of Temporal's; longer means that it is not well. Milliseconds. */
const START_TIMEOUT_MS = 5_000;

/** What one attempt came to. */
export interface TestOutcome {
  outcome: 'delivered' | 'retry' | 'dead';
  status: number | null;
  latencyMs: number;
  code: string | null;
  message: string | null;
}

type Starting = Pick<HttpDeps, 'temporal' | 'log'>;

/** Runs one call to Temporal. @throws TemporalUnavailableError (retryable) when it is not acknowledged in time */
async function acknowledged<T>(
  { temporal, log }: Starting,
  workflowId: string,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await temporal.withDeadline(Date.now() + START_TIMEOUT_MS, call);
  } catch (error) {
    throw unavailable(log, error, workflowId);
  }
}

/** Wakes whoever delivers: the workflow of the order, of the subject, or of the replay. */
export async function wakeOwner(deps: Starting, { aggregateId, replayId }: BacklogOwner): Promise<void> {
  await (replayId === null ? wake(deps, wakeUps.delivery(aggregateId)) : wakeReplay(deps, replayId));
}

/** Starts a replay's workflow, or tells the one that runs that its row has changed. */
export async function wakeReplay(deps: Starting, replayId: string): Promise<void> {
  await wake(deps, wakeUps.replay(replayId));
}

/** Starts a refund's workflow, or meets the one that runs. */
export async function startRefund(deps: Starting, refund: RefundInput): Promise<void> {
  const workflowId = workflowIds.refund(refund.refundId);
  await acknowledged(deps, workflowId, () =>
    deps.temporal.workflow.start(WORKFLOW_TYPES.refund, {
      workflowId,
      taskQueue: TASK_QUEUES.orders,
      args: [refund],
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      typedSearchAttributes: [{ key: searchAttributes.orderId, value: refund.orderId }],
    }),
  );
}

/** Starts an order's workflow, or tells the one that runs that something changed. */
export async function wakeOrder(deps: Starting, orderId: string): Promise<void> {
  await wake(deps, wakeUps.order(orderId));
}

/** Starts a notification's workflow, or tells the one that runs that something changed. */
export async function wakeNotification(deps: Starting, notification: NotificationRef): Promise<void> {
  await wake(deps, wakeUps.notification(notification));
}

/** Tells whoever waits for the decision about a parked step. */
export async function tellDecision(
  deps: Starting,
  decided: DecidedStep & { orderId: string },
): Promise<void> {
  const { workflowType, options } = resolutionWakeUp(decided);
  const { step, decision, parkedId } = decided;
  await acknowledged(deps, options.workflowId, () =>
    deps.temporal.workflow.signalWithStart(workflowType, {
      ...options,
      signal: parkedStepResolved,
      signalArgs: [{ step, decision, parkedId }],
    }),
  );
}

async function wake<Input>(deps: Starting, { workflowType, options }: WakeUp<Input>): Promise<void> {
  await acknowledged(deps, options.workflowId, () =>
    deps.temporal.workflow.signalWithStart(workflowType, options),
  );
}

export async function startRedrive(deps: Starting, redriveId: string): Promise<void> {
  const workflowId = workflowIds.redrive(redriveId);
  await acknowledged(deps, workflowId, () =>
    deps.temporal.workflow.start(WORKFLOW_TYPES.redrive, {
      workflowId,
      taskQueue: TASK_QUEUES.maintenance,
      args: [{ redriveId }],
      workflowIdConflictPolicy: 'USE_EXISTING',
    }),
  );
}

/** Wakes all that waited for a rule or a target; one that is under way begins anew, for it may be past what waits now. */
export async function wakeBacklog(deps: Starting, of: BacklogInput): Promise<void> {
  const workflowId = workflowIds.backlog(of);
  await acknowledged(deps, workflowId, () =>
    deps.temporal.workflow.start(WORKFLOW_TYPES.backlog, {
      workflowId,
      taskQueue: TASK_QUEUES.maintenance,
      args: [of],
      workflowIdConflictPolicy: 'TERMINATE_EXISTING',
    }),
  );
}

/** A target's longest time-out, and some seconds for a worker to get there. */
const TEST_TIMEOUT_MS = 45_000;

/**
 * Sends one test event to a target, by a worker, and waits for what came of it.
 * @throws TemporalUnavailableError (retryable) when no worker did it in time
 */
export async function runTargetTest(
  { temporal, log }: Starting,
  input: TargetTestInput,
): Promise<TestOutcome> {
  const workflowId = workflowIds.targetTest(input);
  try {
    return await temporal.withDeadline(Date.now() + TEST_TIMEOUT_MS, () =>
      temporal.workflow.execute<(input: TargetTestInput) => Promise<TestOutcome>>(WORKFLOW_TYPES.targetTest, {
        workflowId,
        taskQueue: TASK_QUEUES.maintenance,
        args: [input],
        workflowExecutionTimeout: TEST_TIMEOUT_MS,
      }),
    );
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw unavailable(log, error, workflowId);
    throw new TemporalUnavailableError('No worker could send the test event; repeat the request.', {
      cause: error,
    });
  }
}
