import type { Pool } from 'pg';
import { IS_NOT_PAUSED } from './delivery-order';
import { statement } from './transaction';

/** What has not reached its end, as operators look at it. */
export interface Lag {
  /**
   * Per target: what waits or is on its way, and since when the oldest of it that nobody told to wait; a dead letter counts
   * from when it was taken up again. Replays are left out.
   */
  targets: { target: string; ready: number; sending: number; oldestSeconds: number }[];
  /** Dead letters by target. */
  dead: { target: string; count: number }[];
  /** Events whose rules were not evaluated yet. */
  unrouted: { count: number; oldestSeconds: number };
  parkedSteps: number;
  /** The same by why they wait. */
  parkedByReason: { reason: string; count: number }[];
  /** Refunds that nobody has made yet and that no operator has to decide about. */
  pendingRefunds: { count: number; oldestSeconds: number };
  /** Workflows that callers enqueued and that are not started. */
  enqueued: { count: number; oldestSeconds: number };
  pausedRules: number;
  pausedTargets: number;
  disabledTargets: number;
  runningReplays: number;
  /** Messages whose outcome is unknown and that an operator decides about. */
  heldAttempts: number;
  /** Reports of providers on messages that no attempt has. */
  parkedCallbacks: number;
  /** Notifications without an end. */
  pendingNotifications: { count: number; oldestSeconds: number };
}

/** One statement over partial indexes: it reads what is open and dead, never what is done. */
const READ = `
  select
    (select coalesce(json_agg(t), '[]') from (
       select target_name as target, count(*) filter (where state = 'READY') as ready,
              count(*) filter (where state = 'SENDING') as sending,
              coalesce(extract(epoch from now() - min(coalesce(d.redriven_at, d.created_at)) filter (where ${IS_NOT_PAUSED})), 0)::float as "oldestSeconds"
       from aftercommit.deliveries d where state in ('READY', 'SENDING') and replay_id is null group by target_name) as t) as targets,
    (select coalesce(json_agg(t), '[]') from (
       select target_name as target, count(*) as count from aftercommit.deliveries
       where state = 'DEAD' group by target_name) as t) as dead,
    (select json_build_object('count', count(*), 'oldestSeconds', coalesce(extract(epoch from now() - min(created_at)), 0)::float)
     from aftercommit.outbox where routed_at is null) as unrouted,
    (select count(*)::int from aftercommit.parked_steps where state = 'OPEN') as "parkedSteps",
    (select coalesce(json_agg(t), '[]') from (
       select reason, count(*) as count from aftercommit.parked_steps where state = 'OPEN' group by reason) as t) as "parkedByReason",
    (select json_build_object('count', count(*), 'oldestSeconds', coalesce(extract(epoch from now() - min(created_at)), 0)::float)
     from aftercommit.refunds where state = 'PENDING') as "pendingRefunds",
    (select json_build_object('count', count(*), 'oldestSeconds', coalesce(extract(epoch from now() - min(created_at)), 0)::float)
     from aftercommit.workflow_starts where started_at is null) as enqueued,
    (select count(*)::int from aftercommit.rules where state = 'PAUSED') as "pausedRules",
    (select count(*)::int from aftercommit.targets where state = 'PAUSED') as "pausedTargets",
    (select count(*)::int from aftercommit.targets where state = 'DISABLED') as "disabledTargets",
    (select count(*)::int from aftercommit.replays where state = 'RUNNING') as "runningReplays",
    (select count(*)::int from aftercommit.notification_attempts where state = 'HELD') as "heldAttempts",
    (select count(*)::int from aftercommit.provider_callbacks where attempt_id is null) as "parkedCallbacks",
    (select json_build_object('count', count(*), 'oldestSeconds', coalesce(extract(epoch from now() - min(created_at)), 0)::float)
     from aftercommit.notifications where status = 'PENDING') as "pendingNotifications"`;

export interface LagReader {
  /** @throws DatabaseUnavailableError (retryable) */
  current(): Promise<Lag>;
}

/** Probes and scrapes of several may come at once; none of them needs it newer. Milliseconds. */
const FRESH_MS = 2_000;

/** Reads the lag at most once in a while, whoever asks. */
export function createLagReader(pool: Pool): LagReader {
  let known: { at: number; lag: Promise<Lag> } | undefined;
  return {
    current() {
      const now = performance.now();
      if (known !== undefined && now - known.at < FRESH_MS) return known.lag;
      const lag = statement<Lag>(pool, READ, []).then((rows) => rows[0]!);
      known = { at: now, lag };
      lag.catch(() => (known = undefined));
      return lag;
    },
  };
}
