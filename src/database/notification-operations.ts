import type { Pool } from 'pg';
import type { ChannelName } from '../domain/message-status';
import { appendAudit } from './audit';
import { giveUp } from './notifications';
import {
  endNotification,
  insertAttempt,
  lockNotification,
  type LockedNotification,
} from './notification-settling';
import { ONCE, transaction, type Queryable } from './transaction';

/** The channel of a message that a person asks for by hand when the customer named none. */
const CHANNEL_OF_LAST_RESORT = 'sms';

interface AttemptRow {
  attempt_id: string;
  n: number;
  channel: ChannelName;
  state: string;
  outcome: string | null;
}

/**
 * Tells the person once more: a new attempt, with a new time to live. A held attempt is given up for it. Not while another
 * attempt is under way, so that two calls of this make one message.
 * @param resend.channel - null: the held attempt's, or the customer's first
 */
export async function resendNotification(
  pool: Pool,
  resend: { notificationId: string; channel: ChannelName | null; actor: string },
): Promise<'unknown' | 'in_progress' | 'no_contact' | 'resent'> {
  const { notificationId, actor } = resend;
  return transaction(
    pool,
    async (client) => {
      const notification = await lockNotification(client, notificationId);
      if (notification === null) return 'unknown';
      const attempts = await readAttempts(client, notificationId);
      if (attempts.some((attempt) => isUnderWay(attempt, notification))) return 'in_progress';
      if (!(await hasContact(client, notification.orderId))) return 'no_contact';

      const held = attempts.find(({ state }) => state === 'HELD');
      if (held !== undefined) await giveUp(client, held.attempt_id, 'operator');
      const channel = resend.channel ?? held?.channel ?? notification.channels[0] ?? CHANNEL_OF_LAST_RESORT;
      await client.query(
        `update aftercommit.notifications
         set status = 'PENDING', reason = null, ended_at = null, updated_at = now(), expires_at = now() + (expires_at - created_at)
         where notification_id = $1`,
        [notificationId],
      );
      await insertAttempt(client, { notificationId, n: (attempts.at(-1)?.n ?? 0) + 1, channel });
      const subject = `notification/${notificationId}`;
      await appendAudit(client, { actor, action: 'notification.resend', subject, detail: { channel } });
      return 'resent';
    },
    ONCE,
  );
}

/**
 * Nothing more is sent. What the provider has already is not called back, and its outcome is still looked for. Idempotent
 * but for its answer.
 */
export async function cancelNotification(
  pool: Pool,
  cancel: { notificationId: string; actor: string },
): Promise<'unknown' | 'ended' | 'cancelled'> {
  const { notificationId, actor } = cancel;
  return transaction(
    pool,
    async (client) => {
      const notification = await lockNotification(client, notificationId);
      if (notification === null) return 'unknown';
      if (notification.status !== 'PENDING') return 'ended';
      const attempts = await readAttempts(client, notificationId);
      for (const { attempt_id: attemptId } of attempts.filter(({ state }) => state === 'HELD'))
        await giveUp(client, attemptId, 'operator');
      const end = { status: 'SUPPRESSED', reason: 'cancelled' } as const;
      await endNotification(client, notificationId, end, 'cancelled');
      const subject = `notification/${notificationId}`;
      await appendAudit(client, { actor, action: 'notification.cancel', subject, detail: {} });
      return 'cancelled';
    },
    ONCE,
  );
}

async function readAttempts(client: Queryable, notificationId: string): Promise<AttemptRow[]> {
  const { rows } = await client.query<AttemptRow>(
    `select attempt_id, n, channel, state, outcome from aftercommit.notification_attempts
     where notification_id = $1 order by n`,
    [notificationId],
  );
  return rows;
}

/** True while something may still be sent, or reach the person, without anybody's help. */
function isUnderWay({ state, outcome }: AttemptRow, { status }: LockedNotification): boolean {
  if (state === 'SENDING' || state === 'AMBIGUOUS') return true;
  return status === 'PENDING' && (state === 'READY' || (state === 'ACCEPTED' && outcome === null));
}

async function hasContact(client: Queryable, orderId: string): Promise<boolean> {
  const { rows } = await client.query('select 1 from aftercommit.order_contacts where order_id = $1', [
    orderId,
  ]);
  return rows.length > 0;
}
