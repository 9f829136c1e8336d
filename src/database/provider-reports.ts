import type { Pool } from 'pg';
import { outcomeOf, rankOf } from '../domain/message-status';
import { NOT_FOUND } from '../domain/notifications';
import {
  adoptMessage,
  applyReport,
  lockNotification,
  settleNotification,
  type LockedNotification,
  type Settled,
} from './notification-settling';
import { statement, transaction, type Queryable } from './transaction';

/** What a provider told of a message, by a callback. */
export interface ReportedStatus {
  sid: string;
  /** The attempt that the callback's token names; null without a valid token. */
  attemptId: string | null;
  status: string;
  errorCode: string | null;
  /** Calls only. */
  answeredBy: string | null;
}

export interface Reported {
  /** False: no attempt has this message. The report is kept for operators. */
  known: boolean;
  /** The notification whose workflow is to be started or told. */
  wake: { notificationId: string; orderId: string } | null;
  settled: Settled | null;
}

/**
 * Stores a report and what follows from it. Idempotent: each status of a message counts once, in whatever order they
 * come. A report that comes before the answer of the call brings the message's sid with it.
 */
export async function recordReport(pool: Pool, report: ReportedStatus): Promise<Reported> {
  const isFinal = outcomeOf(report).outcome !== null;
  if (!isFinal && (await recordPassing(pool, report))) return { known: true, wake: null, settled: null };
  return transaction(pool, async (client) => {
    const owner = await ownerOf(client, report);
    await client.query(INSERT_CALLBACK, [...valuesOf(report), owner?.attemptId ?? null]);
    if (owner === null) return { known: false, wake: null, settled: null };
    const isNews = await applyReport(client, report);
    if (!isNews && owner.resolved === null) {
      // A repeat follows an answer that was lost, and the workflow may not have been told.
      const mayWait = isFinal && owner.notification.status === 'PENDING';
      return { known: true, wake: mayWait ? owner.notification : null, settled: null };
    }
    const settled = await settleNotification(client, owner.notification, owner.resolved);
    return { known: true, wake: settled.wake ? owner.notification : null, settled };
  });
}

const INSERT_CALLBACK = `
  insert into aftercommit.provider_callbacks as c (message_sid, status, error_code, answered_by, attempt_id)
  values ($1, $2, $3, $4, $5)
  on conflict (message_sid, status) do update
    set received = c.received + 1, attempt_id = coalesce(c.attempt_id, excluded.attempt_id)`;

function valuesOf({ sid, status, errorCode, answeredBy }: ReportedStatus): (string | null)[] {
  return [sid, status, errorCode, answeredBy];
}

/**
 * Most reports say that a known message is on its way: one statement, nothing follows.
 * @returns false when no attempt has the message yet
 */
async function recordPassing(pool: Pool, report: ReportedStatus): Promise<boolean> {
  const rows = await statement(
    pool,
    `with owner as (
       update aftercommit.notification_attempts
       set provider_status = case when status_rank < $5 then $2 else provider_status end, status_rank = greatest(status_rank, $5)
       where message_sid = $1 returning attempt_id)
     insert into aftercommit.provider_callbacks as c (message_sid, status, error_code, answered_by, attempt_id)
     select $1, $2, $3, $4, attempt_id from owner
     on conflict (message_sid, status) do update set received = c.received + 1, attempt_id = coalesce(c.attempt_id, excluded.attempt_id)
     returning 1`,
    [...valuesOf(report), rankOf(report.status) ?? 0],
  );
  return rows.length > 0;
}

/** Reports that came before anybody knew whose message it is. */
export async function applyEarlyReports(
  pool: Pool,
  { attemptId, sid }: { attemptId: string; sid: string },
): Promise<Settled | null> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ notification_id: string }>(
      'select notification_id from aftercommit.notification_attempts where attempt_id = $1 and message_sid = $2',
      [attemptId, sid],
    );
    if (rows[0] === undefined) return null;
    const notification = await lockNotification(client, rows[0].notification_id);
    const early = await client.query<{ status: string; errorCode: string | null; answeredBy: string | null }>(
      `update aftercommit.provider_callbacks set attempt_id = $2 where message_sid = $1 and attempt_id is null
       returning status, error_code as "errorCode", answered_by as "answeredBy"`,
      [sid, attemptId],
    );
    for (const report of early.rows) await applyReport(client, { sid, ...report });
    return notification === null ? null : settleNotification(client, notification);
  });
}

interface Owner {
  attemptId: string;
  notification: LockedNotification;
  resolved: Settled['resolved'];
}

/** The attempt that has this message, or gets it now. Its notification is held from here on. */
async function ownerOf(client: Queryable, { sid, attemptId }: ReportedStatus): Promise<Owner | null> {
  const { rows } = await client.query<{ attemptId: string; notificationId: string; isOwn: boolean }>(
    `select attempt_id as "attemptId", notification_id as "notificationId", message_sid is not distinct from $1 as "isOwn"
     from aftercommit.notification_attempts where message_sid = $1 or attempt_id = $2
     order by (message_sid is not distinct from $1) desc limit 1`,
    [sid, attemptId],
  );
  const owner = rows[0];
  if (owner === undefined) return null;
  const notification = await lockNotification(client, owner.notificationId);
  if (notification === null) return null;
  if (owner.isOwn) return { attemptId: owner.attemptId, notification, resolved: null };
  for (const candidate of [owner.attemptId, ...(await givenUpAttempts(client, owner.notificationId))]) {
    const { isOwn, resolved } = await adoptMessage(client, { attemptId: candidate, sid, by: 'callback' });
    if (isOwn) return { attemptId: candidate, notification, resolved };
  }
  return null;
}

/**
 * When the attempt that the token names has another message, that one was found in the provider's list and was made by an
 * earlier attempt of the same text. Then this message is that attempt's.
 */
async function givenUpAttempts(client: Queryable, notificationId: string): Promise<string[]> {
  const { rows } = await client.query<{ attempt_id: string }>(
    `select attempt_id from aftercommit.notification_attempts
     where notification_id = $1 and message_sid is null and state = 'REJECTED' and error_code = $2 order by n`,
    [notificationId, NOT_FOUND],
  );
  return rows.map((row) => row.attempt_id);
}
