import { getClient } from '@temporalio/activity';
import type { BacklogOwner } from '../database/backlog';
import type { NotificationRef } from '../database/notifications';
import { TASK_QUEUES, wakeUps, WORKFLOW_TYPES, workflowIds, type WakeUp } from '../workflows/messages';

/** Starts, or wakes, the workflows that go on with what an activity leaves behind. */
export interface Successors {
  /** @param aggregateId - of an order, or of a subject of callers' own events */
  delivery(aggregateId: string): Promise<void>;
  notification(notification: NotificationRef): Promise<void>;
  /** Looks after the messages that are silent by then. @param until - epoch milliseconds */
  silence(until: number): Promise<void>;
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

/** Through the client of the worker that runs the activity. */
export const successors: Successors = {
  delivery: (aggregateId) => wake(wakeUps.delivery(aggregateId)),
  notification: (notification) => wake(wakeUps.notification(notification)),
  silence: startSilence,
  replay: (replayId) => wake(wakeUps.replay(replayId)),
};

async function wake<Input>({ workflowType, options }: WakeUp<Input>): Promise<void> {
  await getClient().workflow.signalWithStart(workflowType, options);
}

/** Of any number of senders, the first one starts it. */
async function startSilence(until: number): Promise<void> {
  await getClient().workflow.start(WORKFLOW_TYPES.silence, {
    workflowId: workflowIds.silence({ until }),
    taskQueue: TASK_QUEUES.notify,
    args: [{ until }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    staticSummary: 'messages that nobody reports on',
  });
}
