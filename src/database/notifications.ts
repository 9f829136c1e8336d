import type { Pool } from 'pg';
import { LOOK_UPS, NOT_FOUND, NOT_NEEDED, type CurrentNotification } from '../domain/notifications';
import type { ChannelName } from '../domain/message-status';
import { heldAttemptStep } from '../domain/parked';
import type { Skipped } from '../domain/reachability';
import {
  adoptMessage,
  applyReport,
  endNotification,
  insertAttempt,
  lockNotification,
  settleNotification,
  type ProviderReportFacts,
  type FoundBy,
  type LockedNotification,
  type ResolvedBy,
  type Settled,
} from './notification-settling';
import { insertParked } from './parked';
import { prepared, type Queryable, statement, transaction } from './transaction';

/** The provider's word for a person who does not want messages. Source: Twilio, error 21610. */
const OPTED_OUT = '21610';

/** A notification as it stands; the template's policy is the caller's to add. Times are epoch milliseconds of the database's clock. */
export interface StoredNotification extends Omit<CurrentNotification, 'onAmbiguous'> {
  orderId: string;
  template: string;
  templateVersion: number;
  reason: string | null;
  messageSid: string | null;
  now: number;
}

/** What decides the next step of a notification, or null when there is nothing to decide. */
export async function readNotification(
  pool: Pool,
  notificationId: string,
): Promise<StoredNotification | null> {
  const [row] = await statement<{ notification: StoredNotification }>(
    pool,
    `select json_build_object(
       'orderId', t.order_id, 'status', t.status, 'reason', t.reason, 'template', t.template, 'templateVersion', t.template_version,
       'expiresAt', ${epochMs('t.expires_at')}, 'now', ${epochMs('now()')}, 'messageSid', a.message_sid,
       'resends', (select count(*) from aftercommit.notification_attempts b
                   where b.notification_id = t.notification_id and b.channel = a.channel and b.error_code = $2),
       'lost', (select json_build_object('attemptId', b.attempt_id, 'givenUpAt', ${epochMs('b.finished_at')})
                from aftercommit.notification_attempts b
                where b.notification_id = t.notification_id and b.error_code = $2 and b.look_ups = ${LOOK_UPS} order by b.n limit 1),
       'hasMessage', exists (select 1 from aftercommit.notification_attempts b
                             where b.notification_id = t.notification_id and b.attempt_id <> a.attempt_id and b.channel = a.channel
                               and b.n >= t.first_n and ${HAS_MESSAGE}),
       'attempt', json_build_object(
         'attemptId', a.attempt_id, 'channel', a.channel, 'state', a.state, 'outcome', a.outcome, 'lookUps', a.look_ups,
         'sendUntil', ${epochMs('a.send_until')}, 'nextAttemptAt', ${epochMs('a.next_attempt_at')},
         'ambiguousAt', ${epochMs('a.ambiguous_at')}, 'silentAt', ${epochMs('a.silent_at')},
         'lookedUpAt', ${epochMs('a.looked_up_at')})) as notification
     from aftercommit.notifications t
     join lateral (select * from aftercommit.notification_attempts l where l.notification_id = t.notification_id
                   -- What is undecided comes first, also one that was given up and is known to have been sent.
                   order by l.error_code is not distinct from $3, ${IS_DECIDED}, l.n desc limit 1) a on true
     where t.notification_id = $1`,
    [notificationId, NOT_FOUND, NOT_NEEDED],
  );
  return row?.notification ?? null;
}

/** Of the attempt `l`. */
const IS_DECIDED = `(l.state = 'REJECTED' or l.outcome is not null)`;
/** The attempt `b` has a message that may reach the person. */
const HAS_MESSAGE = `b.state = 'ACCEPTED' and (b.outcome is null or b.outcome = 'delivered')`;

function epochMs(time: string): string {
  return `(extract(epoch from ${time}) * 1000)::bigint`;
}

