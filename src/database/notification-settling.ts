import {
  conclude,
  NOT_FOUND,
  NOT_NEEDED,
  type AttemptFact,
  type NotificationStatus,
} from '../domain/notifications';
import { outcomeOf, rankOf, type ChannelName } from '../domain/message-status';
import { heldAttemptStep } from '../domain/parked';
import { attemptIdOf } from './ids';
import type { Queryable } from './transaction';

/** What made an attempt definite: its message was found, or it was given up. */
export type FoundBy = 'callback' | 'look_up' | 'late_answer';
export type ResolvedBy = FoundBy | 'resend' | 'operator' | 'abandoned';

/** What follows from a change of an attempt. */
export interface Settled {
  notificationId: string;
  /** True when the workflow of the notification has something to do, or to hear. */
  wake: boolean;
  /** The channel that is tried next, after the one that failed. */
  fallback: { from: ChannelName; to: ChannelName; reason: string | null } | null;
  /** What made an attempt definite whose outcome was not known. */
  resolved: { channel: ChannelName; by: ResolvedBy } | null;
  /** How it ended just now. */
  ended: { status: NotificationStatus; reason: string | null } | null;
}

interface AttemptRow extends AttemptFact {
  n: number;
}

/**
 * Brings a notification to where its attempts say: writes the next channel's attempt, or ends it. In the transaction that
 * changed an attempt and holds the notification, so of any number at once, one after the other. Idempotent.
 */
export async function settleNotification(
  client: Queryable,
  notification: LockedNotification,
  resolved: Settled['resolved'] = null,
): Promise<Settled> {
  const { notificationId } = notification;
  const attempts = await readAttempts(client, notificationId);
  // What was told before an operator had it sent again does not count.
  const counting = attempts.filter(({ n }) => n >= notification.firstN);
  const conclusion = conclude(notification, counting);
  const settled = { notificationId, wake: notification.inWorkflow, fallback: null, resolved, ended: null };
  switch (conclusion.kind) {
    case 'none':
      return settled;
    case 'next': {
      const { channel, instead } = conclusion;
      await insertAttempt(client, { notificationId, n: attempts.at(-1)!.n + 1, channel });
      const fallback = { from: instead.channel, to: channel, reason: instead.errorCode };
      return { ...settled, wake: true, fallback };
    }
    case 'end':
      await endNotification(client, notification, conclusion, NOT_NEEDED);
      return { ...settled, ended: conclusion };
  }
}

async function readAttempts(client: Queryable, notificationId: string): Promise<AttemptRow[]> {
  const { rows } = await client.query<AttemptRow>(
    `select n, channel, state, outcome, error_code as "errorCode"
     from aftercommit.notification_attempts where notification_id = $1 order by n`,
    [notificationId],
  );
  return rows;
}

export interface LockedNotification {
  notificationId: string;
  status: NotificationStatus;
  channels: ChannelName[];
  inWorkflow: boolean;
  orderId: string;
  firstN: number;
}

/**
 * First in every transaction of several statements that changes one or its attempts, so that two never wait for each other
 * in a circle. Senders claim and store an accepted call by single statements that hold the attempt only.
 */
export async function lockNotification(
  client: Queryable,
  notificationId: string,
): Promise<LockedNotification | null> {
  const { rows } = await client.query<LockedNotification>(
    `select notification_id as "notificationId", status, channels, in_workflow as "inWorkflow", order_id as "orderId",
            first_n as "firstN" from aftercommit.notifications where notification_id = $1 for update`,
    [notificationId],
  );
  return rows[0] ?? null;
}

/** Ends it: what was not sent yet never is, and nobody has to decide about it any more. @param code - of what was not sent */
export async function endNotification(
  client: Queryable,
  { notificationId, orderId }: LockedNotification,
  end: { status: Exclude<NotificationStatus, 'PENDING'>; reason: string | null },
  code: string,
): Promise<void> {
  await client.query(
    `update aftercommit.notifications set status = $2, reason = $3, updated_at = now(), ended_at = now() where notification_id = $1`,
    [notificationId, end.status, end.reason],
  );
  await dropUnsent(client, notificationId, { after: 0, code });
  await giveUpHeld(client, { notificationId, orderId, by: 'abandoned' });
}

/** Closes what is certainly unsent, of the attempts after a number. */
export async function dropUnsent(
  client: Queryable,
  notificationId: string,
  drop: { after: number; code: string },
): Promise<void> {
  await client.query(
    `update aftercommit.notification_attempts set state = 'REJECTED', error_code = $3, finished_at = now()
     where notification_id = $1 and n > $2 and state = 'READY'`,
    [notificationId, drop.after, drop.code],
  );
}

