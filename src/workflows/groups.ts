import { condition, continueAsNew, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import type { GroupProgress } from '../activities/groups';
import { groupChanged, type GroupInput } from './messages';
import { closeGroup, finishGroup } from './steps';

/**
 * How long an unused group is left alone; its process says when it begins to use it later than planned.
 * A run costs nothing while it waits.
 */
const UNUSED_LOOK = '60s';
/** Each look is about ten events of the history; a target that is down for hours makes for hundreds of looks. */
const HISTORY_EVENTS_MAX = 500;

/**
 * Looks after the orders that one process of the flash lane commits in about a second. It runs before the first of them is
 * committed: whatever becomes of the process, the window is closed here, and what it left undone is done here. `group/{groupId}`.
 */
export async function groupWorkflow({
  groupId,
  windowMs,
  graceMs,
  isClosed,
}: GroupInput): Promise<GroupProgress> {
  let changed = false;
  setHandler(groupChanged, () => {
    changed = true;
  });
  const wait = async (time: number | string, summary: string): Promise<void> => {
    await condition(() => changed, time, { summary });
    changed = false;
  };

  if (isClosed !== true) {
    // Opened ahead of need, by about a window; then the window itself, and the time for its first deliveries.
    let time: number | string = 2 * windowMs + graceMs;
    for (;;) {
      await wait(time, 'until the window is over');
      const closing = await closeGroup({ groupId, windowMs: windowMs + graceMs });
      if (closing.kind === 'closed') break;
      time = closing.kind === 'unused' ? UNUSED_LOOK : closing.leftMs;
    }
  }
  for (;;) {
    changed = false;
    const progress = await finishGroup({ groupId });
    show(groupId, progress);
    if (progress.waitMs === null) {
      // Somebody said meanwhile that there is more: it may have come after the look.
      if (changed) continue;
      return progress;
    }
    if (workflowInfo().historyLength > HISTORY_EVENTS_MAX)
      await continueAsNew<typeof groupWorkflow>({ groupId, windowMs, graceMs, isClosed: true });
    await wait(progress.waitMs, 'until the next delivery, message or payment deadline');
  }
}

function show(groupId: string, { counts, waitMs }: GroupProgress): void {
  const lines = [
    `**${waitMs === null ? 'done' : 'closed, not done yet'}**`,
    `orders: ${counts.orders}`,
    `confirmed: ${counts.confirmed}`,
    `waiting for payment: ${counts.waitingForPayment}`,
    `undone: ${counts.undone}`,
    `with a workflow of their own: ${counts.takenOver}`,
    `deliveries open: ${counts.deliveriesOpen}`,
    `messages open: ${counts.messagesOpen}`,
  ];
  setCurrentDetails([`Group \`${groupId}\``, ...lines.map((line) => `- ${line}`)].join('\n'));
}
