import type { Pool } from 'pg';
import { rankOf } from '../domain/message-status';
import { NOT_FOUND } from '../domain/notifications';
import {
  adoptMessage,
  applyReport,
  lockNotification,
  settleNotification,
  type Settled,
} from './notification-settling';
import { transaction, type Queryable } from './transaction';

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
  wake: string | null;
  settled: Settled | null;
}

/**
 * Stores a report and what follows from it, in one transaction. Idempotent: each status of a message counts once, in
 * whatever order they come. A report that comes before the answer of the call brings the message's sid with it.
 */
export async function recordReport(pool: Pool, report: ReportedStatus): Promise<Reported> {
  return transaction(pool, async (client) => {
    const owner = await ownerOf(client, report);
    await client.query(
      `insert into aftercommit.provider_callbacks as c (message_sid, status, error_code, answered_by, attempt_id)
       values ($1, $2, $3, $4, $5)
       on conflict (message_sid, status) do update
         set received = c.received + 1, attempt_id = coalesce(c.attempt_id, excluded.attempt_id)`,
      [report.sid, report.status, report.errorCode, report.answeredBy, owner?.attemptId ?? null],
    );
    if (owner === null) return { known: false, wake: null, settled: null };
    if (rankOf(report.status) === null) return { known: true, wake: null, settled: null };
    await applyReport(client, report);
    const settled = await settleNotification(client, owner.notificationId, owner.resolved);
    return { known: true, wake: settled.wake ? owner.notificationId : null, settled };
  });
}

interface Owner {
  attemptId: string;
  notificationId: string;
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
  const { notificationId } = owner;
  await lockNotification(client, notificationId);
  if (owner.isOwn) return { attemptId: owner.attemptId, notificationId, resolved: null };
  for (const candidate of [owner.attemptId, ...(await givenUpAttempts(client, notificationId))]) {
    const { isOwn, resolved } = await adoptMessage(client, { attemptId: candidate, sid, by: 'callback' });
    if (isOwn) return { attemptId: candidate, notificationId, resolved };
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
