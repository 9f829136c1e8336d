import { randomUUID } from 'node:crypto';
import { createWorkflowRuns, type WorkflowRuns } from '../../src/activities/reconciliation-runs';
import type { Successors } from '../../src/activities/successors';
import { createTwilioChannels } from '../../src/channels/twilio-channels';
import { shipmentIdOf } from '../../src/database/ids';
import { createHttpCarrier } from '../../src/gateways/http-carrier';
import { createHttpPaymentGateway } from '../../src/gateways/http-payments';
import { wakeUps, WORKFLOW_TYPES, workflowIds } from '../../src/workflows/messages';
import type { ShipmentStatus } from '../../src/gateways/carrier';
import { phoneHash } from '../database/place';
import type { Stack } from '../e2e/stack';
import { waitFor } from '../support/wait';
import { Lives, publish } from './lives';
import type { ReconcilerDeps } from './reconciler';
import type { World } from './world';

/** The fake's account takes any token; the sender is one of Twilio's magic numbers. */
const TWILIO = { accountSid: `AC${'0'.repeat(32)}`, authToken: 'fake' };
const SENDER = '+15005550006';
/** The longest grace is an hour; what is parked meanwhile is not parked for too long. */
const LATER_MS = 2 * 60 * 60 * 1_000;

export interface StackWorld extends World {
  deps: ReconcilerDeps;
  runs: WorkflowRuns;
  close(): Promise<void>;
}

/** A world of processes: Temporal, the worker and the participants' fakes. */
export function createStackWorld(stack: Stack): StackWorld {
  const { pool } = stack.database;
  const gateway = createHttpPaymentGateway({ baseUrl: stack.fakeUrls.payments, timeoutMs: 5_000 });
  const carrier = createHttpCarrier({ baseUrl: stack.fakeUrls.carrier, timeoutMs: 5_000 });
  const twilio = createTwilioChannels({
    ...TWILIO,
    from: { sms: SENDER, whatsapp: SENDER, voice: SENDER },
    baseUrl: stack.fakeUrls.twilio,
  });
  const runs = createWorkflowRuns(() => stack.temporal);
  const track = (shipmentId: string, status: ShipmentStatus): Promise<void> =>
    post(`${stack.fakeUrls.carrier}/_tracking`, JSON.stringify({ shipmentId, status }));
  const lives = new Lives(pool, gateway, carrier, track);
  return {
    pool,
    gateway,
    runs,
    publish: (orderId) => publish(pool, orderId),
    async order(life) {
      const orderId = await lives.live(life);
      if (life === 'waiting' || life === 'under_way') await begin(stack, orderId);
      return orderId;
    },
    async loseRun(orderId) {
      const handle = stack.temporal.workflow.getHandle(workflowIds.order(orderId));
      await handle.terminate('planted');
    },
    async takeOver(orderId) {
      await pool.query('update aftercommit.orders set epoch = epoch + 1 where order_id = $1', [orderId]);
      // Further from the run's start than two clocks may differ.
      await pool.query(
        `update aftercommit.order_epochs set raised_at = now() + interval '6 s' where order_id = $1`,
        [orderId],
      );
    },
    async strayRun(orderId) {
      await stack.temporal.workflow.start(WORKFLOW_TYPES.order, {
        workflowId: workflowIds.order(orderId),
        taskQueue: 'nobody-polls-this',
        args: [{ orderId }],
      });
    },
    strayMessage: () => strayMessage(stack),
    moveSilently: (orderId, status) => track(shipmentIdOf(orderId), status),
    deps: {
      pool,
      gateway,
      carrier,
      phoneHash,
      runs,
      channels: twilio.channels,
      participants: { carrier: true, points: true, cart: true },
      successors: successorsOf(runs),
      now: () => new Date(Date.now() + LATER_MS),
    },
    async close() {
      twilio.close();
      await carrier.close();
      await gateway.close();
    },
  };
}

/** Starts the order's run and waits until it knows where it stands. */
async function begin(stack: Stack, orderId: string): Promise<void> {
  const { workflowType, options } = wakeUps.order(orderId);
  const handle = await stack.temporal.workflow.signalWithStart(workflowType, options);
  await waitFor(`the run of ${orderId} waits`, async () => {
    const { raw } = await handle.describe();
    const isIdle = (raw.pendingActivities ?? []).length === 0 && raw.pendingWorkflowTask == null;
    return isIdle && Number(raw.workflowExecutionInfo?.historyLength ?? 0) > 8;
  });
}

async function strayMessage(stack: Stack): Promise<string> {
  const { accountSid, authToken } = TWILIO;
  const response = await fetch(`${stack.fakeUrls.twilio}/2010-04-01/Accounts/${accountSid}/Messages.json`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ To: '+14155550123', From: SENDER, Body: `stray ${randomUUID()}` }),
  });
  const { sid } = (await response.json()) as { sid?: string };
  if (sid === undefined) throw new Error(`the fake made no message: ${response.status}`);
  return sid;
}

function successorsOf(runs: WorkflowRuns): Successors {
  return {
    delivery: (aggregateId) => runs.wake(wakeUps.delivery(aggregateId)),
    notification: (notification) => runs.wake(wakeUps.notification(notification)),
    silence: () => Promise.resolve(),
    replay: (replayId) => runs.wake(wakeUps.replay(replayId)),
    order: (orderId) => runs.wake(wakeUps.order(orderId)),
    group: (groupId) => runs.wake(wakeUps.group(groupId)),
  };
}

async function post(url: string, body: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', body });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}
