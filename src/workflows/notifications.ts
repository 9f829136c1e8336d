import { condition, continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import { attemptChanged, type NotificationInput } from './messages';
import { continueNotification } from './steps';

/** How it ended, for the Web UI. Absent when an operator has to decide, or nothing was to be done. */
export interface NotificationResult {
  status: string;
  reason: string | null;
}

/**
 * Brings one notification on after its first attempt: one that nobody knows the outcome of is looked up before anything is
 * sent again, one that was certainly not processed is tried again, and after one that did not reach the person the next
 * channel is tried. Reports of the provider wake it. `notify/{notificationId}`.
 */
export async function notificationWorkflow({
  notificationId,
}: NotificationInput): Promise<NotificationResult | undefined> {
  let changed = false;
  setHandler(attemptChanged, () => {
    changed = true;
  });
  for (;;) {
    changed = false;
    const next = await continueNotification({ notificationId });
    if (changed) continue;
    if (next.kind === 'done') return next.result;
    await condition(() => changed, next.waitMs, { summary: next.kind });
    if (workflowInfo().continueAsNewSuggested)
      await continueAsNew<typeof notificationWorkflow>({ notificationId });
  }
}
