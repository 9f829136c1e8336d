import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { migrate } from '../../src/database/migrate';
import { createPool, type Pool } from '../../src/database/pool';
import { createLogger } from '../../src/log';

/** A migrated database of one test file. */
export interface TestDatabase {
  pool: Pool;
  url: string;
  /** Ends the pool and drops the database. */
  drop(): Promise<void>;
}

export const silentLog = createLogger({ level: 'silent', name: 'test' });

/** Makes a database in the cluster that the global setup started, with all migrations applied. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const adminUrl = process.env['AFTERCOMMIT_TEST_DATABASE_URL'];
  if (adminUrl === undefined) throw new Error('the global setup has not started PostgreSQL');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administrate(adminUrl, `create database ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const pool = createPool({ url: url.href, size: 20, name: 'test', log: silentLog });
  await migrate(pool, silentLog);
  return {
    pool,
    url: url.href,
    async drop() {
      await pool.end();
      await administrate(adminUrl, `drop database ${name} with (force)`);
    },
  };
}

async function administrate(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
