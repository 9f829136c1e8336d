import { condition, continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import { eventsWritten, type OrderInput } from './messages';
import { deliverEvents } from './steps';

/**
 * Keeps an order's deliveries going after a first attempt failed, a rule was paused, or the order's own workflow ended.
 * `deliver/{orderId}`, started with a signal by whoever wrote or left something to deliver. Ends when nothing is open.
 */
export async function deliveryWorkflow({ orderId }: OrderInput): Promise<void> {
  let written = false;
  setHandler(eventsWritten, () => {
    written = true;
  });
  for (;;) {
    written = false;
    const { waitMs } = await deliverEvents({ orderId, handOver: false });
    if (written) continue;
    if (waitMs === null) return;
    await condition(() => written, waitMs, { summary: 'until the next delivery is due' });
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof deliveryWorkflow>({ orderId });
  }
}
