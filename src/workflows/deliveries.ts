import { condition, continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow';
import { eventsWritten, type DeliveryInput } from './messages';
import { deliverEvents } from './steps';

/**
 * Keeps the deliveries of an order, or of a subject of callers' own events, going after a first attempt failed or the
 * workflow that wrote the events ended. `deliver/{aggregateId}`, started with a signal by whoever wrote or left something to
 * deliver. Ends when nothing is due; whoever resumes a rule or a target starts it again for what waited.
 */
export async function deliveryWorkflow({ aggregateId }: DeliveryInput): Promise<void> {
  let written = false;
  setHandler(eventsWritten, () => {
    written = true;
  });
  for (;;) {
    written = false;
    const { waitMs } = await deliverEvents({ aggregateId, handOver: false });
    if (written) continue;
    if (waitMs === null) return;
    await condition(() => written, waitMs, { summary: 'until the next delivery is due' });
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof deliveryWorkflow>({ aggregateId });
  }
}
