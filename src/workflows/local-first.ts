import {
  ActivityCancellationType,
  isCancellation,
  TemporalFailure,
  type LocalActivityOptions,
} from '@temporalio/workflow';

/**
 * A step that is tried inside the workflow's own task: one event instead of three, and no further task to hear of its end.
 * Signals, updates and cancels wait for it, so it is tried for a short time only: longer than one wait for a lock (2 s), and
 * far shorter than the 8 s after which an open task would cost three events more. What has no outcome by then is left to an
 * activity, which nobody waits for in that way.
 */
export const LOCAL_STEP = {
  scheduleToCloseTimeout: '3s',
  // The time of all tries is measured by the server's clock and the worker's, which differ: the number bounds them too (1.5 s).
  retry: { initialInterval: '100ms', backoffCoefficient: 2, maximumInterval: '1s', maximumAttempts: 5 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
} satisfies LocalActivityOptions;

type Step<Input, Result> = (input: Input) => Promise<Result>;

/** @returns a step that is tried locally first, and as an activity when that came to no outcome. Both are the same step. */
export function localFirst<Input, Result>(
  local: Step<Input, Result>,
  remote: Step<Input, Result>,
): Step<Input, Result> {
  return async (input) => {
    try {
      return await local(input);
    } catch (error) {
      // A bug of the workflow's own is none of these. What cannot succeed fails once more, as the failure of an activity.
      if (!(error instanceof TemporalFailure) || isCancellation(error)) throw error;
      return remote(input);
    }
  };
}
