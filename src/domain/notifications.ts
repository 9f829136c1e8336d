import type { OrderEventType } from './events';
import type { ChannelName, Outcome } from './message-status';
import { TEMPLATE_NAMES, type TemplateName } from './templates';

export type AttemptState = 'READY' | 'SENDING' | 'ACCEPTED' | 'REJECTED' | 'AMBIGUOUS' | 'HELD';
export type NotificationStatus = 'PENDING' | 'DELIVERED' | 'UNREACHED' | 'SUPPRESSED' | 'EXPIRED';
/** What a template says of an attempt that two look-ups did not find. */
export type OnAmbiguous = 'resend' | 'hold';

/** The template that tells a person of this event, or null when nobody is told. */
export function templateFor(type: OrderEventType): TemplateName | null {
  return (TEMPLATE_NAMES as readonly string[]).includes(type) ? (type as TemplateName) : null;
}

/**
 * What became of an attempt: `silent`, no report in time, the next channel was tried; `suppressed`, no channel was left that
 * the person could be told on, nothing was sent.
 */
export type AttemptOutcome = Outcome | 'silent' | 'suppressed';

/** The waits around an attempt, in milliseconds. Source of the look-ups' defaults: reliability, section 3. */
export interface NotificationWaits {
  /** How long the provider may take to show an accepted message in its list. */
  firstLookUpMs: number;
  secondLookUpMs: number;
  /** After a message was given up: one that shows up late is to belong to somebody. */
  lateLookUpMs: number;
  /** After the first call that was certainly not processed; doubled after each further one. */
  unsentRetryMs: number;
  /** How long an accepted message may stay without a final report before the next channel is tried. */
  silenceMs: Readonly<Record<ChannelName, number>>;
}

export const DEFAULT_NOTIFICATION_WAITS: NotificationWaits = {
  firstLookUpMs: 30_000,
  secondLookUpMs: 60_000,
  lateLookUpMs: 600_000,
  unsentRetryMs: 5_000,
  // A phone that is on reports in seconds. A call ends within some minutes, whatever happens.
  silenceMs: { whatsapp: 300_000, sms: 600_000, voice: 600_000 },
};

/** A provider that is away for hours is not asked more often than this. */
const UNSENT_RETRY_MS_MAX = 300_000;

/** In how many milliseconds a message that was certainly not processed is tried again. @param before - such calls before this one */
export function unsentRetryInMs(before: number, waits: NotificationWaits): number {
  return Math.min(UNSENT_RETRY_MS_MAX, waits.unsentRetryMs * 2 ** before);
}

/** A message may be sent again when nobody can find it; the duplicate is counted. At most this often on one channel. */
const RESENDS_MAX = 2;

/** Errors of attempts that the service closed by itself, without a word of the provider. */
export const NOT_FOUND = 'not_found_at_provider';
/** Closed before it was sent, because another attempt or a person made it needless. */
export const NOT_NEEDED = 'not_needed';

export interface LatestAttempt {
  attemptId: string;
  channel: ChannelName;
  state: AttemptState;
  outcome: AttemptOutcome | null;
  /** Epoch milliseconds. `sendUntil` is set while SENDING. */
  sendUntil: number | null;
  nextAttemptAt: number;
  ambiguousAt: number | null;
  silentAt: number | null;
  lookUps: number;
  lookedUpAt: number | null;
}

/** What is stored of a notification, as far as the next step depends on it. */
export interface CurrentNotification {
  status: NotificationStatus;
  /** Epoch milliseconds. */
  expiresAt: number;
  onAmbiguous: Readonly<Record<ChannelName, OnAmbiguous>>;
  /** Attempts on the latest one's channel that nobody could find. */
  resends: number;
  /** True when another attempt on that channel has a message that nobody called failed. */
  hasMessage: boolean;
  attempt: LatestAttempt;
  /** One that was given up and is to be looked for once more. `givenUpAt` in epoch milliseconds. */
  lost: { attemptId: string; givenUpAt: number } | null;
}

/** What is to be done next for a notification. `at` is in epoch milliseconds. */
export type NotificationStep =
  | { kind: 'send'; attemptId: string; at: number }
  /** The news is too old to be sent. */
  | { kind: 'expire'; attemptId: string; at: number }
  /** The sender is gone and its provider's time-out has passed: from here on the outcome is unknown. */
  | { kind: 'declare_ambiguous'; attemptId: string; at: number }
  | { kind: 'look_up'; attemptId: string; at: number }
  | { kind: 'resend'; attemptId: string; at: number }
  | { kind: 'hold'; attemptId: string; at: number }
  /** It was given up some time ago. */
  | { kind: 'look_again'; attemptId: string; at: number }
  /** Nobody can find it, and nothing is to be sent any more. */
  | { kind: 'abandon'; attemptId: string; at: number }
  /** Accepted, and no final report came: the provider is asked before the next channel is tried. */
  | { kind: 'ask'; attemptId: string; at: number }
  | { kind: 'done' };

/** Look-ups that must find nothing before a message may be sent again. */
export const LOOK_UPS = 2;

