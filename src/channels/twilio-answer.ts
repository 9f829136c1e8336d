import { parseRetryAfterMs } from '../domain/retry-after';

/** What is known of a call to Twilio that brought no resource. Source of the classes: reliability, section 3. */
export type TwilioFailure = 'rejected' | 'unsent' | 'ambiguous';

/**
 * A call to Twilio without a usable answer. `code` is Twilio's own, the driver's, or `http_<status>`. Holds no phone
 * number, text or token, and no cause for that reason.
 */
export class TwilioCallError extends Error {
  constructor(
    readonly failure: TwilioFailure,
    readonly code: string,
    message: string,
    /** What Twilio asked for, not yet clamped. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
    this.name = 'TwilioCallError';
  }
}

interface HttpAnswer {
  statusCode: number;
  body?: unknown;
  headers?: unknown;
}

/**
 * Passes a 2xx answer that holds a JSON object.
 * @throws TwilioCallError otherwise: `unsent` for 429 and for a refused account, `rejected` for another 4xx in Twilio's own
 * words, `ambiguous` for
 * everything that does not prove that Twilio itself refused (5xx, a redirect, an HTML page, 408 from some box between)
 */
export function understandAnswer<Answer extends HttpAnswer>(answer: Answer): Answer {
  const { statusCode: status } = answer;
  const body = asObject(answer.body);
  if (status >= 200 && status < 300 && body !== null) return answer;

  const given = body?.['code'];
  const code = typeof given === 'number' ? String(given) : `http_${status}`;
  const reason = typeof body?.['message'] === 'string' ? withoutNumbers(body['message']) : `HTTP ${status}`;
  if (status === 429) {
    const waitMs = parseRetryAfterMs(asObject(answer.headers)?.['retry-after'], Date.now());
    throw new TwilioCallError('unsent', code, reason, waitMs === undefined ? undefined : Math.max(0, waitMs));
  }
  // The account is refused, not the message: it was not processed, and goes out once the credentials are right.
  if (status === 401 && typeof given === 'number') throw new TwilioCallError('unsent', code, reason);
  const isRefusal = status >= 400 && status < 500 && status !== 408 && typeof given === 'number';
  throw new TwilioCallError(isRefusal ? 'rejected' : 'ambiguous', code, reason);
}

/** Twilio repeats the phone number in many of its messages. */
function withoutNumbers(message: string): string {
  return message.replace(/\+?\d[\d\s().-]{5,}\d/g, '[number]');
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
