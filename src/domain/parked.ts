/**
 * What an operator can say about a parked step. `retry`: try it again. `skip`: go on as if it had been done by hand.
 * `fail`: it has failed for good, and what follows a failure is done.
 */
export const DECISIONS = ['retry', 'skip', 'fail'] as const;
export type Decision = (typeof DECISIONS)[number];

/** OPEN: a decision is missing, or is not carried out yet. */
export type ParkedState = 'OPEN' | 'RESOLVED';

const HELD_ATTEMPT = 'notify:';

/** The name of the step that a held attempt to tell a person is parked under. */
export function heldAttemptStep(attemptId: string): string {
  return `${HELD_ATTEMPT}${attemptId}`;
}

/** The attempt of such a step; null for every other step. */
export function heldAttemptOf(step: string): string | null {
  return step.startsWith(HELD_ATTEMPT) ? step.slice(HELD_ATTEMPT.length) : null;
}
