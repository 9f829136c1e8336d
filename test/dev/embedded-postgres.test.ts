import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { cacheDirectory } from '../../src/dev/cache';
import {
  removeEmbeddedPostgres,
  startEmbeddedPostgres,
  startThrowawayPostgres,
} from '../../src/dev/embedded-postgres';
import { findFreePort } from '../../src/dev/ports';

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('embedded PostgreSQL', () => {
  let dataDirectory: string;

  beforeEach(async () => {
    // As root the server runs as somebody else, who may not enter it: the harder of the two layouts.
    dataDirectory = path.join(await mkdtemp(path.join(tmpdir(), 'aftercommit-test-')), 'postgres');
  });

  afterEach(async () => {
    await removeEmbeddedPostgres(dataDirectory);
    await rm(path.dirname(dataDirectory), { recursive: true, force: true });
  });

  async function start() {
    return startEmbeddedPostgres({
      dataDirectory,
      port: await findFreePort({ name: 'PostgreSQL', preferred: 0 }),
      database: 'aftercommit',
      cacheDirectory: cacheDirectory(process.env),
    });
  }

  it('keeps the data when it is stopped and started again', async () => {
    const first = await start();
    await query(first.url, 'create table kept (id int); insert into kept values (7)');
    await first.stop();
    const second = await start();

    const rows = await query(second.url, 'select id from kept');
    await second.stop();

    expect(rows).toEqual([{ id: 7 }]);
  });

  it('recovers what was committed when the server is killed', async () => {
    const first = await start();
    await query(first.url, 'create table kept (id int); insert into kept values (8)');
    process.kill(first.process.pid, 'SIGKILL');
    await first.process.exited;
    const second = await start();

    const rows = await query(second.url, 'select id from kept');
    await second.stop();

    expect(rows).toEqual([{ id: 8 }]);
  });

  it('refuses a second start on the same data and leaves the first server alone', async () => {
    const first = await start();

    const second = await start().catch((error: unknown) => error);
    const rows = await query(first.url, 'select 1 as one');
    await first.stop();

    expect(second).toMatchObject({ code: 'invalid_config' });
    expect(rows).toEqual([{ one: 1 }]);
  });

  it('asks for the password, waits for the disk and listens on loopback only', async () => {
    const server = await start();
    const wrong = server.url.replace(/:[^:@]+@/, ':wrong@');

    const refused = await query(wrong, 'select 1').catch((error: unknown) => error);
    const [settings] = await query(
      server.url,
      `select current_setting('fsync') as fsync, current_setting('listen_addresses') as host,
              current_setting('max_connections') as connections`,
    );
    await server.stop();

    expect(refused).toMatchObject({ code: '28P01' });
    expect(settings).toEqual({ fsync: 'on', host: '127.0.0.1', connections: '200' });
  });
});

it('starts a throwaway server and leaves no file of it', async () => {
  const temporaryDirectory = await mkdtemp(path.join(tmpdir(), 'aftercommit-test-'));
  const server = await startThrowawayPostgres({
    temporaryDirectory,
    cacheDirectory: cacheDirectory(process.env),
  });

  const [row] = await query(server.url, `select current_setting('data_directory') as directory`);
  await server.stop();

  expect(server.process.isRunning()).toBe(false);
  await expect(rm(String(row?.['directory']))).rejects.toMatchObject({ code: 'ENOENT' });
  await rm(temporaryDirectory, { recursive: true, force: true });
});
