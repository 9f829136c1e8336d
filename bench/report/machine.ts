import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import type { BenchPostgres } from '../rig/postgres';
import { HISTORY_SHARDS } from '../rig/temporal-settings';
import { TEMPORAL_VERSION } from '../rig/temporal-install';

const ROOT = path.resolve(__dirname, '../..');
const BYTES_PER_GIB = 2 ** 30;

/** What figures depend on beside the code. */
export interface Surroundings {
  at: string;
  /** With `+changes` when files differ from it. */
  commit: string;
  machine: string;
  versions: Record<string, string>;
}

export async function describeSurroundings(postgres: BenchPostgres): Promise<Surroundings> {
  const [row] = await postgres.query<{ server_version: string }>('show server_version');
  const packageVersion = (name: string): string => {
    const file = path.join(ROOT, 'bench/peers/node_modules', name, 'package.json');
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  };
  const optional = (name: string): Record<string, string> => {
    try {
      return { [name]: packageVersion(name) };
    } catch {
      // Not installed: its arms are listed as not run.
      return {};
    }
  };
  return {
    at: new Date().toISOString(),
    commit: commit(),
    machine: `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / BYTES_PER_GIB)} GiB`,
    versions: {
      node: process.version,
      PostgreSQL: row?.server_version ?? 'unknown',
      'Temporal server': `${TEMPORAL_VERSION}, ${HISTORY_SHARDS} shards, on the same PostgreSQL`,
      ...optional('@dbos-inc/dbos-sdk'),
      ...optional('@restatedev/restate-server'),
      ...optional('graphile-worker'),
    },
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+changes'}`;
  } catch {
    return 'unknown';
  }
}
