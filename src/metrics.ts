import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Lag, LagReader } from './database/lag';
import type { Settled } from './database/notification-settling';

/** What one process counts of its own work. Times in seconds, as Prometheus has them. */
export interface Metrics {
  /** One attempt for one event. */
  deliveryAttempt(attempt: {
    target: string;
    result: 'delivered' | 'retry' | 'dead';
    code: string | null;
  }): void;
  /** From the commit of an event to its delivery, in milliseconds. */
  delivered(target: string, lagMs: number): void;
  /** One call to a provider. */
  notificationAttempt(attempt: {
    channel: string;
    result: 'accepted' | 'rejected' | 'unsent' | 'ambiguous';
  }): void;
  /** What followed from a change of an attempt. */
  notificationSettled(settled: Pick<Settled, 'fallback' | 'resolved' | 'ended'>): void;
  /** One report of a provider. `status` is one that is known, else `unknown`; `known`: an attempt has the message. */
  providerCallback(report: { channel: string; status: string; known: boolean }): void;
  httpRequest(request: { method: string; route: string; status: number; durationMs: number }): void;
  /** Everything in Prometheus's text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Milliseconds to hours: lag is milliseconds while targets keep up and hours when one is down. */
const LAG_BUCKETS_SECONDS = [
  0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600,
];
const REQUEST_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

/** @param lag - read from the database at each scrape */
export function createMetrics(lag: LagReader): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const registers = [register];
  const attempts = new Counter({
    name: 'aftercommit_delivery_attempts_total',
    help: 'Attempts to deliver an event, by what came of them',
    labelNames: ['target', 'result', 'code'],
    registers,
  });
  const deliveryLag = new Histogram({
    name: 'aftercommit_delivery_lag_seconds',
    help: 'From the commit of an event to its delivery',
    labelNames: ['target'],
    buckets: LAG_BUCKETS_SECONDS,
    registers,
  });
  const requests = new Histogram({
    name: 'aftercommit_http_request_duration_seconds',
    help: 'Requests to the API, by route',
    labelNames: ['method', 'route', 'status'],
    buckets: REQUEST_BUCKETS_SECONDS,
    registers,
  });
  const gauges = lagGauges(registers);
  const notifications = notificationCounters(registers);
  return {
    ...notifications,
    deliveryAttempt: ({ target, result, code }) => attempts.inc({ target, result, code: code ?? '' }),
    delivered: (target, lagMs) => deliveryLag.observe({ target }, Math.max(0, lagMs) / 1_000),
    httpRequest: ({ method, route, status, durationMs }) =>
      requests.observe({ method, route, status: String(status) }, durationMs / 1_000),
    async text() {
      gauges.show(await lag.current().catch(() => null));
      return register.metrics();
    },
    contentType: register.contentType,
  };
}

/** What became of messages to people. Exact figures over a time are in the database: GET /v1/notifications/counts. */
function notificationCounters(
  registers: Registry[],
): Pick<Metrics, 'notificationAttempt' | 'notificationSettled' | 'providerCallback'> {
  const counter = (name: string, help: string, labelNames: string[]): Counter =>
    new Counter({ name: `aftercommit_${name}_total`, help, labelNames, registers });
  const attempts = counter('notification_attempts', 'Calls to providers, by what came of them', [
    'channel',
    'result',
  ]);
  const fallbacks = counter('notification_fallbacks', 'Channels that were tried instead of one that failed', [
    'from',
    'to',
    'reason',
  ]);
  const resolved = counter(
    'ambiguous_attempts_resolved',
    'Attempts whose outcome was not known, by what told it',
    ['channel', 'by'],
  );
  const ended = counter('notifications_ended', 'Notifications that ended, by how and why', [
    'status',
    'reason',
  ]);
  const callbacks = counter('provider_callbacks', 'Reports of providers', ['channel', 'status', 'known']);
  return {
    notificationAttempt: (attempt) => attempts.inc(attempt),
    notificationSettled: ({ fallback, resolved: definite, ended: end }) => {
      // Label by label: an object with one member more would be refused, long after its row was committed.
      if (fallback !== null)
        fallbacks.inc({ from: fallback.from, to: fallback.to, reason: fallback.reason ?? '' });
      if (definite !== null) resolved.inc({ channel: definite.channel, by: definite.by });
      if (end !== null) ended.inc({ status: end.status, reason: end.reason ?? '' });
    },
    providerCallback: ({ channel, status, known }) =>
      callbacks.inc({ channel, status, known: String(known) }),
  };
}

