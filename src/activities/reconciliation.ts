import { getClient } from '@temporalio/activity';
import { dueWorkflowStarts } from '../database/enqueued';
import { unpublishedAggregates } from '../database/events';
import { neglectedNotifications } from '../database/notifications';
import type { Pool } from '../database/pool';
import { pendingRefunds } from '../database/refunds';
import { stalledReplays } from '../database/replays';
import { undecidedRequests } from '../database/requests';
import type { Logger } from '../log';
import { TASK_QUEUES, WORKFLOW_TYPES, workflowIds } from '../workflows/messages';
import { startEnqueued } from './enqueued';
import { withHeartbeat } from './heartbeat';
import type { Successors } from './successors';

/** Younger than this, somebody is most likely still at work on it. Longer than a commit's deadline (2 min). */
const GRACE_MS = 150_000;
/** One run restarts at most so many; the schedule comes again. */
const BATCH_MAX = 500;

/** How many of each were restarted. */
export interface LeftBehind {
  requests: number;
  deliveries: number;
  replays: number;
  /** Workflows that callers enqueued. */
  enqueued: number;
  refunds: number;
  notifications: number;
}

export interface ReconciliationActivities {
  /** Restarts what nobody works on: requests, deliveries, replays, refunds, messages, enqueued workflows. A start meets a run that is there. */
  restartLeftBehind(): Promise<LeftBehind>;
}

export function createReconciliationActivities(deps: {
  pool: Pool;
  successors: Successors;
  log: Pick<Logger, 'warn'>;
  now: () => Date;
}): ReconciliationActivities {
  return {
    restartLeftBehind: () =>
      withHeartbeat(async () => {
        const olderThan = new Date(deps.now().getTime() - GRACE_MS).toISOString();
        const requests = await undecidedRequests(deps.pool, olderThan, BATCH_MAX);
        for (const orderId of requests) await startOrder(orderId);
        const aggregates = await unpublishedAggregates(deps.pool, olderThan, BATCH_MAX);
        for (const aggregateId of aggregates) await deps.successors.delivery(aggregateId);
        const replays = await stalledReplays(deps.pool, olderThan, BATCH_MAX);
        for (const replayId of replays) await deps.successors.replay(replayId);
        const refunds = await pendingRefunds(deps.pool, olderThan, BATCH_MAX);
        for (const refund of refunds) await startRefund(refund);
        const notifications = await neglectedNotifications(deps.pool, olderThan, BATCH_MAX);
        for (const notification of notifications) await deps.successors.notification(notification);
        const starts = await dueWorkflowStarts(deps.pool, BATCH_MAX);
        for (const start of starts) await startEnqueued({ ...deps, client: getClient() }, start);
        return {
          requests: requests.length,
          deliveries: aggregates.length,
          replays: replays.length,
          enqueued: starts.length,
          refunds: refunds.length,
          notifications: notifications.length,
        };
      }),
  };
}

/** What runs goes on; what ended, or never began, begins: every start is a resume. */
const RESUME = {
  workflowIdConflictPolicy: 'USE_EXISTING',
  workflowIdReusePolicy: 'ALLOW_DUPLICATE',
} as const;

async function startOrder(orderId: string): Promise<void> {
  await getClient().workflow.start(WORKFLOW_TYPES.order, {
    ...RESUME,
    workflowId: workflowIds.order(orderId),
    taskQueue: TASK_QUEUES.orders,
    args: [{ orderId }],
  });
}

async function startRefund(refund: { refundId: string; orderId: string }): Promise<void> {
  await getClient().workflow.start(WORKFLOW_TYPES.refund, {
    ...RESUME,
    workflowId: workflowIds.refund(refund.refundId),
    taskQueue: TASK_QUEUES.orders,
    args: [refund],
  });
}
