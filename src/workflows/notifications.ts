import { condition, continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import { attemptChanged, type NotificationInput } from './messages';
import { continueNotification } from './steps';

/**
 * Brings one notification on after its first attempt: one that nobody knows the outcome of is looked up before anything is
 * sent again, one that was certainly not processed is tried again. `notify/{notificationId}`.
 */
export async function notificationWorkflow({ notificationId }: NotificationInput): Promise<void> {
  let changed = false;
  setHandler(attemptChanged, () => {
    changed = true;
  });
  for (;;) {
    changed = false;
    const next = await continueNotification({ notificationId });
    if (changed) continue;
    if (next.kind === 'done') return;
    await condition(() => changed, next.waitMs, { summary: next.kind });
    if (workflowInfo().continueAsNewSuggested)
      await continueAsNew<typeof notificationWorkflow>({ notificationId });
  }
}