/** Refused for good: the next channel, or the end. A person who opted out at the provider is remembered. Idempotent. */
export async function recordRejected(
  pool: Pool,
  rejected: { attemptId: string; code: string; message: string; latencyMs: number },
): Promise<Settled | null> {
  return changing(pool, rejected.attemptId, async (client) => {
    const { rows } = await client.query<{ phone_hash: string | null; channel: string }>(
      `update aftercommit.notification_attempts
       set state = 'REJECTED', outcome = 'failed', outcome_at = now(), error_code = $2, error = $3, latency_ms = $4,
           send_until = null, finished_at = now(), resolved_by = case when was_ambiguous then 'late_answer' end
       where attempt_id = $1 and state in ('SENDING', 'AMBIGUOUS') returning phone_hash, channel`,
      [rejected.attemptId, rejected.code, rejected.message, rejected.latencyMs],
    );
    const [attempt] = rows;
    if (rejected.code !== OPTED_OUT || attempt === undefined || attempt.phone_hash === null) return;
    await client.query(
      `insert into aftercommit.recipients as r (phone_hash, channel, opted_out_at, opt_out_source) values ($1, $2, now(), 'provider')
       on conflict (phone_hash, channel) do update
         set opted_out_at = coalesce(r.opted_out_at, now()), opt_out_source = coalesce(r.opt_out_source, 'provider'), updated_at = now()`,
      [attempt.phone_hash, attempt.channel],
    );
  });
}

/**
 * Certainly not processed, or not to be sent yet: it may be tried again later, unless the notification has ended or another
 * attempt's message was found meanwhile. Idempotent.
 * @param unsent.sends - the claim that it was: a later one's call may be under way
 */
export async function recordUnsent(
  pool: Pool,
  unsent: {
    attemptId: string;
    claimedBy: string;
    sends: number;
    retryInMs: number;
    code: string;
    /** Of a call; absent when none was made. */
    message?: string;
    latencyMs?: number;
  },
): Promise<Settled | null> {
  return changing(pool, unsent.attemptId, async (client, { status }) => {
    await client.query(
      `update aftercommit.notification_attempts a
       set state = case when needed.is then 'READY' else 'REJECTED' end,
           error_code = case when needed.is then $5 else '${NOT_NEEDED}' end, error = $6, latency_ms = $7,
           unprocessed = unprocessed + case when $7::int is null then 0 else 1 end, send_until = null,
           next_attempt_at = now() + $4 * interval '1 millisecond', finished_at = case when needed.is then null else now() end
       from (select $8 = 'PENDING' and not exists (
               select 1 from aftercommit.notification_attempts b join aftercommit.notification_attempts o using (notification_id, channel)
               where o.attempt_id = $1 and b.attempt_id <> $1 and ${HAS_MESSAGE}) as is) needed
       where a.attempt_id = $1 and a.state = 'SENDING' and a.claimed_by = $2 and a.sends = $3`,
      [
        unsent.attemptId,
        unsent.claimedBy,
        unsent.sends,
        unsent.retryInMs,
        unsent.code,
        unsent.message ?? null,
        unsent.latencyMs ?? null,
        status,
      ],
    );
  });
}

/**
 * Notes, before the call, which channel is tried instead and which ones were passed over. Idempotent.
 * @returns false when the claim is no longer this sender's
 */
export async function moveAttempt(
  pool: Pool,
  move: {
    attemptId: string;
    claimedBy: string;
    channel: ChannelName;
    skipped: readonly Skipped[];
    silenceMs: number;
  },
): Promise<boolean> {
  let isOurs = false;
  await changing(pool, move.attemptId, async (client, { notificationId }) => {
    const { rows } = await client.query<{ moved: boolean }>(
      `update aftercommit.notification_attempts a
       set channel = $3, silent_at = now() + $4 * interval '1 millisecond'
       from (select channel from aftercommit.notification_attempts where attempt_id = $1) before
       where a.attempt_id = $1 and a.claimed_by = $2 and a.state = 'SENDING' returning before.channel <> $3 as moved`,
      [move.attemptId, move.claimedBy, move.channel, move.silenceMs],
    );
    isOurs = rows.length > 0;
    if (rows[0]?.moved !== true) return;
    await client.query(
      `update aftercommit.notifications set skipped = skipped || ${skippedNow('$2')}, updated_at = now() where notification_id = $1`,
      [notificationId, JSON.stringify(move.skipped)],
    );
  });
  return isOurs;
}