/**
 * Decides the next step from what is stored of the latest attempt. Pure, so that a repeat after any crash comes to the
 * same step. Source: reliability, section 3, points 3 to 5.
 * @param options.providerTimeoutMs - after `sendUntil`, how long a call that was already written may still be under way
 * @param options.now - epoch milliseconds of the database's clock
 */
export function nextStep(notification: CurrentNotification, options: StepOptions): NotificationStep {
  const step = stepOfLatest(notification, options);
  const { lost } = notification;
  if (lost === null) return step;
  const at = lost.givenUpAt + options.waits.lateLookUpMs;
  return step.kind !== 'done' && step.at <= at ? step : { kind: 'look_again', attemptId: lost.attemptId, at };
}

interface StepOptions {
  waits: NotificationWaits;
  providerTimeoutMs: number;
  now: number;
}

function stepOfLatest(notification: CurrentNotification, options: StepOptions): NotificationStep {
  const { attempt, status, expiresAt } = notification;
  const { attemptId } = attempt;
  const isOpen = status === 'PENDING';
  switch (attempt.state) {
    case 'REJECTED':
    case 'HELD':
      return { kind: 'done' };
    case 'READY': {
      if (!isOpen) return { kind: 'done' };
      const isTooLate = Math.max(attempt.nextAttemptAt, options.now) >= expiresAt;
      return isTooLate
        ? { kind: 'expire', attemptId, at: expiresAt }
        : { kind: 'send', attemptId, at: attempt.nextAttemptAt };
    }
    case 'SENDING':
      return {
        kind: 'declare_ambiguous',
        attemptId,
        at: (attempt.sendUntil ?? 0) + options.providerTimeoutMs,
      };
    case 'AMBIGUOUS':
      return lookUpStep(notification, options.waits);
    case 'ACCEPTED':
      if (!isOpen || attempt.outcome !== null) return { kind: 'done' };
      return { kind: 'ask', attemptId, at: attempt.silentAt ?? 0 };
  }
}

function lookUpStep(
  { attempt, status, onAmbiguous, resends, hasMessage }: CurrentNotification,
  waits: NotificationWaits,
): NotificationStep {
  const { attemptId } = attempt;
  if (attempt.lookUps === 0)
    return { kind: 'look_up', attemptId, at: (attempt.ambiguousAt ?? 0) + waits.firstLookUpMs };
  const lookedUpAt = attempt.lookedUpAt ?? 0;
  if (attempt.lookUps < LOOK_UPS)
    return { kind: 'look_up', attemptId, at: lookedUpAt + waits.secondLookUpMs };
  if (status !== 'PENDING' || hasMessage) return { kind: 'abandon', attemptId, at: lookedUpAt };
  const mayResend = onAmbiguous[attempt.channel] === 'resend' && resends < RESENDS_MAX;
  return { kind: mayResend ? 'resend' : 'hold', attemptId, at: lookedUpAt };
}

/** What is stored of each attempt, as far as the notification's end depends on it. Oldest first. */
export interface AttemptFact {
  channel: ChannelName;
  state: AttemptState;
  outcome: AttemptOutcome | null;
  errorCode: string | null;
}

export type Conclusion =
  | { kind: 'none' }
  /** The next channel is tried. */
  | { kind: 'next'; channel: ChannelName; instead: AttemptFact }
  | { kind: 'end'; status: Exclude<NotificationStatus, 'PENDING'>; reason: string | null };

/**
 * What follows from the attempts so far: the next channel after a definite failure, or the end. A message that arrived
 * ends a notification as DELIVERED whatever was thought of it before. Pure.
 */
export function conclude(
  notification: { status: NotificationStatus; channels: readonly ChannelName[] },
  attempts: readonly AttemptFact[],
): Conclusion {
  const { status, channels } = notification;
  if (attempts.some((attempt) => attempt.outcome === 'delivered')) {
    return status === 'DELIVERED' ? { kind: 'none' } : { kind: 'end', status: 'DELIVERED', reason: null };
  }
  // One that was found late still may reach the person.
  if (attempts.some(({ state, outcome }) => state === 'ACCEPTED' && outcome === null))
    return { kind: 'none' };
  const latest = attempts.filter(({ errorCode }) => errorCode !== NOT_NEEDED).at(-1);
  if (status !== 'PENDING' || latest === undefined) return { kind: 'none' };
  if (latest.state !== 'REJECTED' && latest.outcome === null) return { kind: 'none' };

  const position = channels.indexOf(latest.channel);
  const isEnd = latest.outcome === 'suppressed' || position === -1;
  const next = isEnd ? undefined : channels[position + 1];
  if (next !== undefined) return { kind: 'next', channel: next, instead: latest };
  const tried = attempts.filter(({ outcome }) => outcome !== 'suppressed').at(-1);
  return tried === undefined
    ? { kind: 'end', status: 'SUPPRESSED', reason: latest.errorCode }
    : { kind: 'end', status: 'UNREACHED', reason: tried.errorCode ?? tried.outcome };
}
