/**
 * DBOS Transact: one workflow per order, the commit and two steps. The caller is answered in the process that runs the
 * workflow, which is faster for DBOS than its own events. The commit is a step too: it can be repeated, so it needs no
 * data source, which would cost it two statements more. With GROUP_MAX above 1, requests that come together share one
 * transaction and one workflow.
 */
import { randomUUID } from 'node:crypto';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { Coalescer } from './coalescer.mjs';
import { notify, placeOrder, placeOrders, publish, record, recordAll, serve } from './shop.mjs';

const { DATABASE_URL } = process.env;
const GROUP_MAX = Number(process.env.GROUP_MAX ?? '1');
/** Groups at a time: while two commit, the next one gathers. */
const GROUPS_RUNNING_MAX = 2;
/** Sends of one group at a time. */
const IN_FLIGHT_MAX = 16;
/** The default of 10 is below the 20 of the other arms. */
const POOL_SIZE = 20;

/** What resolves the caller of a workflow, in the process that runs it. */
const callers = new Map();

const orderWorkflow = DBOS.registerWorkflow(
  async (order) => {
    await DBOS.runStep(() => placeOrder(order), { name: 'place' });
    callers.get(order.orderId)?.();
    await DBOS.runStep(() => publish(order), { name: 'publish', retriesAllowed: true });
    await DBOS.runStep(async () => record(order.orderId, await notify(order)), {
      name: 'notify',
      retriesAllowed: true,
    });
  },
  { name: 'order' },
);

const groupWorkflow = DBOS.registerWorkflow(
  async (groupId, orders) => {
    const placed = await DBOS.runStep(async () => [...(await placeOrders(orders))], { name: 'place' });
    callers.get(groupId)?.(placed);
    const accepted = orders.filter(({ orderId }) => placed.includes(orderId));
    await DBOS.runStep(() => inLanes(accepted, publish), { name: 'publish', retriesAllowed: true });
    await DBOS.runStep(() => notifyAll(accepted), { name: 'notify', retriesAllowed: true });
    return placed;
  },
  { name: 'group' },
);

async function notifyAll(orders) {
  const sids = await inLanes(orders, notify);
  await recordAll(orders.map(({ orderId }, index) => ({ orderId, sid: sids[index] })));
}

async function inLanes(orders, send) {
  const answers = [];
  let next = 0;
  const lane = async () => {
    while (next < orders.length) {
      const index = next++;
      answers[index] = await send(orders[index]);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, lane));
  return answers;
}

/**
 * Starts a workflow and waits until it is committed: it says so itself, or has ended, as one that an earlier request
 * started.
 */
async function untilCommitted(workflowID, start) {
  const committed = new Promise((resolve) => callers.set(workflowID, resolve));
  try {
    const handle = await start();
    return await Promise.race([committed, handle.getResult()]);
  } finally {
    callers.delete(workflowID);
  }
}

async function placeAlone(order) {
  const workflowID = order.orderId;
  await untilCommitted(workflowID, () => DBOS.startWorkflow(orderWorkflow, { workflowID })(order));
}

const groups = new Coalescer({ carry: placeTogether, groupMax: GROUP_MAX, runningMax: GROUPS_RUNNING_MAX });

async function placeTogether(orders) {
  const workflowID = randomUUID();
  const start = () => DBOS.startWorkflow(groupWorkflow, { workflowID })(workflowID, orders);
  const placed = new Set(await untilCommitted(workflowID, start));
  return orders.map(({ orderId }) => placed.has(orderId));
}

async function placeInGroup(order) {
  const isPlaced = await groups.add(order);
  if (!isPlaced) throw Object.assign(new Error('out of stock'), { code: 'OS001' });
}

DBOS.setConfig({
  name: 'bench',
  systemDatabaseUrl: DATABASE_URL,
  systemDatabasePoolSize: POOL_SIZE,
  logLevel: 'warn',
});
await DBOS.launch();
await serve(GROUP_MAX > 1 ? placeInGroup : placeAlone);
