import { jsonAnswer, type FakeAnswer } from './fake-server';

/** A refusal as Twilio words it. `status` is the HTTP status. */
export interface TwilioRefusal {
  code: number;
  message: string;
  status: number;
}

export const TOO_MANY_REQUESTS: TwilioRefusal = { code: 20429, message: 'Too Many Requests', status: 429 };
export const SERVER_ERROR: TwilioRefusal = {
  code: 20500,
  message: 'An internal server error has occurred',
  status: 500,
};
export const UNAVAILABLE: TwilioRefusal = { code: 20503, message: 'Service Unavailable', status: 503 };
export const UNAUTHENTICATED: TwilioRefusal = { code: 20003, message: 'Authenticate', status: 401 };
export const METHOD_NOT_ALLOWED: TwilioRefusal = { code: 20004, message: 'Method not allowed', status: 405 };

/** A 400 of Twilio. */
export function badRequest(code: number, message: string): TwilioRefusal {
  return { code, message, status: 400 };
}

/** What Twilio says of a path, or of a sid, that it does not know. */
export function notFound(path: string): TwilioRefusal {
  return { code: 20404, message: `The requested resource ${path} was not found`, status: 404 };
}

/** Twilio's error document. */
export function refusalDocument({ code, message, status }: TwilioRefusal): Record<string, unknown> {
  return { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status };
}

/** The HTTP answer of a refusal. */
export function refuse(refusal: TwilioRefusal): Extract<FakeAnswer, { kind: 'answer' }> {
  return jsonAnswer(refusal.status, refusalDocument(refusal));
}

/** Longest StatusCallback. Source: Twilio, error 21609. */
const CALLBACK_URL_CHARACTERS_MAX = 4000;

/**
 * Why Twilio refuses a StatusCallback, or null. Unlike Twilio, a host that is not public is fine, because that is where
 * tests listen. Source: Twilio, error 21609: fully qualified, http or https, no underscore in the host's name.
 */
export function statusCallbackRefusal(url: string | null): TwilioRefusal | null {
  if (url === null || url === '') return null;
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const isValid =
    url.length <= CALLBACK_URL_CHARACTERS_MAX &&
    parsed !== null &&
    /^https?:$/.test(parsed.protocol) &&
    !parsed.hostname.includes('_');
  return isValid ? null : badRequest(21609, "The 'StatusCallback' URL is not a valid URL.");
}
