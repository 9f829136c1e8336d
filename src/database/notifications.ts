import type { Pool } from 'pg';
import { LOOK_UPS, NOT_FOUND, NOT_NEEDED, type CurrentNotification } from '../domain/notifications';
import type { ChannelName } from '../domain/message-status';
import {
  adoptMessage,
  applyReport,
  closeParked,
  endNotification,
  insertAttempt,
  lockNotification,
  parkedStepOf,
  settleNotification,
  type ProviderReportFacts,
  type FoundBy,
  type ResolvedBy,
  type Settled,
} from './notification-settling';
import { skippedNow } from './notification-attempts';
import { statement, transaction, type Queryable } from './transaction';

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
       'attempt', json_build_object(
         'attemptId', a.attempt_id, 'channel', a.channel, 'state', a.state, 'outcome', a.outcome, 'lookUps', a.look_ups,
         'sendUntil', ${epochMs('a.send_until')}, 'nextAttemptAt', ${epochMs('a.next_attempt_at')},
         'startedAt', ${epochMs('a.started_at')}, 'silentAt', ${epochMs('a.silent_at')},
         'lookedUpAt', ${epochMs('a.looked_up_at')})) as notification
     from aftercommit.notifications t
     join lateral (select * from aftercommit.notification_attempts l where l.notification_id = t.notification_id
                   -- One that was given up counts again once it is known to have been sent.
                   order by l.error_code is not distinct from $3, l.n desc limit 1) a on true
     where t.notification_id = $1`,
    [notificationId, NOT_FOUND, NOT_NEEDED],
  );
  return row?.notification ?? null;
}

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

/** The person cannot be told on any channel that is left: nothing was sent. Idempotent. */
export async function suppressAttempt(
  pool: Pool,
  suppressed: { attemptId: string; code: string; skipped: readonly object[] },
): Promise<Settled | null> {
  return changing(pool, suppressed.attemptId, async (client, notificationId) => {
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

/** Gives an attempt its message, with what the provider says of it. Idempotent. @returns null when the message is not its own */
export async function adopt(
  pool: Pool,
  adopted: { attemptId: string; sid: string; by: FoundBy; report: ProviderReportFacts },
): Promise<Settled | null> {
  return changing(pool, adopted.attemptId, async (client) => {
    if (await adoptMessage(client, adopted))
      await applyReport(client, { sid: adopted.sid, ...adopted.report });
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
  return changing(pool, attemptId, async (client, notificationId) => {
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

/** From AMBIGUOUS or HELD. A callback that comes later takes it back. @returns null when it is neither any more */
export async function giveUp(
  client: Queryable,
  attemptId: string,
  by: Exclude<ResolvedBy, FoundBy>,
): Promise<{ n: number; channel: ChannelName } | null> {
  const { rows } = await client.query<{ n: number; channel: ChannelName; order_id: string }>(
    `update aftercommit.notification_attempts
     set state = 'REJECTED', error_code = $2, resolved_by = $3, finished_at = now()
     where attempt_id = $1 and state in ('AMBIGUOUS', 'HELD') returning n, channel, order_id`,
    [attemptId, NOT_FOUND, by],
  );
  const lost = rows[0];
  if (lost === undefined) return null;
  await closeParked(client, lost.order_id, attemptId);
  return lost;
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
    await client.query(
      `insert into aftercommit.parked_steps (order_id, step, reason, workflow_id) values ($1, $2, 'message_outcome_unknown', $3)
       on conflict (order_id, step) where state = 'OPEN' do nothing`,
      [rows[0].order_id, parkedStepOf(attemptId), workflowId],
    );
  });
}

/** The news is too old. Nothing that is under way is ended by it. Idempotent. */
export async function expireNotification(pool: Pool, notificationId: string): Promise<void> {
  await transaction(pool, async (client) => {
    const notification = await lockNotification(client, notificationId);
    if (notification?.status !== 'PENDING') return;
    await endNotification(client, notificationId, { status: 'EXPIRED', reason: 'expired' }, 'expired');
  });
}

/** Runs a change of an attempt and settles its notification, in one transaction that holds the notification from the start. */
async function changing(
  pool: Pool,
  attemptId: string,
  change: (client: Queryable, notificationId: string) => Promise<Settled['resolved'] | void>,
): Promise<Settled | null> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ notification_id: string }>(
      'select notification_id from aftercommit.notification_attempts where attempt_id = $1',
      [attemptId],
    );
    const notificationId = rows[0]?.notification_id;
    if (notificationId === undefined) return null;
    await lockNotification(client, notificationId);
    const resolved = await change(client, notificationId);
    return settleNotification(client, notificationId, resolved ?? null);
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

/** Attempts that are not at their end, of a notification that is open or a call that may have been made. */
const UNFINISHED = `(a.state in ('SENDING', 'AMBIGUOUS') or (a.state = 'READY' and t.status = 'PENDING'))`;
/** Messages that were accepted and that nobody reported on. */
const SILENT = `(a.state = 'ACCEPTED' and a.outcome is null and t.status = 'PENDING')`;

/** Notifications of an order that need their own workflow: an attempt without an outcome, or one to be made later. */
export async function unfinishedNotifications(pool: Pool, orderId: string): Promise<string[]> {
  const rows = await statement<{ notification_id: string }>(
    pool,
    `select distinct notification_id from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
     where a.order_id = $1 and ${UNFINISHED}`,
    [orderId],
  );
  return rows.map((row) => row.notification_id);
}

/** Notifications with a step that was due before `olderThan` (RFC 3339): nobody works on them. For reconciliation. */
export async function neglectedNotifications(
  pool: Pool,
  olderThan: string,
  limit: number,
): Promise<string[]> {
  const rows = await statement<{ notification_id: string }>(
    pool,
    `select notification_id from (
       (select a.notification_id from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
        where ${UNFINISHED} and a.created_at < $1
          and greatest(a.next_attempt_at, a.send_until, a.started_at, a.looked_up_at) < $1
        order by a.created_at limit $2)
       union
       (select a.notification_id from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
        where ${SILENT} and a.silent_at < $1 order by a.silent_at limit $2)) as neglected
     limit $2`,
    [olderThan, limit],
  );
  return rows.map((row) => row.notification_id);
}

/** Notifications whose messages are silent since before `at` (RFC 3339), after the one named. */
export async function silentNotifications(
  pool: Pool,
  silent: { at: string; after: string | null; limit: number },
): Promise<string[]> {
  const rows = await statement<{ notification_id: string }>(
    pool,
    `select distinct notification_id from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
     where ${SILENT} and a.silent_at <= $1 and ($2::uuid is null or notification_id > $2)
     order by notification_id limit $3`,
    [silent.at, silent.after, silent.limit],
  );
  return rows.map((row) => row.notification_id);
}
