import path from 'node:path';
import { runCommand } from '../../src/dev/commands';
import type { BenchPostgres } from './postgres';
import type { TemporalPrograms } from './temporal-install';

const SCHEMA_MS_MAX = 120_000;

/** Makes a database with Temporal's tables of one of the two kinds. */
export async function makeTables(
  { sqlTool, schemas }: TemporalPrograms,
  postgres: BenchPostgres,
  database: string,
  schema: 'temporal' | 'visibility',
): Promise<void> {
  await postgres.copy('template0', database);
  const { hostname, port, username, password } = new URL(postgres.urlOf(database));
  const versions = path.join(schemas, schema, 'versioned');
  for (const step of [
    ['setup-schema', '-v', '0.0'],
    ['update-schema', '-d', versions],
  ]) {
    const made = await runCommand({
      command: sqlTool,
      args: [
        '--plugin',
        'postgres12',
        '--ep',
        hostname,
        '-p',
        port,
        '-u',
        username,
        '--db',
        database,
        ...step,
      ],
      env: { ...process.env, SQL_PASSWORD: password },
      timeoutMs: SCHEMA_MS_MAX,
    });
    if (!made.succeeded) throw new Error(`Temporal's tables: ${made.failure}\n${made.output}`);
  }
}

/** A copy that a server can start on: it looks for the version of its tables under their database's name. */
export async function copyTables(postgres: BenchPostgres, template: string, database: string): Promise<void> {
  await postgres.copy(template, database);
  await postgres.query('update schema_version set db_name = $1', [database], database);
}