/** The channels that were passed over just now, as they are stored. @param list - a parameter that holds `[{ channel, code }]` */
function skippedNow(list: string): string {
  return `(select coalesce(jsonb_agg(s || jsonb_build_object('at', now())), '[]') from jsonb_array_elements(${list}::jsonb) as s)`;
}

/** The person cannot be told on any channel that is left: nothing was sent. Idempotent. */
export async function suppressAttempt(
  pool: Pool,
  suppressed: { attemptId: string; code: string; skipped: readonly object[] },
): Promise<Settled | null> {
  return changing(pool, suppressed.attemptId, async (client, { notificationId }) => {
    const { rowCount } = await client.query(
      `update aftercommit.notification_attempts
       set state = 'REJECTED', outcome = 'suppressed', outcome_at = now(), error_code = $2, send_until = null, finished_at = now(),
           resolved_by = case when was_ambiguous then 'abandoned' end
       where attempt_id = $1 and state in ('SENDING', 'AMBIGUOUS')`,
      [suppressed.attemptId, suppressed.code],
    );
    if (rowCount === 0) return;
    await client.query(
      `update aftercommit.notifications set skipped = skipped || ${skippedNow('$2')} where notification_id = $1`,
      [notificationId, JSON.stringify(suppressed.skipped)],
    );
  });
}

/** Gives an attempt its message, with what the provider says of it; a message of another attempt stays as it is. Idempotent. */
export async function adopt(
  pool: Pool,
  adopted: { attemptId: string; sid: string; by: FoundBy; report: ProviderReportFacts },
): Promise<Settled | null> {
  return changing(pool, adopted.attemptId, async (client) => {
    const { isOwn, resolved } = await adoptMessage(client, adopted);
    if (isOwn) await applyReport(client, { sid: adopted.sid, ...adopted.report });
    return resolved;
  });
}

/** What the provider answered when it was asked about a message that nobody reported on; nothing final means silence. Idempotent. */
export async function recordAnswer(
  pool: Pool,
  answer: { attemptId: string; sid: string; report: ProviderReportFacts | null },
): Promise<Settled | null> {
  return changing(pool, answer.attemptId, async (client) => {
    if (answer.report !== null) await applyReport(client, { sid: answer.sid, ...answer.report });
    await client.query(
      `update aftercommit.notification_attempts set outcome = 'silent', outcome_at = now(), error_code = coalesce(error_code, 'silence')
       where attempt_id = $1 and state = 'ACCEPTED' and outcome is null`,
      [answer.attemptId],
    );
  });
}

/** Replaces an attempt that nobody can find by the next one on the same channel. Idempotent. */
export async function resendLost(pool: Pool, attemptId: string): Promise<Settled | null> {
  return changing(pool, attemptId, async (client, { notificationId }) => {
    const lost = await giveUp(client, attemptId, 'resend');
    if (lost === null) return null;
    await insertAttempt(client, { notificationId, n: lost.n + 1, channel: lost.channel });
    return { channel: lost.channel, by: 'resend' };
  });
}

/** Closes an attempt that nobody can find and that is not needed any more. Idempotent. */
export async function abandonAttempt(pool: Pool, attemptId: string): Promise<Settled | null> {
  return changing(pool, attemptId, async (client) => {
    const lost = await giveUp(client, attemptId, 'abandoned');
    return lost === null ? null : { channel: lost.channel, by: 'abandoned' };
  });
}

/** A report that comes later takes it back. @returns null when its outcome is known by now */
async function giveUp(
  client: Queryable,
  attemptId: string,
  by: Extract<ResolvedBy, 'resend' | 'abandoned'>,
): Promise<{ n: number; channel: ChannelName } | null> {
  const { rows } = await client.query<{ n: number; channel: ChannelName }>(
    `update aftercommit.notification_attempts
     set state = 'REJECTED', error_code = $2, resolved_by = $3, finished_at = now()
     where attempt_id = $1 and state = 'AMBIGUOUS' returning n, channel`,
    [attemptId, NOT_FOUND, by],
  );
  return rows[0] ?? null;
}

