import { WorkflowNotFoundError } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import { TASK_QUEUES, wakeUps, WORKFLOW_TYPES, workflowIds, type RefundInput } from '../workflows/messages';

/** What Temporal says of a workflow's newest run. */
export interface RunState {
  isRunning: boolean;
  /** Temporal's word, or `GONE`: it knows none, or keeps none any more. */
  status: string;
  runId: string | null;
  /** Epoch milliseconds. */
  startedAt: number | null;
  /** Activities that are being tried, with the number of the attempt. */
  pending: { name: string; attempt: number }[];
}

/** A start with a signal, whatever the workflow takes. */
type SignalledStart = Parameters<Client['workflow']['signalWithStart']>[1];

/** How reconciliation meets workflows: by id, never by a search that may be behind. */
export interface WorkflowRuns {
  describe(workflowId: string): Promise<RunState>;
  /** Starts it, or tells the one that runs to look again. */
  wake(wakeUp: { workflowType: string; options: SignalledStart }): Promise<void>;
  /** Starts an undecided order; meets the run that is there. */
  startOrder(orderId: string): Promise<void>;
  wakeOrder(orderId: string): Promise<void>;
  startRefund(refund: RefundInput): Promise<void>;
  /** Ends exactly this run. Idempotent. */
  terminate(workflowId: string, runId: string, reason: string): Promise<void>;
  /** Ids of running order workflows, as far as the search knows: candidates, each to be asked for by itself. */
  runningOrders(): AsyncIterable<{ workflowId: string }>;
  client(): Client;
}

/** What runs goes on; what ended, or never began, begins: every start is a resume. */
const RESUME = {
  workflowIdConflictPolicy: 'USE_EXISTING',
  workflowIdReusePolicy: 'ALLOW_DUPLICATE',
} as const;

const GONE: RunState = { isRunning: false, status: 'GONE', runId: null, startedAt: null, pending: [] };

/** @param client - of the process that runs the activities */
export function createWorkflowRuns(client: () => Client): WorkflowRuns {
  const wake: WorkflowRuns['wake'] = async ({ workflowType, options }) => {
    await client().workflow.signalWithStart(workflowType, options);
  };
  return {
    client,
    wake,
    async wakeOrder(orderId) {
      const { workflowType, options } = wakeUps.order(orderId);
      await client().workflow.signalWithStart(workflowType, options);
    },
    async describe(workflowId) {
      try {
        const { status, runId, startTime, raw } = await client().workflow.getHandle(workflowId).describe();
        const pending = (raw.pendingActivities ?? []).map(({ activityType, attempt }) => ({
          name: activityType?.name ?? 'unknown',
          attempt: attempt ?? 0,
        }));
        return {
          isRunning: status.name === 'RUNNING',
          status: status.name,
          runId,
          startedAt: startTime.getTime(),
          pending,
        };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return GONE;
        throw error;
      }
    },
    async startOrder(orderId) {
      await client().workflow.start(WORKFLOW_TYPES.order, {
        ...RESUME,
        workflowId: workflowIds.order(orderId),
        taskQueue: TASK_QUEUES.orders,
        args: [{ orderId }],
      });
    },
    async startRefund(refund) {
      await client().workflow.start(WORKFLOW_TYPES.refund, {
        ...RESUME,
        workflowId: workflowIds.refund(refund.refundId),
        taskQueue: TASK_QUEUES.orders,
        args: [refund],
      });
    },
    async terminate(workflowId, runId, reason) {
      try {
        await client().workflow.getHandle(workflowId, runId).terminate(reason);
      } catch (error) {
        // It has ended meanwhile: that is what was wanted.
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },
    runningOrders: () =>
      client().workflow.list({
        query: `WorkflowType = '${WORKFLOW_TYPES.order}' AND ExecutionStatus = 'Running'`,
      }),
  };
}
