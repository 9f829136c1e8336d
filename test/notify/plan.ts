import { createHash } from 'node:crypto';

/** Faults that leave a call without a usable answer after the provider took the message. */
const ACCEPTED = ['timeout_after_accept', 'cut_after_accept', '500_after_accept', 'no_sid', 'html'] as const;
/** The same, and the provider took nothing. */
const NOT_ACCEPTED = ['500_before_accept', 'refuse_connection_like_reset_before_accept'] as const;

/** What the provider does with the first call of one send. */
export interface PlannedFault {
  action: (typeof ACCEPTED)[number] | (typeof NOT_ACCEPTED)[number];
  /** Whether the provider has the message all the same. */
  isAccepted: boolean;
}

/**
 * Chooses the sends whose first call is to be ambiguous, half of them accepted. The same seed always chooses the same.
 * @param plan.ambiguous - how many of the sends; every other one is accepted, beginning with the first
 * @returns by number of the send, 0 … sends - 1
 */
export function planFaults(plan: {
  sends: number;
  ambiguous: number;
  seed: number;
}): Map<number, PlannedFault> {
  const drawn = Array.from({ length: plan.sends }, (_, send) => ({ send, lot: lotOf(plan.seed, send) }));
  const chosen = drawn.sort((a, b) => (a.lot < b.lot ? -1 : 1)).slice(0, plan.ambiguous);
  return new Map(chosen.map(({ send }, place) => [send, faultAt(place)]));
}

/** A hash is as good as chance, and the same on every machine. */
function lotOf(seed: number, send: number): string {
  return createHash('sha256').update(`${seed} ${send}`).digest('hex');
}

function faultAt(place: number): PlannedFault {
  const isAccepted = place % 2 === 0;
  const actions = isAccepted ? ACCEPTED : NOT_ACCEPTED;
  return { action: actions[Math.floor(place / 2) % actions.length]!, isAccepted };
}
