import { InvalidConnectionError } from '../../errors';
import { ConfigFields } from './config-fields';
import { HEADER_VALUE, headerNameRefusal } from './http-headers';

/** Credentials of a target, decrypted. Lives in memory only; never logged, never in an error. */
export type ConnectionSecret =
  | { kind: 'basic'; username: string; password: string }
  | { kind: 'bearer'; token: string }
  | { kind: 'api_key'; headerName: string; value: string };

export const CONNECTION_KINDS = ['basic', 'bearer', 'api_key'] as const;

/** Longer secrets meet header limits of common servers. Characters. */
const SECRET_LENGTH_MAX = 4_096;
/** Source: RFC 7617, section 2: no control characters, and a user name cannot hold a colon. */
const USERNAME = {
  pattern: /^[^:\p{Cc}]*$/u,
  lengthMax: SECRET_LENGTH_MAX,
  message: 'This must be a text without colons and control characters.',
};
/** May be empty: some services take their key as the user name alone. */
const PASSWORD = {
  pattern: /^\P{Cc}*$/u,
  lengthMin: 0,
  lengthMax: SECRET_LENGTH_MAX,
  message: 'This must be a text without control characters.',
};
const TOKEN = {
  pattern: /^[\x21-\x7e]+$/,
  lengthMax: SECRET_LENGTH_MAX,
  message: 'This must be visible ASCII characters without spaces.',
};
const HEADER_NAME = { pattern: /^/, lengthMax: SECRET_LENGTH_MAX, message: 'This must be a header name.' };
const API_KEY = {
  pattern: HEADER_VALUE,
  lengthMax: SECRET_LENGTH_MAX,
  message: 'This must be visible ASCII characters without line breaks.',
};

/**
 * Checks the credentials that a caller stores.
 * @param secret - parsed JSON
 * @throws InvalidConnectionError (not retryable) with a pointer per mistake; no message holds a value
 */
export function parseConnectionSecret(secret: unknown): ConnectionSecret {
  const kind = (secret as { kind?: unknown } | null | undefined)?.kind;
  if (kind === 'basic') {
    const fields = new ConfigFields(secret, ['kind', 'username', 'password']);
    const username = fields.text('username', USERNAME);
    const password = fields.text('password', PASSWORD);
    return checked({ kind, username, password }, fields);
  }
  if (kind === 'bearer') {
    const fields = new ConfigFields(secret, ['kind', 'token']);
    return checked({ kind, token: fields.text('token', TOKEN) }, fields);
  }
  if (kind === 'api_key') {
    const fields = new ConfigFields(secret, ['kind', 'headerName', 'value']);
    const headerName = fields.text('headerName', HEADER_NAME);
    const refusal = headerName === '' ? null : headerNameRefusal(headerName);
    if (refusal !== null) fields.refuse(['headerName'], refusal);
    return checked({ kind, headerName, value: fields.text('value', API_KEY) }, fields);
  }
  const message = `This must be one of ${CONNECTION_KINDS.join(', ')}.`;
  throw new InvalidConnectionError(message, { fields: [{ pointer: '/kind', message }] });
}

function checked(secret: ConnectionSecret, { errors }: ConfigFields): ConnectionSecret {
  if (errors.length > 0) throw new InvalidConnectionError('The connection is not valid.', { fields: errors });
  return secret;
}

/** The header that carries the credentials. Source: RFC 7617 (basic, UTF-8), RFC 6750 (bearer). */
export function credentialHeader(secret: ConnectionSecret): { name: string; value: string } {
  if (secret.kind === 'basic') {
    const encoded = Buffer.from(`${secret.username}:${secret.password}`, 'utf8').toString('base64');
    return { name: 'authorization', value: `Basic ${encoded}` };
  }
  if (secret.kind === 'bearer') return { name: 'authorization', value: `Bearer ${secret.token}` };
  return { name: secret.headerName.toLowerCase(), value: secret.value };
}
