import { condition, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow';

const { commitOrder, publishEvent, notifyCustomer } = proxyActivities({ startToCloseTimeout: '10 seconds' });

/** Answers once the order is committed. */
export const committed = defineUpdate('committed');

/** One order, told from top to bottom. */
export async function plainOrderWorkflow(order) {
  let isCommitted = false;
  setHandler(committed, async () => {
    await condition(() => isCommitted);
  });
  await commitOrder(order);
  isCommitted = true;
  await publishEvent(order);
  await notifyCustomer(order);
}
