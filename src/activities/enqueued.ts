import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import { recordStartFailed, recordWorkflowStarted, type WorkflowStart } from '../database/enqueued';
import type { Pool } from '../database/pool';
import type { Logger } from '../log';

/**
 * Starts a workflow that a caller enqueued inside a transaction of its own. Once: Temporal refuses a second run of the id,
 * running or closed, and that counts as started. A failure is remembered in the row, for operators, with when it is tried
 * again.
 * @returns false when it is to be tried again
 */
export async function startEnqueued(
  deps: { pool: Pool; client: Client; log: Pick<Logger, 'warn'> },
  start: WorkflowStart,
): Promise<boolean> {
  const { workflowId, workflowType, taskQueue, input } = start;
  try {
    await deps.client.workflow.start(workflowType, {
      workflowId,
      taskQueue,
      args: [input],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) {
      const message = error instanceof Error ? error.message : String(error);
      deps.log.warn({ workflowId, error: message }, 'an enqueued workflow could not be started');
      await recordStartFailed(deps.pool, workflowId, message);
      return false;
    }
  }
  await recordWorkflowStarted(deps.pool, workflowId);
  return true;
}
