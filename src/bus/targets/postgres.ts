import { isIP, Socket, type LookupFunction } from 'node:net';
import { Pool, type PoolClient } from 'pg';
import { AddressBlockedError, guardedLookup, isAllowedAddress, type AddressPolicy } from './address-guard';
import type { OpenTargetDeps, TargetKind } from './kind';
import {
  parseDatabaseUrl,
  parsePostgresTargetConfig,
  POSTGRES_PROPERTIES,
  quotedTable,
  type DatabaseAddress,
  type PostgresTargetConfig,
} from './postgres-config';
import { outcomeOfDatabaseFailure } from './postgres-outcome';
import type { SendOutcome, Target, TargetRequest } from './target';

/** Connections to another database. Each insert takes milliseconds, and servers allow some 100 connections in all. */
const CONNECTIONS_MAX = 5;
/** The server's own limit is a little below the target's: it then says so, and the connection can be used again. */
const SERVER_SHARE = 0.9;

/** What of the dependencies a table uses. */
export type PostgresTargetDeps = Pick<
  OpenTargetDeps,
  'allowPrivate' | 'connection' | 'lookup' | 'logger' | 'pool'
>;

/**
 * A row per delivery in a table of another schema of the service's own database, or of another database with a connection
 * of kind `postgres`. Exactly once for each delivery: a repeat finds its row. With `channel` the same transaction tells the
 * listeners of it (`NOTIFY`, with the event's id), once as well. The table, whose role needs INSERT, and SELECT for the
 * repeats:
 *
 * ```sql
 * create table billing.order_events (
 *   delivery_id  uuid primary key,
 *   event_id     uuid not null,
 *   source       text not null,
 *   type         text not null,
 *   time         timestamptz not null,
 *   ordering_key text not null,
 *   rule         text not null,
 *   replay_id    uuid,
 *   payload      text not null, -- the bytes that were sent; payload::jsonb where the transformer makes JSON
 *   received_at  timestamptz not null default now()
 * );
 * ```
 * More columns may follow when they have defaults.
 */
export function createPostgresTarget(config: PostgresTargetConfig, deps: PostgresTargetDeps): Target {
  const { connection } = deps;
  const address = connection?.kind === 'postgres' ? parseDatabaseUrl(connection, deps) : null;
  const blocked = address !== null && isIP(address.host) !== 0 && !isAllowedAddress(address.host, deps);
  const ownPool = address === null ? null : openPool(address, config, deps);
  const text = insertOf(config);
  let closing: Promise<void> | undefined;
  return {
    send: async (request) => {
      const startedAt = performance.now();
      const latencyMs = (): number => Math.round(performance.now() - startedAt);
      if (blocked) return outcomeOrBug(new AddressBlockedError('The address is not public.'), 0);
      // A pool that was ended throws; the bus has opened another one by then.
      if (closing !== undefined) return { ...CLOSED, latencyMs: latencyMs() };
      try {
        await insert(ownPool ?? deps.pool, { text, values: valuesOf(request, config) }, config.timeoutMs);
        return { kind: 'delivered', status: null, latencyMs: latencyMs() };
      } catch (error) {
        return outcomeOrBug(error, latencyMs());
      }
    },
    close: () => (closing ??= ownPool === null ? Promise.resolve() : ownPool.end()),
  };
}

const CLOSED = {
  kind: 'retry',
  status: null,
  code: 'target_closed',
  message: 'The target was closed while it was sending.',
} as const;

/** The kind `postgres` of the registry. */
export const postgresKind: TargetKind = {
  properties: POSTGRES_PROPERTIES,
  connections: ['postgres'],
  validate: parsePostgresTargetConfig,
  open: (config, deps) => createPostgresTarget(parsePostgresTargetConfig(config), deps),
};

function outcomeOrBug(error: unknown, latencyMs: number): SendOutcome {
  const outcome = outcomeOfDatabaseFailure(error, latencyMs);
  if (outcome === null) throw error;
  return outcome;
}

function insertOf(config: PostgresTargetConfig): string {
  const insertion = `insert into ${quotedTable(config)}
      (delivery_id, event_id, source, type, time, ordering_key, rule, replay_id, payload)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (delivery_id) do nothing`;
  if (config.channel === undefined) return insertion;
  return `with stored as (${insertion} returning 1) select pg_notify($10, $2::text) from stored`;
}

function valuesOf(request: TargetRequest, { channel }: PostgresTargetConfig): (string | null)[] {
  const { event, deliveryId, orderingKey, ruleName, replayId, payload } = request;
  const { id, source, 'detail-type': type, time } = event;
  const row = [deliveryId, id, source, type, time, orderingKey, ruleName, replayId, payload];
  return channel === undefined ? row : [...row, channel];
}

/** Writes the row in a transaction of its own. A client on which anything went wrong is destroyed. */
async function insert(
  pool: Pool,
  row: { text: string; values: unknown[] },
  timeoutMs: number,
): Promise<void> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const client = await clientWithin(pool, timeout);
  // A socket that dies between two statements must not end the process; one that is destroyed may still tell.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let released = false;
  const release = (failure?: Error): void => {
    if (!released) client.release(failure);
    released = true;
  };
  const giveUp = (): void => release(new Error('out of time'));
  timeout.addEventListener('abort', giveUp, { once: true });
  try {
    const serverMs = Math.ceil(timeoutMs * SERVER_SHARE);
    await client.query(`begin; set local statement_timeout = ${serverMs}`);
    await client.query(row);
    await client.query('commit');
    client.off('error', ignore);
    release();
  } catch (error) {
    release(error instanceof Error ? error : new Error(String(error)));
    throw timeout.aborted ? outOfTime() : error;
  } finally {
    timeout.removeEventListener('abort', giveUp);
  }
}

/** One that comes too late goes back to its pool. */
function clientWithin(pool: Pool, timeout: AbortSignal): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    timeout.addEventListener('abort', () => reject(outOfTime()), { once: true });
    pool.connect().then((client) => (timeout.aborted ? client.release() : resolve(client)), reject);
  });
}

function outOfTime(): Error {
  return Object.assign(new Error('out of time'), { code: 'ETIMEDOUT' });
}

function openPool(
  address: DatabaseAddress,
  { timeoutMs }: PostgresTargetConfig,
  deps: AddressPolicy & { lookup?: LookupFunction | undefined } & Pick<OpenTargetDeps, 'logger'>,
): Pool {
  const pool = new Pool({
    ...address,
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: timeoutMs,
    application_name: 'aftercommit',
    stream: () => guardedSocket(guardedLookup(deps, deps.lookup)),
  });
  // Without a listener an idle connection that breaks would end the process.
  pool.on('error', () => deps.logger.warn('an idle connection of a postgres target broke'));
  return pool;
}

/** A socket whose names are looked up by the guard: they may point elsewhere than they did. */
function guardedSocket(lookup: LookupFunction): Socket {
  const socket = new Socket();
  const connect = socket.connect.bind(socket);
  const guarded = (port: number, host: string): Socket => connect({ port, host, lookup });
  return Object.assign(socket, { connect: guarded });
}
