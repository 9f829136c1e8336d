import { condition, continueAsNew, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { replayChanged, type ReplayInput } from './messages';
import { sendReplay } from './steps';

/**
 * Sends events again out of the archive, in order per order, at the replay's rate. `replay/{replayId}`. How far it is
 * stands in PostgreSQL, so that every start is a resume. Waits while it is paused; ends completed or cancelled.
 */
export async function replayWorkflow({ replayId }: ReplayInput): Promise<void> {
  let changed = false;
  setHandler(replayChanged, () => {
    changed = true;
  });
  for (;;) {
    changed = false;
    const { state, waitMs } = await sendReplay({ replayId });
    setCurrentDetails(`Replay \`${replayId}\`: **${state.toLowerCase()}**`);
    if (changed) continue;
    if (state === 'PAUSED') await condition(() => changed);
    else if (waitMs === null) return;
    else await condition(() => changed, waitMs, { summary: 'until the next delivery is due' });
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof replayWorkflow>({ replayId });
  }
}
