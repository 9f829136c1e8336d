import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Logger } from '../log';
import { ConfigError } from '../errors';

const FOLDER = join(__dirname, 'migrations');
const FILE_NAME = /^\d{4}_[a-z_]+\.sql$/;
/** Any constant: two starters of this product take turns on it. */
const MIGRATION_LOCK = 0x4146_4354;

/**
 * Applies every migration that is not applied yet, each in its own transaction, in order of its number. Safe to run by
 * several processes at once and again at any time.
 * @returns the names applied by this call
 * @throws ConfigError when the database was migrated by a newer version than this one
 */
export async function migrate(pool: Pool, log: Logger): Promise<string[]> {
  const files = (await readdir(FOLDER)).filter((name) => FILE_NAME.test(name)).sort();
  const client = await pool.connect();
  try {
    // Waiting for another starter is no failure here, whatever the pool's limits say.
    await client.query('set lock_timeout = 0; set statement_timeout = 0');
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await client.query(
      'create table if not exists public.aftercommit_migrations (name text primary key, applied_at timestamptz not null default now())',
    );
    const applied = await appliedNames(client);
    refuseNewer(applied, files);
    const missing = files.filter((name) => !applied.includes(name));
    for (const name of missing) {
      const sql = await readFile(join(FOLDER, name), 'utf8');
      await client.query('begin');
      await client.query('insert into public.aftercommit_migrations (name) values ($1)', [name]);
      await client.query(sql);
      await client.query('commit');
      log.info({ migration: name }, 'applied a migration');
    }
    return missing;
  } finally {
    // Ends the session: the lock and the settings go with it.
    client.release(true);
  }
}

/** Names of migrations that this version has and the database has not. For the readiness check. */
export async function missingMigrations(pool: Pool): Promise<string[]> {
  const files = (await readdir(FOLDER)).filter((name) => FILE_NAME.test(name)).sort();
  const known = await pool.query<{ exists: boolean }>(
    "select to_regclass('public.aftercommit_migrations') is not null as exists",
  );
  if (known.rows[0]?.exists !== true) return files;
  const applied = await appliedNames(pool);
  return files.filter((name) => !applied.includes(name));
}

async function appliedNames(client: Pick<Pool, 'query'>): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    'select name from public.aftercommit_migrations order by name',
  );
  return rows.map((row) => row.name);
}

function refuseNewer(applied: string[], files: string[]): void {
  const unknown = applied.filter((name) => !files.includes(name));
  if (unknown.length === 0) return;
  throw new ConfigError(
    `The database has migrations that this version does not know (${unknown.join(', ')}). Start the version that applied them, or a newer one.`,
  );
}
