import { getClient } from '@temporalio/activity';
import {
  attemptChanged,
  eventsWritten,
  searchAttributes,
  TASK_QUEUES,
  WORKFLOW_TYPES,
  workflowIds,
} from '../workflows/messages';
import type { Successors } from './deliveries';

/** Signal-with-start through the client of the worker that runs the activity: one call, started or woken, never twice. */
export const successors: Successors = {
  async delivery(orderId) {
    await getClient().workflow.signalWithStart(WORKFLOW_TYPES.delivery, {
      workflowId: workflowIds.delivery(orderId),
      taskQueue: TASK_QUEUES.orders,
      args: [{ orderId }],
      signal: eventsWritten,
      staticSummary: 'deliveries that are not done yet',
      typedSearchAttributes: [{ key: searchAttributes.orderId, value: orderId }],
    });
  },
  async notification(notificationId) {
    await getClient().workflow.signalWithStart(WORKFLOW_TYPES.notification, {
      workflowId: workflowIds.notification(notificationId),
      taskQueue: TASK_QUEUES.notify,
      args: [{ notificationId }],
      signal: attemptChanged,
      staticSummary: 'a message without an outcome yet',
    });
  },
};
