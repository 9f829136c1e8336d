import { Pool, types } from 'pg';
import type { Logger } from '../log';

/** A statement that waits longer for a lock fails and is repeated: no order holds a pool slot for long. Design, section 3. */
const LOCK_TIMEOUT_MS = 2_000;
/** Longer than any statement of ours; what takes longer hangs. */
const STATEMENT_TIMEOUT_MS = 15_000;
/** On our side: a little above the server's own limit, whose error says more. */
const QUERY_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_AFTER_MS = 10_000;
/** A transaction of ours never waits for anything but the database. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000;
/** A connection is had at once or the database is not there. */
const CONNECT_TIMEOUT_MS = 5_000;

const INT8 = 20;
const DATE = 1184;

/** bigint columns hold amounts in minor units, which are safe integers; timestamps go out as RFC 3339 text in UTC. */
const parsers = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    if (oid === INT8) return safeInteger;
    if (oid === DATE) return toRfc3339;
    return types.getTypeParser(oid, format);
  },
};

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('a bigint of the database is not a safe integer');
  return value;
}

function toRfc3339(text: string): string {
  return (types.getTypeParser(DATE) as (value: string) => Date)(text).toISOString();
}

/**
 * The only way to PostgreSQL. Connections that break while idle are logged and replaced.
 * @param options.size - connections at most
 */
export function createPool(options: { url: string; size: number; name: string; log: Logger }): Pool {
  const pool = new Pool({
    connectionString: options.url,
    max: options.size,
    application_name: options.name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    // A server that vanished without a word is noticed by these two; the server's own limits cannot say so then.
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    types: parsers as unknown as NonNullable<ConstructorParameters<typeof Pool>[0]>['types'],
  });
  // Without a listener an idle connection that breaks would end the process.
  pool.on('error', (error) => options.log.warn({ err: error.message }, 'an idle database connection broke'));
  return pool;
}

export type { Pool, PoolClient } from 'pg';
