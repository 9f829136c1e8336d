import fc from 'fast-check';
import {
  clampRetryAfterMs,
  DEFAULT_RETRY_POLICY,
  nextAttempt,
  retryPolicyOf,
} from '../../src/domain/deliveries';

const HOUR_MS = 3_600_000;
const START = Date.parse('2026-08-01T12:00:00.000Z');
const first = { attempt: 1, firstAttemptAt: START, now: START, random: 0.5 };

describe('the next attempt', () => {
  it.each([
    [1, 500],
    [2, 1_000],
    [5, 8_000],
    [10, 256_000],
    [11, 450_000],
    [5_000, 450_000],
  ])(
    'after attempt %i waits a drawn part of a ceiling that doubles: %i ms at one half',
    (attempt, waitMs) => {
      expect(nextAttempt({ ...first, attempt })).toEqual({ kind: 'retry', at: START + waitMs });
    },
  );

  it('waits at least 100 ms', () => {
    expect(nextAttempt({ ...first, random: 0 })).toEqual({ kind: 'retry', at: START + 100 });
  });

  it.each([
    [30_000, 30_000],
    [0, 1_000],
    [HOUR_MS, 900_000],
  ])('honours a Retry-After of %i ms as %i ms', (retryAfterMs, waitMs) => {
    expect(nextAttempt({ ...first, retryAfterMs })).toEqual({ kind: 'retry', at: START + waitMs });
  });

  it('is cut to the maximum age, so that the last one uses the whole time', () => {
    const now = START + 24 * HOUR_MS - 10;

    expect(nextAttempt({ ...first, attempt: 100, now })).toEqual({ kind: 'retry', at: START + 24 * HOUR_MS });
  });

  it('does not come after the maximum age', () => {
    const dead = { kind: 'dead', code: 'retries_exhausted' };
    const policy = retryPolicyOf({ maximumAgeSeconds: 60 });

    expect(nextAttempt({ ...first, now: START + 24 * HOUR_MS })).toEqual(dead);
    expect(nextAttempt({ ...first, now: START + 60_000, policy })).toEqual(dead);
    expect(nextAttempt({ ...first, retryAfterMs: 60_001, policy })).toEqual(dead);
  });

  it.each([
    { attempt: 0 },
    { attempt: 1.5 },
    { random: 1 },
    { random: -0.1 },
    { random: Number.NaN },
    { now: Number.NaN },
    { firstAttemptAt: Infinity },
  ])('is a bug in the caller for %j', (wrong) => {
    expect(() => nextAttempt({ ...first, ...wrong })).toThrow(RangeError);
  });

  it('keeps its bounds for any history', () => {
    fc.assert(
      fc.property(
        fc.record({
          attempt: fc.integer({ min: 1, max: 100_000 }),
          ageMs: fc.integer({ min: 0, max: 48 * HOUR_MS }),
          random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
          retryAfterMs: fc.option(fc.integer({ min: 0, max: 48 * HOUR_MS }), { nil: undefined }),
          maximumAgeSeconds: fc.option(fc.integer({ min: 1, max: 172_800 }), { nil: undefined }),
        }),
        ({ attempt, ageMs, random, retryAfterMs, maximumAgeSeconds }) => {
          const policy = retryPolicyOf({ maximumAgeSeconds });
          const now = START + ageMs;
          const deadline = START + policy.maximumAgeMs;

          const next = nextAttempt({ attempt, firstAttemptAt: START, now, retryAfterMs, policy, random });

          const asked = retryAfterMs === undefined ? 0 : clampRetryAfterMs(retryAfterMs);
          expect(next.kind === 'dead').toBe(now >= deadline || now + asked > deadline);
          if (next.kind === 'dead') return;
          expect(next.at).toBeGreaterThan(now);
          expect(next.at).toBeLessThanOrEqual(Math.min(now + DEFAULT_RETRY_POLICY.maximumDelayMs, deadline));
          if (retryAfterMs !== undefined) expect(next.at).toBe(now + asked);
        },
      ),
    );
  });
});
