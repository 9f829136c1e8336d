import { createPool, type Pool } from '../../src/database/pool';
import { DatabaseProbe } from '../../src/http/database-probe';
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';

/** Tells the probe's connection from the others of the database. */
const NAME = 'probe-test';
/** Long enough for a connection on a busy machine, short enough to be waited for. */
const TIMEOUT_MS = 2_000;

let database: TestDatabase;
let link: FaultProxy;
let pool: Pool;
let probe: DatabaseProbe;

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  const url = new URL(database.url);
  link = await startFaultProxy({ host: url.hostname, port: Number(url.port) });
  url.host = `127.0.0.1:${link.port}`;
  // Of one connection: what is not given back would be missed at once.
  pool = createPool({ url: url.href, size: 1, name: NAME, log: silentLog });
  probe = new DatabaseProbe(pool, TIMEOUT_MS);
});
afterEach(async () => {
  probe.close();
  await pool.end();
  await link.close();
});
afterAll(() => database.drop());

async function serverProcesses(): Promise<number[]> {
  const { rows } = await database.pool.query<{ pid: number }>(
    'select pid from pg_stat_activity where application_name = $1 and datname = current_database()',
    [NAME],
  );
  return rows.map(({ pid }) => pid);
}

/** Ends the server's side of the kept connection, and returns its process. */
async function cutKept(): Promise<number> {
  const [pid] = await serverProcesses();
  await database.pool.query('select pg_terminate_backend($1)', [pid]);
  await waitFor('the connection is gone', async () => (await serverProcesses()).length === 0);
  return pid!;
}

it('keeps one connection', async () => {
  expect(await probe.isUp()).toBe(true);
  const before = await serverProcesses();

  expect(await probe.isUp()).toBe(true);

  expect(before).toHaveLength(1);
  expect(await serverProcesses()).toEqual(before);
});

it('does not call a database away whose kept connection alone was cut', async () => {
  expect(await probe.isUp()).toBe(true);
  const before = await cutKept();

  expect(await probe.isUp()).toBe(true);

  const after = await serverProcesses();
  expect(after).toHaveLength(1);
  expect(after).not.toContain(before);
});

it('tells a database away that takes no connection, and back when it does', async () => {
  expect(await probe.isUp()).toBe(true);
  await link.refuse();
  link.cut();

  expect(await probe.isUp()).toBe(false);
  await link.accept();
  expect(await probe.isUp()).toBe(true);
});

it('asks nobody else once the time is up', async () => {
  expect(await probe.isUp()).toBe(true);
  const connect = jest.spyOn(pool, 'connect');
  link.freeze('up');

  expect(await probe.isUp()).toBe(false);

  link.thaw('up');
  expect(await probe.isUp()).toBe(true);
  // The one of the last question: what the closed connection made of its question has been heard long before.
  expect(connect).toHaveBeenCalledTimes(1);
});
