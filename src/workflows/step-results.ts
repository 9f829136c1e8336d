import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  isCancellation,
  TemporalFailure,
  TimeoutFailure,
} from '@temporalio/workflow';

/** A definite no, returned instead of thrown: the step has not happened, and the same step never will. */
export interface Refusal {
  kind: 'refused';
  /** Why, in lower_snake_case: `card_declined`. */
  code: string;
}

/**
 * What came of a step. `unknown` is not `refused`: a step that timed out or was cancelled may have happened, may be
 * running, or may still begin. Both call for the compensations; only a refusal may be told as one.
 */
export type StepResult<T> = { kind: 'done'; value: T } | Refusal | { kind: 'unknown'; code: string };

/**
 * Carries a step out and tells a definite no from an unknown outcome: a refusal that was returned, or a failure that is
 * not retryable, is `refused`; everything else that Temporal reports (time-out, attempts used up, cancellation) is
 * `unknown`. That holds for steps that are idempotent: a later try says what became of an earlier one.
 * @throws what is no failure of Temporal's: a bug in the workflow's own code
 */
export async function attempt<T>(step: () => Promise<T>): Promise<StepResult<Exclude<T, Refusal>>> {
  try {
    const value = await step();
    return isRefusal(value) ? value : { kind: 'done', value: value as Exclude<T, Refusal> };
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    return { kind: isDefinite(error) ? 'refused' : 'unknown', code: codeOf(error) };
  }
}

function isRefusal(value: unknown): value is Refusal {
  const { kind, code } = (value ?? {}) as Partial<Refusal>;
  return kind === 'refused' && typeof code === 'string';
}

/** Repeating cannot mend it: the failure says so itself, or the retry policy of its step names its type. */
export function isDefinite(error: TemporalFailure): boolean {
  const failure = causeOf(error);
  if (!(failure instanceof ApplicationFailure)) return false;
  return (
    failure.nonRetryable === true || ('retryState' in error && error.retryState === 'NON_RETRYABLE_FAILURE')
  );
}

/** Why, as far as Temporal says: the type of the failure, `timeout`, `cancelled`, or `failed`. */
export function codeOf(error: TemporalFailure): string {
  const failure = causeOf(error);
  if (failure instanceof ApplicationFailure) return failure.type ?? 'failed';
  if (isCancellation(error)) return 'cancelled';
  return failure instanceof TimeoutFailure ? 'timeout' : 'failed';
}

/** Temporal wraps what an activity or a child workflow threw. */
function causeOf(error: TemporalFailure): Error | undefined {
  return error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? error.cause : error;
}
