import { parseRetryAfterMs } from '../../domain/retry-after';

/**
 * A longer wait is no useful answer: deliveries are given up after 24 hours by default. It is ignored, and the own
 * backoff counts.
 */
const RETRY_AFTER_BELIEVED_MS_MAX = 24 * 60 * 60 * 1_000;

/**
 * What a target asks for by Retry-After, as far as it is believed.
 * @param now - milliseconds since 1970
 * @returns milliseconds to wait, not clamped; undefined for what is absent, malformed, in the past, or beyond 24 hours
 */
export function believedRetryAfterMs(header: unknown, now: number): number | undefined {
  const waitMs = parseRetryAfterMs(header, now);
  return waitMs !== undefined && waitMs >= 0 && waitMs <= RETRY_AFTER_BELIEVED_MS_MAX ? waitMs : undefined;
}
