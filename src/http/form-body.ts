import type { Request } from 'express';
import { MalformedRequestError, UnsupportedMediaTypeError } from '../errors';
import { readBody } from './json-body';

/** A form as it came: no value is trimmed, because the sender signed it as it is. A name that came twice has an array. */
export type Form = Record<string, string | string[]>;

const FORM_MEDIA_TYPE = /^application\/x-www-form-urlencoded[ \t]*(;[ \t]*charset=("utf-8"|utf-8)[ \t]*)?$/i;

/**
 * Reads the body of a request as a form, within the limits of `readBody`.
 * @throws UnsupportedMediaTypeError, BodyTooLargeError, RequestTimeoutError, MalformedRequestError
 */
export async function readFormBody(req: Request): Promise<Form> {
  if (!FORM_MEDIA_TYPE.test(req.headers['content-type'] ?? '')) {
    throw new UnsupportedMediaTypeError(
      'Send the body as Content-Type: application/x-www-form-urlencoded, in UTF-8.',
    );
  }
  const bytes = await readBody(req);
  try {
    return parseForm(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    // Without the cause: it may repeat what a person wrote.
    throw new MalformedRequestError('The body is not a form in UTF-8.');
  }
}

/**
 * Source: the URL standard, application/x-www-form-urlencoded parsing; stricter in that a broken percent escape is refused.
 * @throws URIError
 */
function parseForm(text: string): Form {
  const values = new Map<string, string[]>();
  for (const pair of text.split('&').filter((part) => part !== '')) {
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    const before = values.get(name);
    if (before === undefined) values.set(name, [value]);
    else before.push(value);
  }
  return Object.fromEntries([...values].map(([name, all]) => [name, all.length === 1 ? all[0]! : all]));
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/**
 * One value of a form, as it is; null when it is not there or empty.
 * @throws MalformedRequestError when it came twice
 */
export function memberOf(form: Form, name: string): string | null {
  const value = Object.hasOwn(form, name) ? form[name] : undefined;
  if (Array.isArray(value)) {
    throw new MalformedRequestError('A form member came twice.', {
      fields: [{ pointer: `/${name}`, message: 'Named twice.' }],
    });
  }
  return value === undefined || value === '' ? null : value;
}
