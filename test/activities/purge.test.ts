import { MockActivityEnvironment } from '@temporalio/testing';
import { createPurgeActivities, type PurgeReport } from '../../src/activities/purge';
import { asOnlyPurge } from '../../src/database/purge';
import { DEFAULT_RETENTION, type Retention } from '../../src/domain/retention';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';
import { writeOldEvents } from '../support/old-events';
import { waitFor } from '../support/wait';

/** More than two batches. */
const OLD_EVENTS = 1_200;

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

function start(retention: Retention = DEFAULT_RETENTION): {
  environment: MockActivityEnvironment;
  report: Promise<PurgeReport>;
} {
  const environment = new MockActivityEnvironment();
  const deps = { pool: database.pool, now: () => new Date(), retention, log: silentLog };
  const activities = createPurgeActivities(deps);
  const purge = (): Promise<PurgeReport> => activities.purgeArchive();
  return { environment, report: environment.run<[], PurgeReport, typeof purge>(purge) };
}

async function count(what: string): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(`select count(*)::int as count from ${what}`);
  return rows[0]!.count;
}

/** Events and what hangs on them: the numbers are equal whenever nobody is in the middle of something. */
async function archive(): Promise<number> {
  const counts = await Promise.all(
    ['outbox', 'deliveries', 'delivery_attempts'].map((table) => count(`aftercommit.${table}`)),
  );
  expect(new Set(counts).size).toBe(1);
  return counts[0]!;
}

const writeOld = () =>
  writeOldEvents(database.url, { count: OLD_EVENTS, newestDays: DEFAULT_RETENTION.eventDays + 1 });

describe('the purge of everything', () => {
  it('removes what is old, batch by batch, tells how far it is, and says how many of each class', async () => {
    await writeOld();
    await writeOldEvents(database.url, { count: 3, newestDays: 1 });
    const { environment, report } = start({ ...DEFAULT_RETENTION, eventDays: 200 });
    const beats: unknown[] = [];
    environment.on('heartbeat', (details) => beats.push(structuredClone(details)));

    expect(await report).toEqual({ state: 'DONE', removed: { events: OLD_EVENTS } });

    expect(beats).toEqual(
      expect.arrayContaining([{ events: 500 }, { events: 1_000 }, { events: OLD_EVENTS }]),
    );
    expect(await archive()).toBe(3);
    expect(await start({ ...DEFAULT_RETENTION, eventDays: 200 }).report).toEqual({
      state: 'DONE',
      removed: {},
    });
  });

  it('keeps orders for ever unless it is told for how long', async () => {
    await database.pool.query(
      `insert into aftercommit.orders (order_id, caller, customer_id, status, payment_mode, payment_status, total_minor,
                                       currency, last_seq, workflow_id, created_at, updated_at)
       select gen_random_uuid(), 'test', 'cus_1', 'COMPLETED', 'none', 'NONE', 1, 'EUR', 1, 'w', '1999-01-01', '1999-01-01'`,
    );

    expect(await start().report).toEqual({ state: 'DONE', removed: {} });
    expect(await start({ ...DEFAULT_RETENTION, orderDays: 3_650 }).report).toEqual({
      state: 'DONE',
      removed: { orders: 1 },
    });
  });

  it('works alone: a second one at the same time does nothing and says so', async () => {
    await writeOld();

    const reports = await Promise.all([start().report, start().report]);

    expect(reports).toEqual(
      expect.arrayContaining([
        { state: 'DONE', removed: { events: OLD_EVENTS } },
        { state: 'BUSY', removed: {} },
      ]),
    );
    expect(await archive()).toBe(0);
  });

  it('stops when it is told to, between two batches, and goes on the next time', async () => {
    await writeOld();
    const { environment, report } = start();
    environment.once('heartbeat', () => environment.cancel());

    await expect(report).rejects.toThrow();

    expect(await archive()).toBe(OLD_EVENTS - 500);
    expect(await start().report).toEqual({ state: 'DONE', removed: { events: OLD_EVENTS - 500 } });
  });

  it('leaves nothing half removed when its connection dies in the middle of a batch, and its lock is free', async () => {
    await writeOld();
    const other = await database.pool.connect();
    await other.query('begin');
    // Somebody holds one delivery of the first batch, so the batch waits after it has begun to remove.
    await other.query('select 1 from aftercommit.deliveries order by created_at limit 1 for update');
    const { report } = start();
    const failed = report.catch((error: unknown) => error);
    const pid = await waitFor('the batch waits', async () => {
      const { rows } = await database.pool.query<{ pid: number }>(
        `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%aftercommit.purge%'`,
      );
      return rows[0]?.pid;
    });

    await database.pool.query('select pg_terminate_backend($1)', [pid]);

    expect(await failed).toBeInstanceOf(Error);
    await other.query('rollback');
    other.release();
    expect(await archive()).toBe(OLD_EVENTS);
    expect(await start().report).toEqual({ state: 'DONE', removed: { events: OLD_EVENTS } });
  });

  it('gives its lock back when its work fails', async () => {
    await expect(asOnlyPurge(database.pool, () => Promise.reject(new Error('no')))).rejects.toThrow('no');

    const again = await waitFor('the lock is free', () =>
      asOnlyPurge(database.pool, () => Promise.resolve('mine')),
    );
    expect(again).toBe('mine');
  });
});