/** Leaves an attempt to an operator: it may have been sent, and sending it once more may be one too many. Idempotent. */
export async function holdAttempt(pool: Pool, attemptId: string, workflowId: string): Promise<void> {
  await changing(pool, attemptId, async (client) => {
    const { rows } = await client.query<{ order_id: string }>(
      `update aftercommit.notification_attempts set state = 'HELD', finished_at = now()
       where attempt_id = $1 and state = 'AMBIGUOUS' returning order_id`,
      [attemptId],
    );
    if (rows[0] === undefined) return;
    const step = heldAttemptStep(attemptId);
    await insertParked(client, {
      orderId: rows[0].order_id,
      step,
      reason: 'message_outcome_unknown',
      workflowId,
    });
  });
}

/** The news is too old. Nothing that is under way is ended by it. Idempotent. */
export async function expireNotification(
  pool: Pool,
  notificationId: string,
): Promise<Pick<Settled, 'ended'> | null> {
  return transaction(pool, async (client) => {
    const notification = await lockNotification(client, notificationId);
    if (notification?.status !== 'PENDING') return null;
    const ended = { status: 'EXPIRED', reason: 'expired' } as const;
    await endNotification(client, notification, ended, 'expired');
    return { ended };
  });
}

/** Runs a change of an attempt and settles its notification, in one transaction that holds the notification from the start. */
async function changing(
  pool: Pool,
  attemptId: string,
  change: (client: Queryable, notification: LockedNotification) => Promise<Settled['resolved'] | void>,
): Promise<Settled | null> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ notification_id: string }>(
      'select notification_id from aftercommit.notification_attempts where attempt_id = $1',
      [attemptId],
    );
    const notificationId = rows[0]?.notification_id;
    if (notificationId === undefined) return null;
    const notification = await lockNotification(client, notificationId);
    if (notification === null) return null;
    const resolved = await change(client, notification);
    return settleNotification(client, notification, resolved ?? null);
  });
}

/** Notes whether a workflow of its own works on it, and so wants to hear of changes. Idempotent. */
export async function markInWorkflow(pool: Pool, notificationId: string, isIn: boolean): Promise<void> {
  await statement(
    pool,
    'update aftercommit.notifications set in_workflow = $2 where notification_id = $1 and in_workflow <> $2',
    [notificationId, isIn],
  );
}

/** What it takes to start or wake a notification's workflow. */
export interface NotificationRef {
  notificationId: string;
  orderId: string;
}

/** Attempts that are not at their end, of a notification that is open or a call that may have been made. */
const UNFINISHED = `(a.state in ('SENDING', 'AMBIGUOUS') or (a.state = 'READY' and t.status = 'PENDING'))`;
/** Messages that were accepted and that nobody reported on. */
const SILENT = `(a.state = 'ACCEPTED' and a.outcome is null and t.status = 'PENDING')`;

/** Notifications of an order that need their own workflow: an attempt without an outcome, or one to be made later. */
export async function unfinishedNotifications(pool: Pool, orderId: string): Promise<NotificationRef[]> {
  return prepared<NotificationRef>(
    pool,
    `select distinct notification_id as "notificationId", a.order_id as "orderId" from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
     where a.order_id = $1 and ${UNFINISHED}`,
    [orderId],
  );
}

/** Notifications whose messages are silent since before `at` (RFC 3339), after the one named. */
export async function silentNotifications(
  pool: Pool,
  silent: { at: string; after: string | null; limit: number },
): Promise<NotificationRef[]> {
  return statement<NotificationRef>(
    pool,
    `select distinct notification_id as "notificationId", a.order_id as "orderId" from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
     where ${SILENT} and a.silent_at <= $1 and ($2::uuid is null or notification_id > $2)
     order by notification_id limit $3`,
    [silent.at, silent.after, silent.limit],
  );
}
