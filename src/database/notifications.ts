import type { Pool } from 'pg';
import type { AttemptState, LatestAttempt, Template } from '../domain/notifications';
import { attemptIdOf } from './ids';
import { statement, transaction } from './transaction';

/** An attempt that this sender alone may make, with what it needs. Holds personal data: never return it to a workflow. */
export interface ClaimedAttempt {
  attemptId: string;
  notificationId: string;
  orderId: string;
  n: number;
  /** Which call of this attempt it is: 1 unless the ones before were certainly not processed. */
  sends: number;
  channel: string;
  template: Template;
  /** Null once the person was erased. */
  to: string | null;
  /** How often the provider was asked for it. */
  lookUps: number;
  /** RFC 3339: when it was claimed. */
  startedAt: string;
  facts: { amountMinor?: number; currency?: string };
}

const CLAIMED = `
  select c.attempt_id as "attemptId", c.notification_id as "notificationId", c.order_id as "orderId", c.n, c.sends, c.channel,
         t.template, k.phone as "to", c.look_ups as "lookUps", c.started_at as "startedAt",
         json_build_object('amountMinor', o.payload -> 'amountMinor', 'currency', o.payload -> 'currency') as facts
  from claimed c
  join aftercommit.notifications t using (notification_id)
  join aftercommit.outbox o on o.id = t.event_id
  left join aftercommit.order_contacts k on k.order_id = c.order_id`;

/**
 * Claims attempts in one statement: of any number of senders, one gets each. `READY` is certainly unsent.
 * @param claim.attemptId - only this one; else all that are due of the order
 */
export async function claimAttempts(
  pool: Pool,
  claim: { orderId?: string; attemptId?: string; claimedBy: string; sendForMs: number },
): Promise<ClaimedAttempt[]> {
  return statement<ClaimedAttempt>(
    pool,
    `with claimed as (
       update aftercommit.notification_attempts
       set state = 'SENDING', claimed_by = $3, send_until = now() + $4 * interval '1 millisecond', started_at = now(), sends = sends + 1
       where state = 'READY' and next_attempt_at <= now()
         and ($1::uuid is null or order_id = $1) and ($2::uuid is null or attempt_id = $2)
       returning *)
     ${CLAIMED}`,
    [claim.orderId ?? null, claim.attemptId ?? null, claim.claimedBy, claim.sendForMs],
  );
}

/** The same facts of an attempt whose outcome is unknown, to look it up with. */
export async function readAmbiguousAttempt(pool: Pool, attemptId: string): Promise<ClaimedAttempt | null> {
  const [row] = await statement<ClaimedAttempt>(
    pool,
    `with claimed as (select * from aftercommit.notification_attempts where attempt_id = $1 and state = 'AMBIGUOUS') ${CLAIMED}`,
    [attemptId],
  );
  return row ?? null;
}

export interface AttemptResult {
  state: Exclude<AttemptState, 'SENDING' | 'HELD'>;
  messageSid?: string | undefined;
  providerStatus?: string | undefined;
  code?: string | undefined;
  message?: string | undefined;
  latencyMs?: number | undefined;
  /** Only for READY: in how many milliseconds it may be tried again. */
  retryInMs?: number | undefined;
}

/** States that a result may replace: an accepted message stays accepted, whatever a late or lost sender reports. */
const MAY_REPLACE: Record<AttemptResult['state'], AttemptState[]> = {
  ACCEPTED: ['SENDING', 'AMBIGUOUS', 'HELD'],
  REJECTED: ['SENDING', 'AMBIGUOUS'],
  AMBIGUOUS: ['SENDING'],
  READY: ['SENDING'],
};

/** Stores what came of a call. A late result still stores its sid. Idempotent. */
export async function recordAttempt(pool: Pool, attemptId: string, result: AttemptResult): Promise<void> {
  await transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `update aftercommit.notification_attempts
       set state = $2, message_sid = coalesce($3, message_sid), provider_status = coalesce($4, provider_status), error_code = $5,
           error = $6, latency_ms = coalesce($7, latency_ms), send_until = null,
           was_ambiguous = was_ambiguous or $2 = 'AMBIGUOUS',
           next_attempt_at = case when $8::float is null then next_attempt_at else now() + $8 * interval '1 millisecond' end,
           finished_at = case when $2 in ('ACCEPTED', 'REJECTED') then now() end
       where attempt_id = $1
         and (state = any($9) or ($2 = 'ACCEPTED' and state = 'REJECTED' and error_code = 'not_found_at_provider'))`,
      [
        attemptId,
        result.state,
        result.messageSid ?? null,
        result.providerStatus ?? null,
        result.code ?? null,
        result.message ?? null,
        result.latencyMs ?? null,
        result.retryInMs ?? null,
        MAY_REPLACE[result.state],
      ],
    );
    if (rowCount === 0 || result.state !== 'REJECTED') return;
    await client.query(
      `update aftercommit.notifications set status = 'UNREACHED', updated_at = now()
       where status = 'PENDING' and notification_id = (select notification_id from aftercommit.notification_attempts where attempt_id = $1)`,
      [attemptId],
    );
  });
}

