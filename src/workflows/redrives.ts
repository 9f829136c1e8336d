import { continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { RedriveInput } from './messages';
import { redriveDeadLetters } from './steps';

/** Takes dead letters up again, some at a time, and wakes the workflows that deliver them. `redrive/{redriveId}`. */
export async function redriveWorkflow({ redriveId }: RedriveInput): Promise<void> {
  for (;;) {
    const { takenUp } = await redriveDeadLetters({ redriveId });
    if (takenUp === 0) return;
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof redriveWorkflow>({ redriveId });
  }
}
