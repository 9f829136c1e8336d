import { ContactErasedError, NotificationInProgressError } from '../errors';
import type { Decision } from '../domain/parked';
import { cancelLocked, resendLocked } from './notification-operations';
import {
  giveUpHeld,
  lockNotification,
  settleNotification,
  type LockedNotification,
  type Settled,
} from './notification-settling';
import type { NotificationRef } from './notifications';
import type { Queryable } from './transaction';

/** What became of a message that an operator decided about. */
export interface DecidedAttempt {
  notification: NotificationRef;
  settled: Pick<Settled, 'fallback' | 'resolved' | 'ended'>;
}

/** Holds the notification of an attempt; null when there is none. */
export async function lockNotificationOf(
  client: Queryable,
  attemptId: string,
): Promise<LockedNotification | null> {
  const { rows } = await client.query<{ notification_id: string }>(
    'select notification_id from aftercommit.notification_attempts where attempt_id::text = $1',
    [attemptId],
  );
  const notificationId = rows[0]?.notification_id;
  return notificationId === undefined ? null : lockNotification(client, notificationId);
}

/**
 * Carries out what an operator says about a message that may have been sent. `retry`: another attempt. `skip`: the person
 * knows, nothing more is sent. `fail`: it was not sent, so the next channel is tried, or the person was not reached. The
 * caller holds the notification and has closed the parked step.
 * @throws NotificationInProgressError, ContactErasedError (not retryable)
 */
export async function decideHeldAttempt(
  client: Queryable,
  notification: LockedNotification,
  { decision, actor }: { decision: Decision; actor: string },
): Promise<DecidedAttempt> {
  const { notificationId, orderId } = notification;
  const decided = (settled: DecidedAttempt['settled']): DecidedAttempt => ({
    notification: { notificationId, orderId },
    settled,
  });
  switch (decision) {
    case 'retry':
      await resend(client, notification, actor);
      return decided({ fallback: null, resolved: null, ended: null });
    case 'skip': {
      const ended = await cancelLocked(client, notification, actor);
      return decided({ fallback: null, resolved: null, ended });
    }
    case 'fail': {
      const channel = await giveUpHeld(client, { ...notification, by: 'operator' });
      const resolved = channel === null ? null : ({ channel, by: 'operator' } as const);
      return decided(await settleNotification(client, notification, resolved));
    }
  }
}

async function resend(client: Queryable, notification: LockedNotification, actor: string): Promise<void> {
  switch (await resendLocked(client, notification, { channel: null, actor })) {
    case 'in_progress':
      throw new NotificationInProgressError(
        'An attempt is under way; another one now could be one too many.',
      );
    case 'no_contact':
      throw new ContactErasedError('The customer was erased; nobody knows the number any more.');
    case 'resent':
      return;
  }
}
