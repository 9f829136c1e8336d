/**
 * A longer wait is no useful answer: deliveries are given up after 24 hours by default. It is ignored, and the own
 * backoff counts.
 */
const RETRY_AFTER_BELIEVED_MS_MAX = 24 * 60 * 60 * 1_000;

/** The three forms of an HTTP date, all in GMT. Source: RFC 9110, section 5.6.7. */
const IMF_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC_850_DATE = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/**
 * Reads a Retry-After header: whole seconds or an HTTP date. Source: RFC 9110, section 10.2.3.
 * @param now - milliseconds since 1970
 * @returns milliseconds to wait, not clamped; undefined for what is absent, malformed, in the past, or beyond 24 hours
 */
export function parseRetryAfterMs(header: unknown, now: number): number | undefined {
  if (typeof header !== 'string') return undefined;
  const text = header.trim();
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1_000 : parseHttpDate(text) - now;
  return waitMs >= 0 && waitMs <= RETRY_AFTER_BELIEVED_MS_MAX ? waitMs : undefined;
}

function parseHttpDate(text: string): number {
  if (IMF_DATE.test(text) || RFC_850_DATE.test(text)) return Date.parse(text);
  return ASCTIME_DATE.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
}
