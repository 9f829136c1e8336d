import type { Client } from '@temporalio/client';
import { ServiceError } from '@temporalio/client';
import type { DeliveryDeps } from '../../src/activities/deliveries';
import { createRecords } from '../../src/activities/records';
import { createRuleBook } from '../../src/activities/rules';
import type { Successors } from '../../src/activities/successors';
import { createTemplateBook } from '../../src/activities/templates';
import type { SendOutcome, Target, TargetRequest } from '../../src/bus/targets/target';
import type { OutgoingMessage, SendResult } from '../../src/channels/channel';
import { putRule } from '../../src/database/rules';
import type { Pool } from '../../src/database/pool';
import { DEFAULT_RETRY_POLICY } from '../../src/domain/deliveries';
import { DEFAULT_NOTIFICATION_WAITS } from '../../src/domain/notifications';
import { logTargets } from '../database/bus-fixtures';
import { silentLog } from '../support/database';

/** Stands for Temporal where a test is about who starts what, and when. */
export interface StubTemporal {
  client: Client;
  /** Ids of the workflows that were started, and of those that were signalled, in order. */
  started: string[];
  signalled: string[];
  /** Nothing is heard from it. */
  isAway: boolean;
  /** Runs before a start is acknowledged. */
  onStart: (workflowId: string) => Promise<unknown>;
}

export function stubTemporal(): StubTemporal {
  const stub: Omit<StubTemporal, 'client'> & { client?: Client } = {
    started: [],
    signalled: [],
    isAway: false,
    onStart: () => Promise.resolve(),
  };
  const reach = (): void => {
    if (stub.isAway) throw new ServiceError('14 UNAVAILABLE');
  };
  const client = {
    withDeadline: (_deadline: number, work: () => Promise<unknown>) => work(),
    workflow: {
      async start(_type: string, { workflowId }: { workflowId: string }) {
        reach();
        await stub.onStart(workflowId);
        stub.started.push(workflowId);
      },
      // eslint-disable-next-line @typescript-eslint/require-await -- as the client's does
      async signalWithStart(_type: string, { workflowId }: { workflowId: string }) {
        reach();
        stub.signalled.push(workflowId);
      },
    },
  };
  return Object.assign(stub, { client: client as unknown as Client });
}

export const fine: SendOutcome = { kind: 'delivered', status: 200, latencyMs: 1 };
export const failed: SendOutcome = {
  kind: 'retry',
  status: 500,
  latencyMs: 1,
  code: 'http_500',
  message: 'no',
};

/** The world outside: targets and a channel that do what the test says, and remember what they were asked for. */
export interface World {
  deps: DeliveryDeps;
  /** The targets' answers. Default: all are delivered. */
  answer: (target: string, request: TargetRequest) => SendOutcome | Promise<SendOutcome>;
  /** The provider's answers. Default: all are accepted. */
  message: (message: OutgoingMessage) => SendResult;
  /** `target orderId` of each send, in order. */
  sent: string[];
  /** Ids of the attempts whose message was handed over. */
  told: string[];
  /** What was started or woken: `order id`, `notification id`, `delivery id`, `group id`. */
  woken: string[];
  /** Nothing can be started. */
  isTemporalAway: boolean;
}

export function createWorld(pool: Pool): World {
  const world: Omit<World, 'deps'> & { deps?: DeliveryDeps } = {
    answer: () => fine,
    message: ({ attemptId }) => ({
      kind: 'accepted',
      sid: `SM-${attemptId}`,
      status: 'queued',
      latencyMs: 1,
    }),
    sent: [],
    told: [],
    woken: [],
    isTemporalAway: false,
  };
  const wake = (what: string): Promise<void> =>
    world.isTemporalAway
      ? Promise.reject(new ServiceError('14 UNAVAILABLE'))
      : Promise.resolve(void world.woken.push(what));
  const successors: Successors = {
    delivery: (id) => wake(`delivery ${id}`),
    notification: ({ orderId }) => wake(`notification ${orderId}`),
    silence: () => Promise.resolve(),
    replay: (id) => wake(`replay ${id}`),
    order: (id) => wake(`order ${id}`),
    group: (id) => wake(`group ${id}`),
  };
  const targetOf = (name: string): Target => ({
    send: async (request) => {
      world.sent.push(`${name} ${request.event.detail.orderId}`);
      return world.answer(name, request);
    },
    close: () => Promise.resolve(),
  });
  const state = {
    retry: DEFAULT_RETRY_POLICY,
    ratePerSecond: null,
    state: 'ENABLED',
    takesPersonalData: true,
  } as const;
  const deps: DeliveryDeps = {
    pool,
    log: silentLog,
    records: createRecords(pool),
    targets: {
      open: (name) => Promise.resolve({ ...state, target: targetOf(name) }),
      close: () => Promise.resolve(),
    },
    successors,
    rules: createRuleBook(pool),
    templates: createTemplateBook(pool),
    channels: {
      sms: {
        send: (message) => {
          world.told.push(message.attemptId);
          return Promise.resolve(world.message(message));
        },
        find: () => Promise.resolve([]),
        read: () => Promise.resolve(null),
      },
    },
    reachRules: {
      configured: new Set(['sms']),
      countries: null,
      dailyMax: null,
      timeZone: 'UTC',
      quietHours: null,
    },
    channelRates: {},
    waits: DEFAULT_NOTIFICATION_WAITS,
    providerTimeoutMs: 1_000,
    silence: { watch: () => Promise.resolve() },
    metrics: {
      delivered: () => undefined,
      deliveryAttempt: () => undefined,
      notificationAttempt: () => undefined,
      notificationSettled: () => undefined,
    },
    now: () => new Date(),
    random: () => 0.5,
  };
  return Object.assign(world, { deps });
}

/** All events of orders go to this target. The first call takes away the rules that are there from the start. */
export async function routeTo(pool: Pool, target: string): Promise<void> {
  await pool.query(`delete from aftercommit.rules where not name like 'to-%'`);
  await logTargets(pool, [target]);
  await putRule(pool, {
    name: `to-${target}`,
    description: null,
    pattern: { source: ['ecommerce.orders'] },
    state: 'ENABLED',
    targets: [{ target, transformer: null }],
    actor: 'test',
  });
}

/** What the test opens when it likes, for answers that are to wait. */
export function gate(): { open: () => void; opened: Promise<void> } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}