/** A claim whose sender is gone: from now on its outcome is unknown. Idempotent. */
export async function declareAmbiguous(pool: Pool, attemptId: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.notification_attempts
     set state = 'AMBIGUOUS', was_ambiguous = true, error_code = 'no_outcome', send_until = null
     where attempt_id = $1 and state = 'SENDING'`,
    [attemptId],
  );
}

/** The person was erased before anything was sent: there is nobody to tell. Idempotent. */
export async function suppressAttempt(pool: Pool, attemptId: string): Promise<void> {
  await statement(
    pool,
    `with suppressed as (
       update aftercommit.notification_attempts set state = 'REJECTED', error_code = 'contact_erased', finished_at = now()
       where attempt_id = $1 and state in ('SENDING', 'AMBIGUOUS') returning notification_id)
     update aftercommit.notifications t set status = 'SUPPRESSED', updated_at = now()
     from suppressed s where t.notification_id = s.notification_id and t.status = 'PENDING'`,
    [attemptId],
  );
}

/** Notes that the provider was asked and knew no such message. Idempotent. @param before - look-ups before this one */
export async function recordLookUp(pool: Pool, attemptId: string, before: number): Promise<void> {
  await statement(
    pool,
    `update aftercommit.notification_attempts set look_ups = $2 + 1, looked_up_at = now()
     where attempt_id = $1 and state = 'AMBIGUOUS' and look_ups = $2`,
    [attemptId, before],
  );
}

/** Sids among these that an attempt owns already: a message is adopted once. */
export async function ownedSids(pool: Pool, sids: string[]): Promise<Set<string>> {
  const rows = await statement<{ message_sid: string }>(
    pool,
    'select message_sid from aftercommit.notification_attempts where message_sid = any($1)',
    [sids],
  );
  return new Set(rows.map((row) => row.message_sid));
}

/** Replaces an attempt that nobody can find by the next one. Idempotent: the next one's id follows from the first's. */
export async function nextAttemptAfter(pool: Pool, attemptId: string): Promise<void> {
  await transaction(pool, async (client) => {
    const { rows } = await client.query<{ notification_id: string; channel: string; n: number }>(
      `update aftercommit.notification_attempts
       set state = 'REJECTED', error_code = 'not_found_at_provider', finished_at = now()
       where attempt_id = $1 and state = 'AMBIGUOUS' returning notification_id, channel, n`,
      [attemptId],
    );
    const before = rows[0];
    if (before === undefined) return;
    const n = before.n + 1;
    await client.query(
      `insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, created_at)
       select $2, notification_id, order_id, $3, channel, now() from aftercommit.notification_attempts where attempt_id = $1
       on conflict do nothing`,
      [attemptId, attemptIdOf(before.notification_id, before.channel, n), n],
    );
  });
}

/** Leaves an attempt to an operator: it may have been sent, and sending it once more may be one too many. Idempotent. */
export async function holdAttempt(pool: Pool, attemptId: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.notification_attempts set state = 'HELD', finished_at = now() where attempt_id = $1 and state = 'AMBIGUOUS'`,
    [attemptId],
  );
}

/** The attempt that decides what is next for a notification. Times are epoch milliseconds of the database's clock, `now` included. */
export async function readLatestAttempt(
  pool: Pool,
  notificationId: string,
): Promise<(LatestAttempt & { orderId: string; now: number }) | null> {
  const [row] = await statement<LatestAttempt & { orderId: string; now: number }>(
    pool,
    `select attempt_id as "attemptId", order_id as "orderId", n, state, look_ups as "lookUps",
            (extract(epoch from send_until) * 1000)::bigint as "sendUntil",
            (extract(epoch from next_attempt_at) * 1000)::bigint as "nextAttemptAt",
            (extract(epoch from started_at) * 1000)::bigint as "startedAt",
            (extract(epoch from looked_up_at) * 1000)::bigint as "lookedUpAt",
            (extract(epoch from now()) * 1000)::bigint as now
     from aftercommit.notification_attempts where notification_id = $1 order by n desc limit 1`,
    [notificationId],
  );
  return row ?? null;
}

/** Notifications with an attempt whose next step was due before `olderThan` (RFC 3339): nobody works on them. For reconciliation. */
export async function neglectedNotifications(
  pool: Pool,
  olderThan: string,
  limit: number,
): Promise<string[]> {
  const rows = await statement<{ notification_id: string }>(
    pool,
    `select notification_id from aftercommit.notification_attempts
     where state in ('READY', 'SENDING', 'AMBIGUOUS') and created_at < $1
       and greatest(next_attempt_at, send_until, started_at, looked_up_at) < $1
     order by created_at limit $2`,
    [olderThan, limit],
  );
  return rows.map((row) => row.notification_id);
}

/** Notifications of an order that need their own workflow: an attempt without an outcome, or one to be made later. */
export async function unfinishedNotifications(pool: Pool, orderId: string): Promise<string[]> {
  const rows = await statement<{ notification_id: string }>(
    pool,
    `select distinct notification_id from aftercommit.notification_attempts
     where order_id = $1 and state in ('READY', 'SENDING', 'AMBIGUOUS')`,
    [orderId],
  );
  return rows.map((row) => row.notification_id);
}
