import { InvalidConnectionError } from '../../errors';
import { ConfigFields } from './config-fields';
import { HEADER_VALUE, headerNameRefusal } from './http-headers';

/** Credentials of a target, decrypted. Lives in memory only; never logged, never in an error. */
export type ConnectionSecret =
  | { kind: 'basic'; username: string; password: string }
  | { kind: 'bearer'; token: string }
  | { kind: 'api_key'; headerName: string; value: string }
  | OAuthSecret
  | AwsSecret
  | PostgresSecret
  | WebhookSecret;

/** A token is fetched with these and used until it expires. Source: RFC 6749, section 4.4. */
export interface OAuthSecret {
  kind: 'oauth_client_credentials';
  tokenUrl: string;
  clientId: string;
  clientSecret: string;
  /** Space-separated; empty when the server has a default. */
  scope: string;
}

/** Without it, AWS's own chain decides: environment, profile, container or instance role. */
export interface AwsSecret {
  kind: 'aws';
  accessKeyId: string;
  secretAccessKey: string;
}

export interface PostgresSecret {
  kind: 'postgres';
  url: string;
}

/** Signs what is sent. During a rotation both secrets sign, and the receiver knows either. Source: Standard Webhooks. */
export interface WebhookSecret {
  kind: 'webhook_secret';
  /** `whsec_` and 24 to 64 bytes in base64. */
  secret: string;
  /** The one before; empty when there is none. */
  previousSecret: string;
}

export type ConnectionKind = ConnectionSecret['kind'];

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
const SCOPE = {
  pattern: /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/,
  lengthMax: SECRET_LENGTH_MAX,
  message: 'This must be scopes with one space between them.',
};
const HEADER_NAME = { pattern: /^/, lengthMax: SECRET_LENGTH_MAX, message: 'This must be a header name.' };
const API_KEY = {
  pattern: HEADER_VALUE,
  lengthMax: SECRET_LENGTH_MAX,
  message: 'This must be visible ASCII characters without line breaks.',
};

/** Source: Standard Webhooks, "Symmetric signatures": 24 to 64 bytes. */
const WEBHOOK_SECRET_BYTES = { minimum: 24, maximum: 64 };

/** How each kind reads its members. A new kind is one entry here and its type above. */
const READERS: { [Kind in ConnectionKind]: { members: string[]; read: (fields: ConfigFields) => object } } = {
  basic: {
    members: ['username', 'password'],
    read: (fields) => ({
      username: fields.text('username', USERNAME),
      password: fields.text('password', PASSWORD),
    }),
  },
  bearer: { members: ['token'], read: (fields) => ({ token: fields.text('token', TOKEN) }) },
  api_key: { members: ['headerName', 'value'], read: readApiKey },
  oauth_client_credentials: {
    members: ['tokenUrl', 'clientId', 'clientSecret', 'scope'],
    read: (fields) => ({
      tokenUrl: readUrl(fields, 'tokenUrl', ['https:', 'http:']),
      clientId: fields.text('clientId', TOKEN),
      clientSecret: fields.text('clientSecret', TOKEN),
      scope: fields.value('scope') === undefined ? '' : fields.text('scope', SCOPE),
    }),
  },
  aws: {
    members: ['accessKeyId', 'secretAccessKey'],
    read: (fields) => ({
      accessKeyId: fields.text('accessKeyId', TOKEN),
      secretAccessKey: fields.text('secretAccessKey', TOKEN),
    }),
  },
  postgres: {
    members: ['url'],
    read: (fields) => ({ url: readUrl(fields, 'url', ['postgres:', 'postgresql:']) }),
  },
  webhook_secret: {
    members: ['secret', 'previousSecret'],
    read: (fields) => ({
      secret: readWebhookSecret(fields, 'secret'),
      previousSecret:
        fields.value('previousSecret') === undefined || fields.value('previousSecret') === ''
          ? ''
          : readWebhookSecret(fields, 'previousSecret'),
    }),
  },
};

export const CONNECTION_KINDS = Object.keys(READERS) as ConnectionKind[];

/**
 * Checks the credentials that a caller stores.
 * @param secret - parsed JSON
 * @throws InvalidConnectionError (not retryable) with a pointer per mistake; no message holds a value
 */
export function parseConnectionSecret(secret: unknown): ConnectionSecret {
  const given = (secret as { kind?: unknown } | null | undefined)?.kind;
  const kind = CONNECTION_KINDS.find((known) => known === given);
  if (kind === undefined) {
    const message = `This must be one of ${CONNECTION_KINDS.join(', ')}.`;
    throw new InvalidConnectionError(message, { fields: [{ pointer: '/kind', message }] });
  }
  const { members, read } = READERS[kind];
  const fields = new ConfigFields(secret, ['kind', ...members]);
  return checked({ kind, ...read(fields) } as ConnectionSecret, fields);
}

function readApiKey(fields: ConfigFields): object {
  const headerName = fields.text('headerName', HEADER_NAME);
  const refusal = headerName === '' ? null : headerNameRefusal(headerName);
  if (refusal !== null) fields.refuse(['headerName'], refusal);
  return { headerName, value: fields.text('value', API_KEY) };
}

function readUrl(fields: ConfigFields, name: string, protocols: readonly string[]): string {
  const message = `This must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`;
  const text = fields.text(name, { pattern: /^/, lengthMax: SECRET_LENGTH_MAX, message });
  if (text !== '' && !(URL.canParse(text) && protocols.includes(new URL(text).protocol))) {
    fields.refuse([name], message);
  }
  return text;
}

function readWebhookSecret(fields: ConfigFields, name: string): string {
  const { minimum, maximum } = WEBHOOK_SECRET_BYTES;
  const message = `This must be whsec_ and ${minimum} to ${maximum} bytes in base64.`;
  const text = fields.text(name, {
    pattern: /^whsec_[A-Za-z0-9+/]+={0,2}$/,
    lengthMax: SECRET_LENGTH_MAX,
    message,
  });
  if (text === '') return '';
  const bytes = webhookKey(text);
  const canonical = bytes.toString('base64') === text.slice('whsec_'.length);
  if (!canonical || bytes.length < minimum || bytes.length > maximum) fields.refuse([name], message);
  return text;
}

/** The bytes of a `whsec_…` secret. */
export function webhookKey(secret: string): Buffer {
  return Buffer.from(secret.slice('whsec_'.length), 'base64');
}

function checked(secret: ConnectionSecret, { errors }: ConfigFields): ConnectionSecret {
  if (errors.length > 0) throw new InvalidConnectionError('The connection is not valid.', { fields: errors });
  return secret;
}

/** What one header can carry. */
export type HeaderSecret = Extract<ConnectionSecret, { kind: 'basic' | 'bearer' | 'api_key' }>;

export function isHeaderSecret(secret: ConnectionSecret): secret is HeaderSecret {
  return secret.kind === 'basic' || secret.kind === 'bearer' || secret.kind === 'api_key';
}

/** The header that carries the credentials. Source: RFC 7617 (basic, UTF-8), RFC 6750 (bearer). */
export function credentialHeader(secret: HeaderSecret): { name: string; value: string } {
  if (secret.kind === 'basic') {
    const encoded = Buffer.from(`${secret.username}:${secret.password}`, 'utf8').toString('base64');
    return { name: 'authorization', value: `Basic ${encoded}` };
  }
  if (secret.kind === 'bearer') return { name: 'authorization', value: `Bearer ${secret.token}` };
  return { name: secret.headerName.toLowerCase(), value: secret.value };
}
