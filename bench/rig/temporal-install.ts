import { chmod, cp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { cacheDirectory, type Environment } from '../../src/dev/cache';
import { findOnPath, isExecutableFile, runCommand } from '../../src/dev/commands';
import { intoPlace } from '../../src/dev/into-place';
import { withLock } from '../../src/dev/lock';
import { tryWithProgress } from '../../src/dev/progress';

/** The server that the development server of `npm start` holds too. */
export const TEMPORAL_VERSION = '1.29.1';
const MODULE = `go.temporal.io/server`;
/** Measured: 5 min with an empty cache of Go's, on two cores that others used too. */
const BUILD_ESTIMATE_MS = 5 * 60_000;
const BUILD_MS_MAX = 15 * 60_000;
const OUTPUT_SHOWN_CHARACTERS = 500;

/** The programs of a Temporal server on PostgreSQL, and what its tables are made of. */
export interface TemporalPrograms {
  server: string;
  sqlTool: string;
  /** Holds `temporal/versioned` and `visibility/versioned`. */
  schemas: string;
}

/**
 * Builds Temporal's server from its source when it is not in the cache.
 * @throws Error that names what is missing, when there is no Go or it cannot be built
 */
export async function installTemporal(env: Environment): Promise<TemporalPrograms> {
  const cache = cacheDirectory(env);
  const directory = path.join(cache, `temporal-server-${TEMPORAL_VERSION}`);
  const server = path.join(directory, 'server');
  const programs = {
    server,
    sqlTool: path.join(directory, 'sql'),
    schemas: path.join(directory, 'schemas'),
  };
  return withLock({ file: path.join(cache, 'temporal-server.lock') }, async () => {
    if (await isExecutableFile(server)) return programs;
    const go = await findOnPath('go', env);
    if (go === undefined) throw new Error('The Temporal server is built from its source: no go on PATH.');
    const failure = await intoPlace(server, (partial) =>
      tryWithProgress({ title: 'Building the Temporal server', estimateMs: BUILD_ESTIMATE_MS }, () =>
        build(go, env, partial),
      ),
    );
    if (failure !== undefined) throw new Error(`The Temporal server could not be built: ${failure}`);
    return programs;
  });
}

async function build(go: string, env: Environment, partial: string): Promise<string | undefined> {
  const packages = ['cmd/server', 'cmd/tools/sql'].map((name) => `${MODULE}/${name}@v${TEMPORAL_VERSION}`);
  const built = await runCommand({
    command: go,
    args: ['install', ...packages],
    env: { ...env, GOBIN: partial },
    timeoutMs: BUILD_MS_MAX,
  });
  if (!built.succeeded) return `${built.failure}: ${built.output.slice(-OUTPUT_SHOWN_CHARACTERS)}`;
  const modules = await runCommand({
    command: go,
    args: ['env', 'GOMODCACHE'],
    env,
    timeoutMs: BUILD_MS_MAX,
  });
  if (!modules.succeeded) return modules.failure;
  const source = path.join(modules.output.trim(), `${MODULE}@v${TEMPORAL_VERSION}`, 'schema/postgresql/v12');
  const schemas = path.join(partial, 'schemas');
  await cp(source, schemas, { recursive: true });
  await makeWritable(schemas);
  return undefined;
}

/** Go's cache is read-only, and so would be what is copied out of it: nobody could remove it. */
async function makeWritable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const place = path.join(directory, entry.name);
    if (entry.isDirectory()) await makeWritable(place);
    else await chmod(place, 0o644);
  }
}
