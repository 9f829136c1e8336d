/** One workflow per order as the samples write it: started together with an update that waits for the commit. */
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, WithStartWorkflowOperation } from '@temporalio/client';
import { serve } from './shop.mjs';

const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS });
const client = new Client({ connection });

/** TASK_QUEUE_TYPE_WORKFLOW of Temporal's API. */
const WORKFLOW = 1;
const POLL_MS = 100;

// Orders are taken once there is a worker.
while (!(await isPolled())) await delay(POLL_MS);

async function isPolled() {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: 'default',
    taskQueue: { name: 'plain' },
    taskQueueType: WORKFLOW,
  });
  return pollers.length > 0;
}

await serve(async (order) => {
  const startWorkflowOperation = new WithStartWorkflowOperation('plainOrderWorkflow', {
    workflowId: `order-${order.orderId}`,
    taskQueue: 'plain',
    args: [order],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await client.workflow.executeUpdateWithStart('committed', { startWorkflowOperation });
});
