import { InvalidConnectionError } from '../../errors';
import type { AddressPolicy } from './address-guard';
import { checkedSettings, readTimeoutMs, TIMEOUT_PROPERTY } from './common-settings';
import { ConfigFields } from './config-fields';
import type { PostgresSecret } from './connection';

/** PostgreSQL cuts longer identifiers. Source: PostgreSQL, "Identifiers and Key Words": 63 bytes. */
const IDENTIFIER = '[A-Za-z_][A-Za-z0-9_$]{0,62}';
const TABLE = {
  pattern: new RegExp(`^${IDENTIFIER}\\.${IDENTIFIER}$`),
  lengthMax: 127,
  message: 'This must be schema.table, both of letters, digits, "_" and "$".',
};
const CHANNEL = {
  pattern: new RegExp(`^${IDENTIFIER}$`),
  lengthMax: 63,
  message: 'This must be letters, digits, "_" and "$".',
};
/** What the service and PostgreSQL keep for themselves. */
const REFUSED_SCHEMA = /^(aftercommit|information_schema|pg_.*)$/i;
const REFUSED_CHANNEL = /^aftercommit/i;

export const POSTGRES_PROPERTIES = {
  table: { type: 'string', example: 'billing.order_events' },
  channel: { type: 'string', example: 'order_events' },
  timeoutMs: TIMEOUT_PROPERTY,
} as const;

/** A table, checked and with its defaults filled in. */
export interface PostgresTargetConfig {
  /** `schema.table`, exactly as the database spells them. */
  table: string;
  /** Where each new row is told of; absent: nowhere. */
  channel?: string;
  /** For the whole attempt, a free connection included. */
  timeoutMs: number;
}

/**
 * @param config - parsed JSON
 * @throws InvalidTargetError (not retryable) with a pointer per mistake
 */
export function parsePostgresTargetConfig(config: unknown): PostgresTargetConfig {
  const fields = new ConfigFields(config, Object.keys(POSTGRES_PROPERTIES));
  const table = fields.text('table', TABLE);
  if (REFUSED_SCHEMA.test(table.split('.')[0] ?? '')) {
    fields.refuse(['table'], 'This schema belongs to the service or to PostgreSQL.');
  }
  const channel = fields.value('channel') === undefined ? undefined : fields.text('channel', CHANNEL);
  if (channel !== undefined && REFUSED_CHANNEL.test(channel)) {
    fields.refuse(['channel'], 'This channel belongs to the service.');
  }
  const timeoutMs = readTimeoutMs(fields);
  return checkedSettings({ table, ...(channel === undefined ? {} : { channel }), timeoutMs }, fields);
}

/** The table as SQL names it. Neither part holds a quote. */
export function quotedTable({ table }: PostgresTargetConfig): string {
  return table
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
}

/** Where another database is, in the members that the driver takes. */
export interface DatabaseAddress {
  host: string;
  port: number;
  user: string;
  password: () => string;
  database: string;
  ssl: false | { rejectUnauthorized: true };
}

/**
 * Reads a connection's URL member by member. The driver's own reader would also take sockets of this host, files for
 * certificates and whatever the environment of this process says where the URL is silent.
 *
 * TLS with the server's name checked, unless the URL says `sslmode=disable`, which like `http:` needs private addresses to
 * be allowed: a password never travels over the internet in the clear.
 * @throws InvalidConnectionError (not retryable); its message holds nothing of the URL
 */
export function parseDatabaseUrl({ url }: PostgresSecret, { allowPrivate }: AddressPolicy): DatabaseAddress {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const user = decoded(parsed?.username);
  const database = decoded(parsed?.pathname.slice(1));
  if (parsed === null || parsed.hostname === '' || user === '' || database === '') {
    throw refusal('The URL must be postgres://user:password@host:port/database.');
  }
  const others = [...parsed.searchParams.keys()].filter((name) => name !== 'sslmode');
  const sslmode = parsed.searchParams.get('sslmode') ?? 'verify-full';
  if (others.length > 0 || !['verify-full', 'require', 'disable'].includes(sslmode)) {
    throw refusal('The URL may have sslmode=verify-full, require or disable, and no other parameter.');
  }
  if (sslmode === 'disable' && !allowPrivate) {
    throw refusal('sslmode=disable needs private targets to be allowed.');
  }
  const password = decoded(parsed.password);
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? 5_432 : Number(parsed.port),
    user,
    // As a function it is asked for nowhere else, even when it is empty.
    password: () => password,
    database,
    ssl: sslmode === 'disable' ? false : { rejectUnauthorized: true },
  };
}

function decoded(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? '');
  } catch {
    return '';
  }
}

function refusal(message: string): InvalidConnectionError {
  return new InvalidConnectionError(message, { fields: [{ pointer: '/url', message }] });
}
