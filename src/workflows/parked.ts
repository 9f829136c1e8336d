import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Decision } from '../domain/parked';
import { parkedStepResolved, searchAttributes, type Resolution } from './messages';
import { parkStep, unparkStep } from './steps';

/** What has come for each step that waits in this run: one handler serves them all. */
const waiting = new Map<string, Resolution[]>();

/** What comes for a step that does not wait was carried out before, or is in the step's row when it is parked again. */
function hear(resolution: Resolution): void {
  waiting.get(resolution.step)?.push(resolution);
}

/**
 * Parks a step that has no single right answer until an operator decides. The run stays open and is found by its
 * `NeedsAttention` search attribute as long as any step of it waits; the step is a row in `parked_steps`. A decision that is
 * in that row already counts: the run that was to hear of it is gone.
 */
export async function untilResolved(parked: {
  orderId: string;
  step: string;
  reason: string;
}): Promise<Decision> {
  const { orderId, step } = parked;
  const heard: Resolution[] = [];
  waiting.set(step, heard);
  setHandler(parkedStepResolved, hear);
  let row: Awaited<ReturnType<typeof parkStep>> | undefined;
  const decided = (): Decision | undefined =>
    row?.decision ?? heard.find((one) => isAbout(one, row?.parkedId))?.decision;
  try {
    row = await parkStep({ ...parked, workflowId: workflowInfo().workflowId });
    upsertSearchAttributes([{ key: searchAttributes.needsAttention, value: true }]);
    await condition(() => decided() !== undefined);
    return decided()!;
  } finally {
    // Also when whoever parked it was cancelled: then the step needs no decision any more.
    await CancellationScope.nonCancellable(async () => {
      waiting.delete(step);
      await unparkStep({ orderId, step, decision: decided(), parkedId: row?.parkedId });
      if (waiting.size === 0)
        upsertSearchAttributes([{ key: searchAttributes.needsAttention, value: false }]);
    });
  }
}

/** A signal that comes late, for an earlier parking of the step, decides nothing. One by hand names no parking. */
function isAbout({ parkedId: named }: Resolution, parkedId: string | undefined): boolean {
  return named === undefined || parkedId === undefined || named === parkedId;
}

/** What a step came to, when an operator may have had to decide. */
export type Attempted<T> = { kind: 'done'; value: T } | { kind: Exclude<Decision, 'retry'> };

/** Carries a step out, however often an operator wants it tried: a failure that repeating cannot mend parks it. */
export async function carriedOutOrDecided<T>(
  parked: { orderId: string; step: string },
  work: () => Promise<T>,
): Promise<Attempted<T>> {
  for (;;) {
    try {
      return { kind: 'done', value: await work() };
    } catch (error) {
      if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
      const reason =
        (error.cause instanceof ApplicationFailure ? error.cause.type : null) ?? 'activity_failed';
      const decision = await untilResolved({ ...parked, reason });
      if (decision !== 'retry') return { kind: decision };
    }
  }
}

/**
 * The same for an undo, where it is all one whether a person did it or it cannot be done: what follows goes on.
 * @returns what the step returned, or null when the operator said to go on without it
 */
export async function carriedOutOrParked<T>(
  parked: { orderId: string; step: string },
  work: () => Promise<T>,
): Promise<T | null> {
  const attempted = await carriedOutOrDecided(parked, work);
  return attempted.kind === 'done' ? attempted.value : null;
}
