import type { Pool } from 'pg';
import type { ChannelName } from '../domain/message-status';
import { NOT_NEEDED } from '../domain/notifications';
import { appendAudit } from './audit';
import {
  dropUnsent,
  endNotification,
  giveUpHeld,
  insertAttempt,
  lockNotification,
  type LockedNotification,
} from './notification-settling';
import { ONCE, transaction, type Queryable } from './transaction';

/** The channel of a message that a person asks for by hand when the customer named none. */
const CHANNEL_OF_LAST_RESORT = 'sms';

interface AttemptRow {
  n: number;
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
  return transaction(
    pool,
    async (client) => {
      const notification = await lockNotification(client, resend.notificationId);
      return notification === null ? 'unknown' : resendLocked(client, notification, resend);
    },
    ONCE,
  );
}

/** The same in a transaction that holds the notification. */
export async function resendLocked(
  client: Queryable,
  notification: LockedNotification,
  { channel: asked, actor }: { channel: ChannelName | null; actor: string },
): Promise<'in_progress' | 'no_contact' | 'resent'> {
  const { notificationId } = notification;
  const attempts = await readAttempts(client, notificationId);
  if (attempts.some((attempt) => isUnderWay(attempt, notification))) return 'in_progress';
  if (!(await hasContact(client, notification.orderId))) return 'no_contact';

  await dropUnsent(client, notificationId, { after: 0, code: NOT_NEEDED });
  const held = await giveUpHeld(client, { ...notification, by: 'operator' });
  const channel = asked ?? held ?? notification.channels[0] ?? CHANNEL_OF_LAST_RESORT;
  const n = (attempts.at(-1)?.n ?? 0) + 1;
  await client.query(
    `update aftercommit.notifications t
     set status = 'PENDING', reason = null, ended_at = null, updated_at = now(), first_n = $2,
         expires_at = now() + (d.definition ->> 'expiresAfterSeconds')::int * interval '1 second'
     from aftercommit.templates d
     where t.notification_id = $1 and d.name = t.template and d.version = t.template_version`,
    [notificationId, n],
  );
  await insertAttempt(client, { notificationId, n, channel });
  const subject = `notification/${notificationId}`;
  await appendAudit(client, { actor, action: 'notification.resend', subject, detail: { channel } });
  return 'resent';
}

const CANCELLED = { status: 'SUPPRESSED', reason: 'cancelled' } as const;

/**
 * Nothing more is sent. What the provider has already is not called back, and its outcome is still looked for. Idempotent
 * but for its answer.
 */
export async function cancelNotification(
  pool: Pool,
  cancel: { notificationId: string; actor: string },
): Promise<'unknown' | 'ended' | 'cancelled'> {
  return transaction(
    pool,
    async (client) => {
      const notification = await lockNotification(client, cancel.notificationId);
      if (notification === null) return 'unknown';
      if (notification.status !== 'PENDING') return 'ended';
      await cancelLocked(client, notification, cancel.actor);
      return 'cancelled';
    },
    ONCE,
  );
}

/** The same in a transaction that holds the notification. @returns how it ended just now; null when it had ended before */
export async function cancelLocked(
  client: Queryable,
  notification: LockedNotification,
  actor: string,
): Promise<typeof CANCELLED | null> {
  await giveUpHeld(client, { ...notification, by: 'operator' });
  if (notification.status !== 'PENDING') return null;
  await endNotification(client, notification, CANCELLED, CANCELLED.reason);
  const subject = `notification/${notification.notificationId}`;
  await appendAudit(client, { actor, action: 'notification.cancel', subject, detail: {} });
  return CANCELLED;
}

async function readAttempts(client: Queryable, notificationId: string): Promise<AttemptRow[]> {
  const { rows } = await client.query<AttemptRow>(
    `select n, state, outcome from aftercommit.notification_attempts
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
