import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { parkedStepResolved, searchAttributes, type Resolution } from './messages';
import { parkStep, unparkStep } from './steps';

/**
 * Parks a step that has no single right answer until an operator decides. The run stays open and is found by its
 * `NeedsAttention` search attribute; the step is a row in `parked_steps`.
 */
export async function untilResolved(parked: {
  orderId: string;
  step: string;
  reason: string;
}): Promise<Resolution['decision']> {
  let decision: Resolution['decision'] | undefined;
  setHandler(parkedStepResolved, (resolution) => {
    if (resolution.step === parked.step) decision ??= resolution.decision;
  });
  await parkStep({ ...parked, workflowId: workflowInfo().workflowId });
  upsertSearchAttributes([{ key: searchAttributes.needsAttention, value: true }]);
  await condition(() => decision !== undefined);
  await unparkStep(parked);
  upsertSearchAttributes([{ key: searchAttributes.needsAttention, value: false }]);
  return decision!;
}

/**
 * Carries a step out, however often an operator wants it tried: a failure that repeating cannot mend parks it.
 * @returns what the step returned, or null when the operator said to go on without it
 */
export async function carriedOutOrParked<T>(
  parked: { orderId: string; step: string },
  work: () => Promise<T>,
): Promise<T | null> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      const reason =
        (error.cause instanceof ApplicationFailure ? error.cause.type : null) ?? 'activity_failed';
      if ((await untilResolved({ ...parked, reason })) === 'skip') return null;
    }
  }
}
