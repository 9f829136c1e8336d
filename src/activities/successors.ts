import { getClient } from '@temporalio/activity';
import type { BacklogOwner } from '../database/backlog';
import {
  attemptChanged,
  eventsWritten,
  replayChanged,
  searchAttributes,
  TASK_QUEUES,
  WORKFLOW_TYPES,
  workflowIds,
} from '../workflows/messages';

/** Starts, or wakes, the workflows that go on with what an activity leaves behind. */
export interface Successors {
  /** @param aggregateId - of an order, or of a subject of callers' own events */
  delivery(aggregateId: string): Promise<void>;
  notification(notificationId: string): Promise<void>;
  replay(replayId: string): Promise<void>;
}

/** Wakes whoever the deliveries belong to; each of them once. */
export async function wakeOwners(successors: Successors, owners: readonly BacklogOwner[]): Promise<void> {
  const replays = new Set(owners.flatMap(({ replayId }) => (replayId === null ? [] : [replayId])));
  const aggregates = new Set(
    owners.flatMap(({ aggregateId, replayId }) => (replayId === null ? [aggregateId] : [])),
  );
  await Promise.all([
    ...[...replays].map((replayId) => successors.replay(replayId)),
    ...[...aggregates].map((aggregateId) => successors.delivery(aggregateId)),
  ]);
}

/** The client of the worker that runs the activity. */
export const currentClient = getClient;

/** Signal-with-start through the client of the worker that runs the activity: one call, started or woken, never twice. */
export const successors: Successors = {
  async delivery(aggregateId) {
    await getClient().workflow.signalWithStart(WORKFLOW_TYPES.delivery, {
      workflowId: workflowIds.delivery(aggregateId),
      taskQueue: TASK_QUEUES.orders,
      args: [{ aggregateId }],
      signal: eventsWritten,
      staticSummary: 'deliveries that are not done yet',
      typedSearchAttributes: [{ key: searchAttributes.orderId, value: aggregateId }],
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
  async replay(replayId) {
    await getClient().workflow.signalWithStart(WORKFLOW_TYPES.replay, {
      workflowId: workflowIds.replay(replayId),
      taskQueue: TASK_QUEUES.maintenance,
      args: [{ replayId }],
      signal: replayChanged,
      staticSummary: 'events sent again out of the archive',
    });
  },
};
