import { orderFacts } from '../domain/events';
import type { ChannelName } from '../domain/message-status';
import type { OrderRequest } from '../domain/orders';
import { envelopeOf, orderingKeyOf, type OutboxRow } from './events';
import type { ClaimedDelivery } from './deliveries';
import { claimedOf, type ClaimedAttempt, type ClaimedRow } from './notification-attempts';
import type { FrozenRoute } from './routing';

/** Who makes the first deliveries of a commit at once: they are written as claimed with it, and need no claim after it. */
export interface FirstSender {
  claimedBy: string;
  deliveriesForMs: number;
  /** These are left alone. */
  exceptTargets: readonly string[];
  /** Null: messages are left alone. */
  messages: {
    forMs: number;
    silenceMs: Readonly<Record<ChannelName, number>>;
    /** Channels that have a sender: the others are never tried. */
    configured: ReadonlySet<string>;
    /** Counts the messages of each number and day, for a cap. */
    isCounted: boolean;
  } | null;
}

/** What a commit claimed of one order for its sender. */
export interface FirstClaims {
  deliveries: ClaimedDelivery[];
  message: ClaimedAttempt | null;
}

/** The sender as `aftercommit.commit_orders` takes it. */
export function senderRow({ claimedBy, deliveriesForMs, exceptTargets, messages }: FirstSender): object {
  return {
    claimed_by: claimedBy,
    deliveries_for_ms: deliveriesForMs,
    except_targets: exceptTargets,
    messages:
      messages === null
        ? null
        : {
            for_ms: messages.forMs,
            silence_ms: messages.silenceMs,
            configured: [...messages.configured],
            is_counted: messages.isCounted,
          },
  };
}

/** What the database tells of a message that was claimed; the rest is known to whoever committed. */
export type ClaimedMessage = Pick<
  ClaimedRow,
  | 'channel'
  | 'wanted'
  | 'templateVersion'
  | 'language'
  | 'timeZone'
  | 'quietHours'
  | 'messagesToday'
  | 'known'
>;

/** What was claimed of an order that was just committed, as a claim of its own would have read it. */
export function firstClaimsOf(committed: {
  event: OutboxRow;
  deliveries: readonly { id: string; to: FrozenRoute }[];
  request: OrderRequest;
  notification: { notification_id: string; attempt_id: string; template: string } | null;
  message: ClaimedMessage | null;
}): FirstClaims {
  const { event, deliveries, notification, message } = committed;
  const envelope = envelopeOf(event);
  return {
    deliveries: deliveries.map(({ id, to }) => ({
      deliveryId: id,
      event: envelope,
      orderingKey: orderingKeyOf(event),
      ruleName: to.ruleName,
      targetName: to.targetName,
      transformer: to.transformer,
      replayId: null,
      attempt: 1,
      attemptOfBudget: 1,
      firstAttemptAt: event.created_at,
    })),
    message: notification === null || message === null ? null : messageOf(committed, notification, message),
  };
}

function messageOf(
  { event, request }: { event: OutboxRow; request: OrderRequest },
  notification: { notification_id: string; attempt_id: string; template: string },
  message: ClaimedMessage,
): ClaimedAttempt {
  return claimedOf({
    ...message,
    attemptId: notification.attempt_id,
    notificationId: notification.notification_id,
    orderId: event.aggregate_id,
    sends: 1,
    unprocessed: 0,
    hasShare: false,
    template: notification.template,
    to: request.customer.phone,
    country: request.customer.country ?? null,
    startedAt: event.created_at,
    isExpired: false,
    lookUps: 0,
    facts: orderFacts(event.payload),
  });
}
