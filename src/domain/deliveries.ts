/** How long and how often a delivery is tried. Times in milliseconds. */
export interface RetryPolicy {
  /** From the first attempt; after it the delivery is a dead letter. */
  maximumAgeMs: number;
  /** Ceiling of the wait after the first attempt; it doubles with each further one. */
  initialDelayMs: number;
  /** Where the ceiling stops growing. */
  maximumDelayMs: number;
}

/** Source: EventBridge's default retry policy (24 hours); delays: reliability, rows 30 and 31. */
export const DEFAULT_RETRY_POLICY: Readonly<RetryPolicy> = {
  maximumAgeMs: 24 * 60 * 60 * 1_000,
  initialDelayMs: 1_000,
  maximumDelayMs: 15 * 60 * 1_000,
};

/** Bounds of what a receiver may ask for with Retry-After, in milliseconds. Source: reliability, row 31. */
const RETRY_AFTER_MS_MIN = 1_000;
const RETRY_AFTER_MS_MAX = 15 * 60 * 1_000;
/** Full jitter may draw nearly nothing; this keeps a failing receiver from being called in a tight loop. */
const DELAY_MS_MIN = 100;

/** The wait that a receiver asked for, kept between 1 s and 15 min. Milliseconds in and out. */
export function clampRetryAfterMs(retryAfterMs: number): number {
  return Math.min(Math.max(retryAfterMs, RETRY_AFTER_MS_MIN), RETRY_AFTER_MS_MAX);
}

/** The default policy with a target's own age, in seconds as `PUT /v1/targets/{name}` gives it. */
export function retryPolicyOf(retry: { maximumAgeSeconds?: number | undefined }): RetryPolicy {
  if (retry.maximumAgeSeconds === undefined) return { ...DEFAULT_RETRY_POLICY };
  return { ...DEFAULT_RETRY_POLICY, maximumAgeMs: retry.maximumAgeSeconds * 1_000 };
}

export interface AttemptHistory {
  /** Attempts made so far, the failed one included: 1, 2, 3 … */
  attempt: number;
  /** Start of the first attempt and the present, in milliseconds since 1970. */
  firstAttemptAt: number;
  now: number;
  /** What the receiver asked for, in milliseconds, not yet clamped. */
  retryAfterMs?: number | undefined;
  policy?: RetryPolicy | undefined;
  /** Drawn by the caller, from 0 up to but not including 1. */
  random: number;
}

/** `at` is in milliseconds since 1970, never before `now`. */
export type NextAttempt = { kind: 'retry'; at: number } | { kind: 'dead'; code: 'retries_exhausted' };

/**
 * When a delivery that failed is tried again, if at all. The wait is exponential with full jitter: drawn evenly between
 * 0 and the ceiling (1 s, 2 s, 4 s … 15 min; at least 100 ms), which spreads receivers' load best
 * (source: AWS Architecture Blog, "Exponential Backoff And Jitter"). A wait that would outlive the maximum age is cut to
 * it, so that the last attempt uses the whole time. Retry-After replaces the wait and is never cut short: when it
 * reaches past the maximum age, the delivery is dead. Pure and total for valid arguments.
 *
 * @throws RangeError when an argument is not a number in its range: a bug in the caller
 */
export function nextAttempt(history: AttemptHistory): NextAttempt {
  const { attempt, firstAttemptAt, now, retryAfterMs, policy = DEFAULT_RETRY_POLICY, random } = history;
  if (!Number.isSafeInteger(attempt) || attempt < 1) {
    throw new RangeError(`attempt counts from 1, got ${attempt}`);
  }
  if (!(random >= 0 && random < 1)) throw new RangeError(`random must be in [0, 1), got ${random}`);
  if (!Number.isFinite(firstAttemptAt) || !Number.isFinite(now)) {
    throw new RangeError('firstAttemptAt and now must be finite');
  }
  const deadline = firstAttemptAt + policy.maximumAgeMs;
  if (now >= deadline) return { kind: 'dead', code: 'retries_exhausted' };
  if (retryAfterMs !== undefined) {
    const at = now + clampRetryAfterMs(retryAfterMs);
    return at > deadline ? { kind: 'dead', code: 'retries_exhausted' } : { kind: 'retry', at };
  }
  const ceilingMs = Math.min(policy.maximumDelayMs, policy.initialDelayMs * 2 ** (attempt - 1));
  const delayMs = Math.max(DELAY_MS_MIN, Math.round(random * ceilingMs));
  return { kind: 'retry', at: Math.min(now + delayMs, deadline) };
}