/** Nobody waits for a decision about these any more. @returns the channel of the last one, or null when there was none */
export async function giveUpHeld(
  client: Queryable,
  held: { notificationId: string; orderId: string; by: Exclude<ResolvedBy, FoundBy> },
): Promise<ChannelName | null> {
  const { rows } = await client.query<{ attempt_id: string; channel: ChannelName }>(
    `update aftercommit.notification_attempts
     set state = 'REJECTED', error_code = $2, resolved_by = $3, finished_at = now()
     where notification_id = $1 and state = 'HELD' returning attempt_id, channel`,
    [held.notificationId, NOT_FOUND, held.by],
  );
  for (const { attempt_id: attemptId } of rows) await closeParked(client, held.orderId, attemptId);
  return rows.at(-1)?.channel ?? null;
}

/** Idempotent: the attempt's id follows from its number. */
export async function insertAttempt(
  client: Queryable,
  attempt: { notificationId: string; n: number; channel: ChannelName },
): Promise<void> {
  await client.query(
    `insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, created_at)
     select $1, notification_id, order_id, $3, $4, now() from aftercommit.notifications where notification_id = $2
     on conflict do nothing`,
    [attemptIdOf(attempt.notificationId, attempt.n), attempt.notificationId, attempt.n, attempt.channel],
  );
}

/** Whether the message is the attempt's own, and what that made definite. */
export interface Adoption {
  isOwn: boolean;
  resolved: Settled['resolved'];
}

/**
 * Gives an attempt the message that the provider made of it, however late that is known: one that was given up is
 * accepted after all, and what was to be sent instead and was not yet, is not. The caller holds the notification.
 * Idempotent.
 * @returns not its own when the attempt has another message, or none was sent for it
 */
export async function adoptMessage(
  client: Queryable,
  adopted: { attemptId: string; sid: string; by: FoundBy },
): Promise<Adoption> {
  const { rows } = await client.query<{
    notification_id: string;
    order_id: string;
    n: number;
    channel: ChannelName;
    message_sid: string | null;
    was_ambiguous: boolean;
    may_adopt: boolean;
  }>(
    `select notification_id, order_id, n, channel, message_sid, was_ambiguous,
            state in ('SENDING', 'AMBIGUOUS', 'HELD') or (state = 'REJECTED' and error_code = $2) as may_adopt
     from aftercommit.notification_attempts where attempt_id = $1`,
    [adopted.attemptId, NOT_FOUND],
  );
  const attempt = rows[0];
  if (attempt === undefined) return { isOwn: false, resolved: null };
  if (attempt.message_sid !== null || !attempt.may_adopt)
    return { isOwn: attempt.message_sid === adopted.sid, resolved: null };

  await client.query(
    `update aftercommit.notification_attempts
     set state = 'ACCEPTED', message_sid = $2, send_until = null, error_code = null, error = null,
         resolved_by = case when was_ambiguous then $3 end, accepted_at = now(), finished_at = now()
     where attempt_id = $1`,
    [adopted.attemptId, adopted.sid, adopted.by],
  );
  await dropUnsent(client, attempt.notification_id, { after: attempt.n, code: NOT_NEEDED });
  await closeParked(client, attempt.order_id, adopted.attemptId);
  const { channel, was_ambiguous: wasAmbiguous } = attempt;
  return { isOwn: true, resolved: wasAmbiguous ? { channel, by: adopted.by } : null };
}

/** A held attempt waits no more. */
export async function closeParked(client: Queryable, orderId: string, attemptId: string): Promise<void> {
  await client.query(
    `update aftercommit.parked_steps set state = 'RESOLVED', resolved_at = now()
     where order_id = $1 and step = $2 and state = 'OPEN'`,
    [orderId, heldAttemptStep(attemptId)],
  );
}

/** What a provider says of a message, in its own words. */
export interface ProviderReportFacts {
  status: string;
  errorCode: string | null;
  answeredBy?: string | null | undefined;
}

/**
 * Notes what the provider says of a message. A report of a lower rank than one before, or of a word that nobody knows,
 * changes nothing.
 * @returns true when the outcome became known by it
 */
export async function applyReport(
  client: Queryable,
  report: ProviderReportFacts & { sid: string },
): Promise<boolean> {
  const rank = rankOf(report.status);
  if (rank === null) return false;
  const { outcome, code } = outcomeOf(report);
  const { rowCount } = await client.query(
    `update aftercommit.notification_attempts
     set provider_status = $2, status_rank = $3, outcome = coalesce($4, outcome), error_code = $5,
         answered_by = coalesce($6, answered_by),
         outcome_at = case when $4::text is null then outcome_at else now() end
     where message_sid = $1 and status_rank < $3`,
    [report.sid, report.status, rank, outcome, code, report.answeredBy ?? null],
  );
  return outcome !== null && rowCount !== 0;
}