/** What all processes see alike in the database: alert on the maximum over them, never on the sum. */
function lagGauges(registers: Registry[]): { show(lag: Lag | null): void } {
  const all: Gauge[] = [];
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge => {
    const made = new Gauge({ name: `aftercommit_${name}`, help, labelNames, registers });
    all.push(made);
    return made;
  };
  const up = gauge('database_up', '1 when the figures of the database could be read');
  const oldest = gauge('undelivered_oldest_seconds', 'Age of the oldest delivery that is not done', [
    'target',
  ]);
  const rows = gauge('deliveries', 'Deliveries that are not done, and dead letters', ['target', 'state']);
  const unrouted = gauge('unrouted_events', 'Events whose rules were not evaluated yet');
  const unroutedOldest = gauge('unrouted_oldest_seconds', 'Age of the oldest of them');
  const parked = gauge('parked_steps', 'Steps that wait for an operator', ['reason']);
  const refunds = gauge('pending_refunds', 'Refunds that are not made yet');
  const refundOldest = gauge('refund_oldest_pending_seconds', 'Age of the oldest of them');
  const enqueued = gauge('enqueued_workflows', 'Workflows that callers enqueued and that are not started');
  const enqueuedOldest = gauge('enqueued_oldest_seconds', 'Age of the oldest of them');
  const rules = gauge('paused_rules', 'Rules that are paused');
  const targets = gauge('targets_stopped', 'Targets that are paused or disabled', ['state']);
  const replays = gauge('running_replays', 'Replays that run');
  const held = gauge('held_attempts', 'Messages of unknown outcome that wait for an operator');
  const unknown = gauge('parked_callbacks', 'Reports of providers on messages that nobody knows');
  const pending = gauge('pending_notifications', 'Notifications without an end');
  const pendingOldest = gauge('pending_notification_oldest_seconds', 'Age of the oldest of them');
  return {
    show(lag) {
      // Old figures must not look like new ones: without the database there are none.
      for (const one of all) one.reset();
      up.set(lag === null ? 0 : 1);
      if (lag === null) return;
      for (const { target, ready, sending, oldestSeconds } of lag.targets) {
        oldest.set({ target }, oldestSeconds);
        rows.set({ target, state: 'READY' }, ready);
        rows.set({ target, state: 'SENDING' }, sending);
      }
      for (const { target, count } of lag.dead) rows.set({ target, state: 'DEAD' }, count);
      unrouted.set(lag.unrouted.count);
      unroutedOldest.set(lag.unrouted.oldestSeconds);
      for (const { reason, count } of lag.parkedByReason) parked.set({ reason }, count);
      refunds.set(lag.pendingRefunds.count);
      refundOldest.set(lag.pendingRefunds.oldestSeconds);
      enqueued.set(lag.enqueued.count);
      enqueuedOldest.set(lag.enqueued.oldestSeconds);
      rules.set(lag.pausedRules);
      targets.set({ state: 'PAUSED' }, lag.pausedTargets);
      targets.set({ state: 'DISABLED' }, lag.disabledTargets);
      replays.set(lag.runningReplays);
      held.set(lag.heldAttempts);
      unknown.set(lag.parkedCallbacks);
      pending.set(lag.pendingNotifications.count);
      pendingOldest.set(lag.pendingNotifications.oldestSeconds);
    },
  };
}
