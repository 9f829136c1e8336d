/** The three forms of an HTTP date, all in GMT. Source: RFC 9110, section 5.6.7. */
const IMF_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC_850_DATE = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** Thirty years. What is longer is no time to wait, and has no exact number of milliseconds. */
const SECONDS_DIGITS = /^\d{1,9}$/;

/**
 * Reads a Retry-After header: whole seconds or an HTTP date. Source: RFC 9110, section 10.2.3.
 * @param now - milliseconds since 1970
 * @returns milliseconds from now, below zero for a date in the past; undefined for what is absent or malformed. What of it
 * is believed is the caller's to say
 */
export function parseRetryAfterMs(header: unknown, now: number): number | undefined {
  if (typeof header !== 'string') return undefined;
  const text = header.trim();
  if (SECONDS_DIGITS.test(text)) return Number(text) * 1_000;
  const atMs = parseHttpDate(text);
  return Number.isNaN(atMs) ? undefined : atMs - now;
}

function parseHttpDate(text: string): number {
  if (IMF_DATE.test(text) || RFC_850_DATE.test(text)) return Date.parse(text);
  return ASCTIME_DATE.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
}
