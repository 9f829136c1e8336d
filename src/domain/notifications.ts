import type { OrderEventType } from './events';
import { formatMoney } from './money';

export type Template = Exclude<OrderEventType, 'order.placed'>;
export type AttemptState = 'READY' | 'SENDING' | 'ACCEPTED' | 'REJECTED' | 'AMBIGUOUS' | 'HELD';

/** Events whose customer is told. `order.placed` is not among them: nothing says anything before the money is sure. */
const TOLD: readonly OrderEventType[] = [
  'order.confirmed',
  'order.payment_failed',
  'order.cancelled',
  'order.refunded',
];

/** The template that tells a person of this event, or null when nobody is told. */
export function templateFor(type: OrderEventType): Template | null {
  return TOLD.includes(type) ? (type as Template) : null;
}

/** What a text needs to know. */
export interface MessageFacts {
  orderId: string;
  amountMinor?: number | undefined;
  currency?: string | undefined;
}

/**
 * The text of a message. Each holds the order's id, so that a message without an outcome can be found again at the
 * provider by recipient and body. Source of the first: the source documents' rule.
 */
export function messageBody(template: Template, facts: MessageFacts): string {
  switch (template) {
    case 'order.confirmed':
      return `Order #${facts.orderId} confirmed.`;
    case 'order.payment_failed':
      return `Payment for order #${facts.orderId} failed. Nothing was charged.`;
    case 'order.cancelled':
      return `Order #${facts.orderId} cancelled.`;
    case 'order.refunded':
      return `Order #${facts.orderId}: ${formatMoney(facts.amountMinor ?? 0, facts.currency ?? 'EUR')} refunded.`;
  }
}

/** The waits around an attempt whose outcome is unknown, in milliseconds. Source of the defaults: reliability, section 3. */
export interface NotificationWaits {
  /** How long the provider may take to show an accepted message in its list. */
  firstLookUpMs: number;
  secondLookUpMs: number;
  /** After the first call that was certainly not processed; doubled after each further one. */
  unsentRetryMs: number;
}

export const DEFAULT_NOTIFICATION_WAITS: NotificationWaits = {
  firstLookUpMs: 30_000,
  secondLookUpMs: 60_000,
  unsentRetryMs: 5_000,
};

/** A provider that is away for hours is not asked more often than this. */
const UNSENT_RETRY_MS_MAX = 300_000;

/** In how many milliseconds a message that was certainly not processed is tried again. @param sends - calls so far, 1 or more */
export function unsentRetryInMs(sends: number, waits: NotificationWaits): number {
  return Math.min(UNSENT_RETRY_MS_MAX, waits.unsentRetryMs * 2 ** (sends - 1));
}

/** An order confirmation may be sent again when nobody can find it; the duplicate is counted. At most this often. */
export const RESENDS_MAX = 2;

export interface LatestAttempt {
  attemptId: string;
  n: number;
  state: AttemptState;
  /** Epoch milliseconds. `sendUntil` is set while SENDING. */
  sendUntil: number | null;
  nextAttemptAt: number;
  startedAt: number | null;
  lookUps: number;
  lookedUpAt: number | null;
}

/** What is to be done next for a notification. `at` is in epoch milliseconds. */
export type NotificationStep =
  | { kind: 'send'; attemptId: string; at: number }
  /** The sender is gone and its provider's time-out has passed: from here on the outcome is unknown. */
  | { kind: 'declare_ambiguous'; attemptId: string; at: number }
  | { kind: 'look_up'; attemptId: string; at: number }
  | { kind: 'resend'; attemptId: string; at: number }
  | { kind: 'hold'; attemptId: string; at: number }
  | { kind: 'done' };

/** Look-ups that must find nothing before a message may be sent again. */
const LOOK_UPS = 2;

/**
 * Decides the next step from what is stored of the latest attempt. Pure, so that a repeat after any crash comes to the
 * same step. Source: reliability, section 3, points 3 to 5.
 * @param providerTimeoutMs - after `sendUntil`, how long a call that was already written may still be under way
 */
export function nextStep(
  attempt: LatestAttempt,
  options: { waits: NotificationWaits; providerTimeoutMs: number },
): NotificationStep {
  const { attemptId } = attempt;
  const { waits, providerTimeoutMs } = options;
  switch (attempt.state) {
    case 'ACCEPTED':
    case 'REJECTED':
    case 'HELD':
      return { kind: 'done' };
    case 'READY':
      return { kind: 'send', attemptId, at: attempt.nextAttemptAt };
    case 'SENDING':
      return { kind: 'declare_ambiguous', attemptId, at: (attempt.sendUntil ?? 0) + providerTimeoutMs };
    case 'AMBIGUOUS': {
      if (attempt.lookUps === 0) {
        return { kind: 'look_up', attemptId, at: (attempt.startedAt ?? 0) + waits.firstLookUpMs };
      }
      if (attempt.lookUps < LOOK_UPS) {
        return { kind: 'look_up', attemptId, at: (attempt.lookedUpAt ?? 0) + waits.secondLookUpMs };
      }
      return { kind: attempt.n > RESENDS_MAX ? 'hold' : 'resend', attemptId, at: attempt.lookedUpAt ?? 0 };
    }
  }
}
