import { jsonPointer } from '../json-pointer';
import type { FieldError } from '../../errors';

const HEADERS_MAX = 50;
const HEADER_NAME_LENGTH_MAX = 128;
const HEADER_VALUE_LENGTH_MAX = 4_096;
/** Characters of all names and values: many servers refuse more than 8 KB of headers. */
const HEADERS_LENGTH_MAX = 6_144;

/** Source: RFC 9110, section 5.6.2 (token). */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Visible ASCII, with spaces and tabs inside: no line breaks, no bytes that servers read differently. */
export const HEADER_VALUE = /^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/;

/** Framing and connection control belong to the client. Source: RFC 9110, section 7.6.1; RFC 9112. */
const CLIENT_HEADERS = [
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
/** Would be stored in plain text and read back: they come from a connection. */
const CREDENTIAL_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];
/** What the service says about a delivery; `webhook-*` is reserved for Standard Webhooks. */
const OWN_HEADER = /^(idempotency-key$|replay-id$|webhook-|x-aftercommit-)/;

/** Why neither a static header nor an API key can have this name, or null when both can. */
export function headerNameRefusal(name: string): string | null {
  const lower = name.toLowerCase();
  if (!HEADER_NAME.test(name) || name.length > HEADER_NAME_LENGTH_MAX) return 'This is not a header name.';
  if (CLIENT_HEADERS.includes(lower)) return 'This header is set by the HTTP client.';
  if (OWN_HEADER.test(lower)) return 'This header is set by the service.';
  return null;
}

/**
 * Checks static headers. Names come back in lower case.
 * @param headers - parsed JSON; absent means none
 */
export function checkHeaders(headers: unknown): { headers: Record<string, string>; errors: FieldError[] } {
  if (headers === undefined) return { headers: {}, errors: [] };
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    return { headers: {}, errors: [{ pointer: '/headers', message: 'This must be an object.' }] };
  }
  const errors: FieldError[] = [];
  const checked = new Map<string, string>();
  let length = 0;
  for (const [name, value] of Object.entries(headers)) {
    const message = headerRefusal(name, value) ?? (checked.has(name.toLowerCase()) ? 'Named twice.' : null);
    if (message === null) checked.set(name.toLowerCase(), value as string);
    else errors.push({ pointer: jsonPointer(['headers', name]), message });
    length += name.length + String(value).length;
  }
  if (checked.size > HEADERS_MAX || length > HEADERS_LENGTH_MAX) {
    const message = `At most ${HEADERS_MAX} headers of ${HEADERS_LENGTH_MAX} characters together are allowed.`;
    errors.push({ pointer: '/headers', message });
  }
  return { headers: Object.fromEntries(checked), errors };
}

function headerRefusal(name: string, value: unknown): string | null {
  if (typeof value !== 'string') return 'The value must be a text.';
  if (value.length > HEADER_VALUE_LENGTH_MAX || !HEADER_VALUE.test(value)) {
    return `The value must be 1 to ${HEADER_VALUE_LENGTH_MAX} visible ASCII characters without line breaks.`;
  }
  if (CREDENTIAL_HEADERS.includes(name.toLowerCase())) return 'Credentials belong in a connection.';
  return headerNameRefusal(name);
}
