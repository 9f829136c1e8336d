import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  type WorkflowStartOptions,
} from '@temporalio/client';
import {
  parkedStepResolved,
  resolutionWakeUp,
  searchAttributes,
  TASK_QUEUES,
  wakeUps,
  WORKFLOW_TYPES,
  workflowIds,
  type BacklogInput,
  type ReconciliationInput,
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

/** Starts a sale's workflow, or tells the one that runs that its row has changed. */
export async function wakeSale(deps: Starting, saleId: string): Promise<void> {
  await wake(deps, wakeUps.sale(saleId));
}

/** Starts a workflow that runs once for its id: a repeat meets the run that there is, or was. */
async function startOnce<Input>(
  deps: Starting,
  workflowType: string,
  options: WorkflowStartOptions<(input: Input) => Promise<unknown>>,
): Promise<void> {
  await acknowledged(deps, options.workflowId, async () => {
    try {
      await deps.temporal.workflow.start<(input: Input) => Promise<unknown>>(workflowType, {
        ...options,
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  });
}

/** Once for each refund. @param amount - for people, such as `EUR 5.00`, where it is known */
export async function startRefund(
  deps: Starting,
  { refundId, orderId }: RefundInput,
  amount?: string,
): Promise<void> {
  await startOnce<RefundInput>(deps, WORKFLOW_TYPES.refund, {
    workflowId: workflowIds.refund(refundId),
    taskQueue: TASK_QUEUES.orders,
    args: [{ refundId, orderId }],
    ...(amount === undefined ? {} : { staticSummary: `${amount} back` }),
    typedSearchAttributes: [{ key: searchAttributes.orderId, value: orderId }],
  });
}

/** Once for each reconciliation that was asked for. */
export async function startReconciliation(
  deps: Starting,
  input: ReconciliationInput & { reconciliationId: string },
): Promise<void> {
  await startOnce<ReconciliationInput>(deps, WORKFLOW_TYPES.reconciliation, {
    workflowId: workflowIds.reconciliation(input.reconciliationId),
    taskQueue: TASK_QUEUES.maintenance,
    args: [input],
    staticSummary: `${input.kind} reconciliation${input.dryRun ? ', dry run' : ''}`,
  });
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
