import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, escapeIdentifier } from 'pg';
import { cacheDirectory } from '../../src/dev/cache';
import {
  removeEmbeddedPostgres,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../src/dev/embedded-postgres';
import { findFreePort } from '../../src/dev/ports';
import { removeAbandoned } from '../../src/dev/throwaway';

/** One PostgreSQL for everything that is measured. It waits for its disk; fsync and synchronous_commit are on. */
export interface BenchPostgres {
  /** Of the server's first process: the root of all its processes. */
  pid(): number;
  /** postgres://… of a database. */
  urlOf(database: string): string;
  /** A copy of a template, and nothing else in it. */
  copy(template: string, database: string): Promise<void>;
  drop(database: string): Promise<void>;
  /** In a database; the default is the server's own. */
  query<Row>(text: string, values?: unknown[], database?: string): Promise<Row[]>;
  /** kill -9 of its first process, then a start on the same files. */
  killAndRestart(): Promise<void>;
  /** Stops it and removes its files. */
  stop(): Promise<void>;
}

const OWN_DATABASE = 'bench';

/** Starts it on a free port, in a directory of its own. */
export async function startBenchPostgres(): Promise<BenchPostgres> {
  const prefix = path.join(tmpdir(), 'aftercommit-bench-postgres-');
  await removeAbandoned(prefix);
  const dataDirectory = await mkdtemp(prefix);
  // mkdtemp lets nobody else in, and as root the server runs as somebody else.
  await chmod(dataDirectory, 0o711);
  const port = await findFreePort({ name: 'PostgreSQL', preferred: 0 });
  const start = (): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({
      dataDirectory,
      port,
      database: OWN_DATABASE,
      cacheDirectory: cacheDirectory(process.env),
    });
  let server = await start();
  const urlOf = (database: string): string => {
    const url = new URL(server.url);
    url.pathname = `/${database}`;
    return url.href;
  };
  const query = async <Row>(
    text: string,
    values: unknown[] = [],
    database = OWN_DATABASE,
  ): Promise<Row[]> => {
    const client = new Client({ connectionString: urlOf(database) });
    await client.connect();
    try {
      return (await client.query(text, values)).rows as Row[];
    } finally {
      await client.end();
    }
  };
  // When a row was committed is asked of the server itself, in the same way for every arm.
  await query('alter system set track_commit_timestamp = on');
  await server.stop();
  server = await start();
  return {
    pid: () => server.process.pid,
    urlOf,
    query,
    async copy(template, database) {
      await query(`create database ${escapeIdentifier(database)} template ${escapeIdentifier(template)}`);
    },
    async drop(database) {
      await query(`drop database if exists ${escapeIdentifier(database)} with (force)`);
    },
    async killAndRestart() {
      process.kill(server.process.pid, 'SIGKILL');
      await server.process.exited;
      server = await start();
    },
    async stop() {
      await server.stop();
      await removeEmbeddedPostgres(dataDirectory);
    },
  };
}
