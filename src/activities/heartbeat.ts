import { Context } from '@temporalio/activity';

/** Less than a third of the shortest heartbeat timeout (10 s), so that one lost beat fails nothing. */
const HEARTBEAT_EVERY_MS = 3_000;

/** Runs `work` while telling Temporal that this worker is alive, so that a dead one is noticed soon. */
export async function withHeartbeat<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Names this activity over all its attempts: a later attempt recognizes what an earlier one claimed. */
export function activityName(): string {
  const { workflowExecution, activityId } = Context.current().info;
  return `${workflowExecution?.workflowId ?? 'none'}:${workflowExecution?.runId ?? 'none'}:${activityId}`;
}
