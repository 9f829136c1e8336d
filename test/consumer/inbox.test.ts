import { createInbox, INBOX_DDL, processOnce, purgeInbox } from '../../src/consumer';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { countRows, inTransaction, settled, startTransaction } from './transactions';

const EVENT = '0198c5d2-0000-7000-8000-000000000001';

describe('the inbox', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await createInbox(database.pool);
    await database.pool.query('create table effects (note text not null)');
  });
  beforeEach(() => database.pool.query('truncate aftercommit_inbox, effects'));
  afterAll(() => database.drop());

  const effects = (): Promise<number> => countRows(database.pool, 'effects');
  const remembered = (): Promise<number> => countRows(database.pool, 'aftercommit_inbox');
  const noteEffect = (tx: { query(text: string): unknown }): unknown =>
    tx.query(`insert into effects values ('done')`);

  /** Backends of this database that wait for another transaction. */
  const waiting = async (): Promise<boolean> => {
    const { rows } = await database.pool.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows.length > 0;
  };

  it('processes an event once, however often it comes', async () => {
    const answers = [];
    for (let time = 0; time < 3; time += 1) {
      answers.push(await inTransaction(database.pool, (tx) => processOnce(tx, EVENT, noteEffect)));
    }

    expect(answers).toEqual([{ processed: true }, { processed: false }, { processed: false }]);
    expect(await effects()).toBe(1);
  });

  it('keeps the account of each consumer by itself', async () => {
    const asConsumer = (consumer: string): Promise<{ processed: boolean }> =>
      inTransaction(database.pool, (tx) => processOnce(tx, EVENT, noteEffect, { consumer }));

    expect(await asConsumer('billing')).toEqual({ processed: true });
    expect(await asConsumer('mail')).toEqual({ processed: true });
    expect(await asConsumer('billing')).toEqual({ processed: false });
    expect(await effects()).toBe(2);
  });

  it('runs the work of many duplicates at the same moment once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 15 }, () =>
        inTransaction(database.pool, (tx) => processOnce(tx, EVENT, noteEffect)),
      ),
    );

    expect(answers.filter(({ processed }) => processed)).toHaveLength(1);
    expect(await effects()).toBe(1);
  });

  it('makes a duplicate wait for the commit of the first, and then does nothing', async () => {
    const first = await startTransaction(database.pool);
    await processOnce(first.client, EVENT, noteEffect);
    const second = settled(inTransaction(database.pool, (tx) => processOnce(tx, EVENT, noteEffect)));
    await waitFor('the duplicate waits', waiting);
    expect(second.done).toBe(false);

    await first.end('commit');

    expect(await second.promise).toEqual({ processed: false });
    expect(await effects()).toBe(1);
  });

  it('lets a waiting duplicate process the event when the first is rolled back', async () => {
    const first = await startTransaction(database.pool);
    await processOnce(first.client, EVENT, noteEffect);
    const second = settled(inTransaction(database.pool, (tx) => processOnce(tx, EVENT, noteEffect)));
    await waitFor('the duplicate waits', waiting);

    await first.end('rollback');

    expect(await second.promise).toEqual({ processed: true });
    expect(await effects()).toBe(1);
  });

  it('records nothing when the work throws, so that the repeat succeeds', async () => {
    const failing = inTransaction(database.pool, (tx) =>
      processOnce(tx, EVENT, async () => {
        await noteEffect(tx);
        throw new Error('not today');
      }),
    );
    await expect(failing).rejects.toThrow('not today');
    expect([await effects(), await remembered()]).toEqual([0, 0]);

    expect(await inTransaction(database.pool, (tx) => processOnce(tx, EVENT, noteEffect))).toEqual({
      processed: true,
    });
    expect([await effects(), await remembered()]).toEqual([1, 1]);
  });

  it('leaves nothing when the connection dies between the effect and the commit', async () => {
    const first = await startTransaction(database.pool);
    await processOnce(first.client, EVENT, noteEffect);
    const { rows } = await first.client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const second = settled(inTransaction(database.pool, (tx) => processOnce(tx, EVENT, noteEffect)));
    await waitFor('the duplicate waits', waiting);
    expect([await effects(), await remembered()]).toEqual([0, 0]);

    await database.pool.query('select pg_terminate_backend($1)', [rows[0]!.pid]);

    await expect(first.end('commit')).rejects.toThrow();
    expect(await second.promise).toEqual({ processed: true });
    expect([await effects(), await remembered()]).toEqual([1, 1]);
  });

  it('refuses to work outside of a transaction, where a failure would lose the event', async () => {
    const client = await database.pool.connect();
    const work = jest.fn();

    for (const notTransaction of [database.pool, client]) {
      await expect(processOnce(notTransaction, EVENT, work)).rejects.toThrow(RangeError);
    }

    client.release();
    expect(work).not.toHaveBeenCalled();
    expect(await remembered()).toBe(0);
  });

  it('fails above READ COMMITTED rather than process a duplicate, and finds it on the repeat', async () => {
    const second = await startTransaction(database.pool, 'serializable');
    await second.client.query('select 1 from effects');
    await inTransaction(database.pool, (tx) => processOnce(tx, EVENT, noteEffect));

    await expect(processOnce(second.client, EVENT, noteEffect)).rejects.toMatchObject({ code: '40001' });
    await second.end('rollback');

    const repeat = await startTransaction(database.pool, 'serializable');
    expect(await processOnce(repeat.client, EVENT, noteEffect)).toEqual({ processed: false });
    await repeat.end('commit');
  });

  it.each<[string, unknown]>([
    ['nothing', ''],
    ['256 characters', 'x'.repeat(256)],
    ['a text with NUL', 'a\0b'],
    ['undefined', undefined],
    ['a number', 7],
  ])('refuses %s as an event id', async (_name, id) => {
    const processing = inTransaction(database.pool, (tx) => processOnce(tx, id as string, noteEffect));

    await expect(processing).rejects.toThrow(RangeError);
    expect(await effects()).toBe(0);
  });

  it.each(['Inbox', 'a.b.c', 'inbox; drop table effects', '"inbox"', '', 'x'.repeat(45)])(
    'refuses %p as a table',
    async (table) => {
      await expect(createInbox(database.pool, { table })).rejects.toThrow(RangeError);
    },
  );

  it('can have another table, in another schema, and ids of the greatest length', async () => {
    await database.pool.query('create schema shop');
    const table = 'shop.seen_events';
    await createInbox(database.pool, { table });
    const ofGreatestLength = { consumer: '漢'.repeat(255), table };

    for (const processed of [true, false]) {
      const answer = await inTransaction(database.pool, (tx) =>
        processOnce(tx, '字'.repeat(255), noteEffect, ofGreatestLength),
      );
      expect(answer).toEqual({ processed });
    }
    expect([await remembered(), await countRows(database.pool, table)]).toEqual([0, 1]);
  });

  it('is created by many at the same moment, and again', async () => {
    for (let round = 0; round < 10; round += 1) {
      const table = `created_at_once_${round}`;

      await Promise.all(Array.from({ length: 15 }, () => createInbox(database.pool, { table })));

      await createInbox(database.pool, { table });
      expect(await countRows(database.pool, table)).toBe(0);
    }
  });

  it('is the same table when its SQL is run from a migration', async () => {
    await database.pool.query(
      `create schema migrated; set search_path = migrated; ${INBOX_DDL}; reset search_path`,
    );

    const columnsIn = (schema: string): Promise<{ rows: object[] }> =>
      database.pool.query(
        `select column_name, data_type, is_nullable from information_schema.columns
         where table_schema = $1 and table_name = 'aftercommit_inbox' order by 1`,
        [schema],
      );
    const { rows } = await columnsIn('migrated');
    expect(rows).toHaveLength(3);
    expect(rows).toEqual((await columnsIn('public')).rows);
  });
});

