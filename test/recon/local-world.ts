import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { WorkflowRuns } from '../../src/activities/reconciliation-runs';
import type { Successors } from '../../src/activities/successors';
import type { Channel, ListedMessage } from '../../src/channels/channel';
import { shipmentIdOf } from '../../src/database/ids';
import type { Pool } from '../../src/database/pool';
import type { ShipmentStatus } from '../../src/gateways/carrier';
import { createSimulatedCarrier } from '../../src/gateways/simulated-carrier';
import { createSimulatedPaymentGateway } from '../../src/gateways/simulated-payments';
import { phoneHash } from '../database/place';
import { Lives, publish } from './lives';
import type { ReconcilerDeps } from './reconciler';
import type { World } from './world';

/** What was made now is older than the longest grace of an hour, and what is parked now is not parked for too long. */
const LATER_MS = 2 * 60 * 60 * 1_000;

export interface LocalWorld extends World {
  deps: ReconcilerDeps;
  /** What reconciliation started or woke, in order. */
  started: string[];
  /** Carries out what reconciliation started of undecided work, so that it is at rest again. */
  running: ReadonlySet<string>;
}

/** A world inside of one process: a real database, simulated participants, and workflows that only count as running. */
export function createLocalWorld(pool: Pool): LocalWorld {
  const gateway = createSimulatedPaymentGateway();
  const carrier = createSimulatedCarrier();
  const runs = stubRuns();
  const messages: ListedMessage[] = [];
  const sms: Channel = {
    send: () => Promise.reject(new Error('nobody sends here')),
    find: () => Promise.resolve([]),
    read: () => Promise.resolve(null),
    list: () => Promise.resolve([...messages]),
  };
  const track = (shipmentId: string, status: ShipmentStatus): Promise<void> => {
    if (!carrier.advance(shipmentId, status)) throw new Error('the goods cannot go there');
    return Promise.resolve();
  };
  const lives = new Lives(pool, gateway, carrier, track);
  return {
    pool,
    gateway,
    started: runs.started,
    running: runs.open,
    publish: (orderId) => publish(pool, orderId),
    async order(life) {
      const orderId = await lives.live(life);
      if (life === 'waiting' || life === 'under_way') runs.begin(orderId);
      return orderId;
    },
    loseRun: (orderId) => Promise.resolve(void runs.open.delete(orderId)),
    async takeOver(orderId) {
      await pool.query('update aftercommit.orders set epoch = epoch + 1 where order_id = $1', [orderId]);
    },
    strayRun: (orderId) => Promise.resolve(runs.begin(orderId)),
    strayMessage() {
      const sid = `SM${randomUUID().replaceAll('-', '')}`;
      messages.push({ sid, to: '+14155550199', createdAt: new Date().toISOString() });
      return Promise.resolve(sid);
    },
    moveSilently: (orderId, status) => track(shipmentIdOf(orderId), status),
    deps: {
      pool,
      gateway,
      carrier,
      phoneHash,
      runs,
      channels: { sms },
      participants: { carrier: true, points: true, cart: true },
      successors: stubSuccessors(runs.started),
      now: () => new Date(Date.now() + LATER_MS),
    },
  };
}

interface StubRuns extends WorkflowRuns {
  open: Set<string>;
  started: string[];
  begin(orderId: string): void;
}

/** Workflows that do nothing but run. */
function stubRuns(): StubRuns {
  const open = new Map<string, { runId: string; startedAt: number }>();
  const started: string[] = [];
  const run = (orderId: string, startedAt: number): void =>
    void open.set(orderId, { runId: randomUUID(), startedAt });
  // What was there before anything happened began a minute ago.
  const begin = (orderId: string): void => run(orderId, Date.now() - 60_000);
  const start = (orderId: string): void => {
    started.push(`order/${orderId}`);
    if (!open.has(orderId)) run(orderId, Date.now());
  };
  return {
    open: open as unknown as Set<string>,
    started,
    begin,
    describe(workflowId) {
      const known = open.get(workflowId.slice('order/'.length));
      const gone = { isRunning: false, status: 'GONE', runId: null, startedAt: null, pending: [] };
      return Promise.resolve(
        known === undefined ? gone : { ...known, isRunning: true, status: 'RUNNING', pending: [] },
      );
    },
    wake: ({ options }) => Promise.resolve(void started.push(options.workflowId)),
    startOrder: (orderId) => Promise.resolve(start(orderId)),
    wakeOrder: (orderId) => Promise.resolve(start(orderId)),
    startRefund: ({ refundId }) => Promise.resolve(void started.push(`refund/${refundId}`)),
    terminate(workflowId, runId) {
      const orderId = workflowId.slice('order/'.length);
      if (open.get(orderId)?.runId === runId) open.delete(orderId);
      return Promise.resolve();
    },
    async *runningOrders() {
      for (const orderId of [...open.keys()]) yield await Promise.resolve({ workflowId: `order/${orderId}` });
    },
    client: () => ({}) as Client,
  };
}

function stubSuccessors(started: string[]): Successors {
  const note = (name: string): Promise<void> => Promise.resolve(void started.push(name));
  return {
    delivery: (aggregateId) => note(`deliver/${aggregateId}`),
    notification: ({ notificationId }) => note(`notify/${notificationId}`),
    silence: () => Promise.resolve(),
    replay: (replayId) => note(`replay/${replayId}`),
    order: (orderId) => note(`order/${orderId}`),
    group: (groupId) => note(`group/${groupId}`),
  };
}
