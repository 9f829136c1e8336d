import { crashWorker } from '../e2e/crash';
import { acceptedOf, rowOf, TRAPS, TRAPS_AGAIN, type Attempt, type Point } from './notify-points';
import type { NotifyRig, Told } from './notify-rig';

/** A kill, and what the provider does meanwhile. */
export interface Scenario {
  point: Point;
  what: string;
  /** Control document of the simulated provider. */
  provider: object;
  /** The attempt as the dead worker left it: its state, and whether its provider accepted it. */
  left: { state: readonly string[]; isAccepted: boolean };
}

const LOST = { callbacks: { lose: true } };
const fault = (action: string): object => ({ faults: [{ action, match: { channel: 'sms' } }] });

/** A callback may bring the sid, and so the outcome, while the worker still lives. */
const MAYBE_TOLD = ['SENDING', 'ACCEPTED'];

export const SCENARIOS: readonly Scenario[] = [
  {
    point: 'N1',
    what: 'before its claim',
    provider: {},
    left: { state: ['READY'], isAccepted: false },
  },
  {
    point: 'N2',
    what: 'claimed and not sent',
    provider: {},
    left: { state: ['SENDING'], isAccepted: false },
  },
  {
    point: 'N3',
    what: 'sent and not answered',
    provider: {},
    left: { state: MAYBE_TOLD, isAccepted: true },
  },
  {
    point: 'N3',
    what: 'sent and not answered, its reports lost',
    provider: LOST,
    left: { state: ['SENDING'], isAccepted: true },
  },
  {
    point: 'N4',
    what: 'its sid received and not stored',
    provider: {},
    left: { state: MAYBE_TOLD, isAccepted: true },
  },
  {
    point: 'N4',
    what: 'its sid received and not stored, its reports lost',
    provider: LOST,
    left: { state: ['SENDING'], isAccepted: true },
  },
  {
    point: 'N5',
    what: 'stored and not reported',
    provider: {},
    left: { state: ['ACCEPTED'], isAccepted: true },
  },
  {
    point: 'N6',
    what: 'in the look-up of one that was accepted',
    provider: { ...LOST, ...fault('500_after_accept') },
    left: { state: ['AMBIGUOUS'], isAccepted: true },
  },
  {
    point: 'N6',
    what: 'in the look-up of one that was not',
    provider: fault('500_before_accept'),
    left: { state: ['AMBIGUOUS'], isAccepted: false },
  },
];

/** Scenarios whose attempt is found by the look-up and nothing else. */
export function isLookedUp({ provider, left }: Scenario): boolean {
  return 'callbacks' in provider && left.isAccepted;
}

async function expectLeft(rig: NotifyRig, attempt: Attempt, { left }: Scenario): Promise<void> {
  const row = await rowOf(rig.stack, attempt);
  expect(left.state).toContain(row?.state);
  expect(row?.look_ups).toBe(0);
  expect(acceptedOf(rig.stack, attempt)).toHaveLength(left.isAccepted ? 1 : 0);
}

/**
 * The worker dies at the point; with `kills` 2 the next one dies too, in the activity's second execution.
 * @param go - what makes the worker come to the point
 */
export async function kill(
  rig: NotifyRig,
  attempt: Attempt,
  { scenario, kills, go }: { scenario: Scenario; kills: number; go: () => void },
): Promise<void> {
  // Look-ups are made by the notification's own workflow, whoever made the attempt.
  const killed: Attempt =
    scenario.point === 'N6' ? { ...attempt, activity: 'continueNotification' } : attempt;
  const reached = TRAPS[scenario.point](rig.stack, killed);
  go();
  await reached();
  await crashWorker(rig.stack, () => expectLeft(rig, attempt, scenario));
  for (let done = 1; done < kills; done += 1) {
    const reachedAgain = TRAPS_AGAIN[scenario.point](rig.stack, killed);
    await reachedAgain();
    await crashWorker(rig.stack);
  }
}

/** The kill in the order's grouped delivery step. */
export async function killAtFirstAttempt(
  rig: NotifyRig,
  told: Told,
  { scenario, kills }: { scenario: Scenario; kills: number },
): Promise<void> {
  await rig.control(scenario.provider);
  await kill(rig, rig.attempt(told), { scenario, kills, go: () => rig.place(told) });
}

/** The kill in the notification's own workflow, which sends an SMS after WhatsApp failed. */
export async function killAtFallback(
  rig: NotifyRig,
  told: Told,
  { scenario, kills }: { scenario: Scenario; kills: number },
): Promise<void> {
  const goOn = await rig.untilFallback(told);
  // Not before: WhatsApp's own report must come.
  await rig.control(scenario.provider);
  await kill(rig, rig.attempt(told, 2), { scenario, kills, go: goOn });
}
