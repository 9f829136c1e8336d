import { getClient } from '@temporalio/activity';
import { unpublishedOrders } from '../database/events';
import type { Pool } from '../database/pool';
import { undecidedRequests } from '../database/requests';
import { TASK_QUEUES, WORKFLOW_TYPES, workflowIds } from '../workflows/messages';
import type { Successors } from './deliveries';
import { withHeartbeat } from './heartbeat';

/** Younger than this, somebody is most likely still at work on it. Longer than a commit's deadline (2 min). */
const GRACE_MS = 150_000;
/** One run restarts at most so many; the schedule comes again. */
const BATCH_MAX = 500;

export interface ReconciliationActivities {
  /** Restarts requests that nobody decided and deliveries that nobody makes. Idempotent: a start meets a running one. */
  restartLeftBehind(): Promise<{ requests: number; deliveries: number }>;
}

export function createReconciliationActivities(deps: {
  pool: Pool;
  successors: Successors;
  now: () => Date;
}): ReconciliationActivities {
  return {
    restartLeftBehind: () =>
      withHeartbeat(async () => {
        const olderThan = new Date(deps.now().getTime() - GRACE_MS).toISOString();
        const requests = await undecidedRequests(deps.pool, olderThan, BATCH_MAX);
        for (const orderId of requests) await startOrder(orderId);
        const orders = await unpublishedOrders(deps.pool, olderThan, BATCH_MAX);
        for (const orderId of orders) await deps.successors.delivery(orderId);
        return { requests: requests.length, deliveries: orders.length };
      }),
  };
}

async function startOrder(orderId: string): Promise<void> {
  await getClient().workflow.start(WORKFLOW_TYPES.order, {
    workflowId: workflowIds.order(orderId),
    taskQueue: TASK_QUEUES.orders,
    args: [{ orderId }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  });
}