describe('purging the inbox', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await createInbox(database.pool);
  });
  beforeEach(() => database.pool.query('truncate aftercommit_inbox'));
  afterAll(() => database.drop());

  async function remember(prefix: string, count: number, ageDays: number): Promise<void> {
    await database.pool.query(
      `insert into aftercommit_inbox select 'default', $1 || n, now() - $3 * interval '1 day' from generate_series(1, $2::int) n`,
      [prefix, count, ageDays],
    );
  }

  it('forgets what is older, over several batches, and nothing else', async () => {
    await remember('old-', 2_500, 31);
    await remember('new-', 40, 29);

    expect(await purgeInbox(database.pool, { olderThanDays: 30 })).toEqual({
      deleted: 2_500,
      finished: true,
    });

    const { rows } = await database.pool.query<{ kept: number }>(
      `select count(*)::int as kept from aftercommit_inbox where event_id like 'new-%'`,
    );
    expect([rows[0]!.kept, await countRows(database.pool, 'aftercommit_inbox')]).toEqual([40, 40]);
  });

  it('deletes no more than 1,000 rows in one statement, and a million in one call', async () => {
    await remember('old-', 2_500, 31);
    const deletes = jest.fn((text: string, values?: unknown[]) => database.pool.query<object>(text, values));
    await purgeInbox({ query: deletes }, { olderThanDays: 30 });
    // One asks for the time.
    expect(deletes).toHaveBeenCalledTimes(1 + 3);

    const endless = { query: () => Promise.resolve({ rows: [{ before: '2026-01-01', deleted: 1_000 }] }) };
    expect(await purgeInbox(endless, { olderThanDays: 30 })).toEqual({ deleted: 1_000_000, finished: false });
  });

  it('deletes each row once when several purge at the same moment', async () => {
    await remember('old-', 3_000, 31);

    const purged = await Promise.all(
      Array.from({ length: 4 }, () => purgeInbox(database.pool, { olderThanDays: 30 })),
    );

    expect(purged.reduce((sum, { deleted }) => sum + deleted, 0)).toBe(3_000);
    expect(await countRows(database.pool, 'aftercommit_inbox')).toBe(0);
  });

  it('takes a forgotten event for a new one, which is why rows are kept long', async () => {
    await remember('event-', 1, 31);
    const again = (): Promise<{ processed: boolean }> =>
      inTransaction(database.pool, (tx) => processOnce(tx, 'event-1', () => undefined));
    expect(await again()).toEqual({ processed: false });

    await purgeInbox(database.pool, { olderThanDays: 30 });

    expect(await again()).toEqual({ processed: true });
  });

  it.each([0, -1, 0.5, NaN, Infinity, '30' as unknown as number])(
    'refuses %p days',
    async (olderThanDays) => {
      await expect(purgeInbox(database.pool, { olderThanDays })).rejects.toThrow(RangeError);
    },
  );
});
