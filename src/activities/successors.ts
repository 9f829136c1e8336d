import type { Client } from '@temporalio/client';
import type { BacklogOwner } from '../database/backlog';
import type { NotificationRef } from '../database/notifications';
import { TASK_QUEUES, wakeUps, WORKFLOW_TYPES, workflowIds, type WakeUp } from '../workflows/messages';

/** Starts, or wakes, the workflows that go on with what an activity (or a first delivery outside of one) leaves behind. */
export interface Successors {
  /** @param aggregateId - of an order, or of a subject of callers' own events */
  delivery(aggregateId: string): Promise<void>;
  notification(notification: NotificationRef): Promise<void>;
  /** Looks after the messages that are silent by then. @param until - epoch milliseconds */
  silence(until: number): Promise<void>;
  replay(replayId: string): Promise<void>;
  /** The order goes on by a workflow of its own. */
  order(orderId: string): Promise<void>;
  /** A closed group of the flash lane has something to do again. */
  group(groupId: string): Promise<void>;
}

/** Wakes whoever the deliveries belong to; each of them once. */
export async function wakeOwners(successors: Successors, owners: readonly BacklogOwner[]): Promise<void> {
  const replays = new Set(owners.flatMap(({ replayId }) => (replayId === null ? [] : [replayId])));
  const first = owners.filter(({ replayId }) => replayId === null);
  const groups = new Set(first.flatMap(({ groupId }) => (groupId === null ? [] : [groupId])));
  const aggregates = new Set(
    first.flatMap(({ aggregateId, groupId }) => (groupId === null ? [aggregateId] : [])),
  );
  await Promise.all([
    ...[...replays].map((replayId) => successors.replay(replayId)),
    ...[...groups].map((groupId) => successors.group(groupId)),
    ...[...aggregates].map((aggregateId) => successors.delivery(aggregateId)),
  ]);
}

/** @param client - of the process: of its worker, or of an API that delivers by itself */
export function createSuccessors(client: () => Client): Successors {
  const wake = async <Input>({ workflowType, options }: WakeUp<Input>): Promise<void> => {
    await client().workflow.signalWithStart(workflowType, options);
  };
  return {
    delivery: (aggregateId) => wake(wakeUps.delivery(aggregateId)),
    notification: (notification) => wake(wakeUps.notification(notification)),
    // Of any number of senders, the first one starts it.
    silence: async (until) => {
      await client().workflow.start(WORKFLOW_TYPES.silence, {
        workflowId: workflowIds.silence({ until }),
        taskQueue: TASK_QUEUES.notify,
        args: [{ until }],
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        staticSummary: 'messages that nobody reports on',
      });
    },
    replay: (replayId) => wake(wakeUps.replay(replayId)),
    order: (orderId) => wake(wakeUps.order(orderId)),
    group: (groupId) => wake(wakeUps.group(groupId)),
  };
}
