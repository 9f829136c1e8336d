import { getClient } from '@temporalio/activity';
import { unpublishedOrders } from '../database/events';
import { neglectedNotifications } from '../database/notifications';
import type { Pool } from '../database/pool';
import { pendingRefunds } from '../database/refunds';
import { undecidedRequests } from '../database/requests';
import { TASK_QUEUES, WORKFLOW_TYPES, workflowIds } from '../workflows/messages';
import type { Successors } from './deliveries';
import { withHeartbeat } from './heartbeat';

/** Younger than this, somebody is most likely still at work on it. Longer than a commit's deadline (2 min). */
const GRACE_MS = 150_000;
/** One run restarts at most so many; the schedule comes again. */
const BATCH_MAX = 500;

/** How many of each were restarted. */
export interface LeftBehind {
  requests: number;
  deliveries: number;
  refunds: number;
  notifications: number;
}

export interface ReconciliationActivities {
  /** Restarts what nobody works on: requests, deliveries, refunds, messages. A start meets a run that is there. */
  restartLeftBehind(): Promise<LeftBehind>;
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
        const refunds = await pendingRefunds(deps.pool, olderThan, BATCH_MAX);
        for (const refund of refunds) await startRefund(refund);
        const notifications = await neglectedNotifications(deps.pool, olderThan, BATCH_MAX);
        for (const notificationId of notifications) await deps.successors.notification(notificationId);
        return {
          requests: requests.length,
          deliveries: orders.length,
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
