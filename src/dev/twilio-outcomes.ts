import { matches, type MatchSubject, type TwilioOutcome } from './twilio-control';
import type { Journey } from './twilio-records';

/** Statuses of a message after its first one. Source: Twilio, "Outbound Message Status in Status Callbacks". */
const MESSAGE_STATUSES = ['sent', 'delivered'];
/** Source: Twilio, "What are the possible call statuses". */
const CALL_STATUSES = ['initiated', 'ringing', 'in-progress', 'completed'];
/** Free text to somebody who has not written within the window. Source: Twilio, error 63016. */
const OUTSIDE_WINDOW = { statuses: ['undelivered'], errorCode: 63016 };
/** Source: Twilio, error 30008: unknown error. */
const UNKNOWN_ERROR = 30008;

/** Outcomes planned by a test. Those planned last count first, so that a plan can be changed without a reset. */
export class OutcomePlan {
  #planned: { outcome: TwilioOutcome; fired: number }[] = [];

  add(outcomes: readonly TwilioOutcome[]): void {
    this.#planned.unshift(...outcomes.map((outcome) => ({ outcome, fired: 0 })));
  }

  take(subject: MatchSubject): TwilioOutcome | undefined {
    const next = this.#planned.find(
      ({ outcome, fired }) => fired < (outcome.times ?? Infinity) && matches(outcome.match, subject),
    );
    if (next === undefined) return undefined;
    next.fired += 1;
    return next.outcome;
  }

  /** Each outcome with how often it decided. */
  report(): (TwilioOutcome & { fired: number })[] {
    return this.#planned.map(({ outcome, fired }) => ({ ...outcome, fired }));
  }

  clear(): void {
    this.#planned = [];
  }
}

/** What happens to a message that starts as `first`. */
export function messageJourney(options: {
  outcome: TwilioOutcome | undefined;
  first: string;
  isOutsideWindow: boolean;
}): Journey {
  const { outcome, first, isOutsideWindow } = options;
  const usual = isOutsideWindow ? OUTSIDE_WINDOW.statuses : MESSAGE_STATUSES;
  // Only a message of a messaging service is queued after it was created.
  const statuses = outcome?.statuses ?? (first === 'accepted' ? ['queued', ...usual] : usual);
  const isOwnFailure = isOutsideWindow && outcome?.statuses === undefined;
  const errorCode = outcome?.errorCode ?? (isOwnFailure ? OUTSIDE_WINDOW.errorCode : UNKNOWN_ERROR);
  const fails = statuses.some((status) => status === 'failed' || status === 'undelivered');
  return {
    statuses: cut(statuses, first, outcome?.stopAfter),
    errorCode: fails ? errorCode : null,
    answeredBy: null,
  };
}

/** What happens to a call. */
export function callJourney(outcome: TwilioOutcome | undefined): Journey {
  const statuses = outcome?.statuses ?? CALL_STATUSES;
  return {
    statuses: cut(statuses, 'queued', outcome?.stopAfter),
    errorCode: null,
    answeredBy: outcome?.answeredBy ?? 'human',
  };
}

/** Leaves out the first status, which the create already told, and everything behind the last one wanted. */
function cut(statuses: readonly string[], first: string, stopAfter: string | undefined): string[] {
  const coming = statuses[0] === first ? statuses.slice(1) : [...statuses];
  if (stopAfter === undefined) return coming;
  if (stopAfter === first) return [];
  const lastAt = coming.indexOf(stopAfter);
  return lastAt === -1 ? coming : coming.slice(0, lastAt + 1);
}
