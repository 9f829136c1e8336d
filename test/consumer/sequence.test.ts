import {
  createSequences,
  processInOrder,
  processLatest,
  SequenceGapError,
  SEQUENCES_DDL,
  type Place,
  type ProcessedInSequence,
} from '../../src/consumer';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { inTransaction, settled, startTransaction } from './transactions';

type Process = typeof processLatest;

describe('processing by seq', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await createSequences(database.pool);
    await database.pool.query('create table effects (id serial, key text not null, seq int not null)');
  });
  beforeEach(() => database.pool.query('truncate aftercommit_sequences, effects restart identity'));
  afterAll(() => database.drop());

  function take(process: Process, place: Place): Promise<ProcessedInSequence> {
    return inTransaction(database.pool, (tx) =>
      process(tx, place, () =>
        tx.query('insert into effects (key, seq) values ($1, $2)', [place.key, place.seq]),
      ),
    );
  }

  async function effectsOf(key: string): Promise<number[]> {
    const { rows } = await database.pool.query<{ seq: number }>(
      'select seq from effects where key = $1 order by id',
      [key],
    );
    return rows.map(({ seq }) => seq);
  }

  async function lastSeqOf(key: string): Promise<number | undefined> {
    const { rows } = await database.pool.query<{ last: number }>(
      'select last_seq as last from aftercommit_sequences where key = $1',
      [key],
    );
    return rows[0]?.last;
  }

  describe('the latest', () => {
    it('skips what is older, and says how each stands to the last', async () => {
      const answers = [];
      for (const seq of [1, 3, 2, 3, 4, 9]) answers.push(await take(processLatest, { key: 'ord_1', seq }));

      expect(answers).toEqual([
        { processed: true, position: 'next' },
        { processed: true, position: 'gap' },
        { processed: false, position: 'old' },
        { processed: false, position: 'duplicate' },
        { processed: true, position: 'next' },
        { processed: true, position: 'gap' },
      ]);
      expect(await effectsOf('ord_1')).toEqual([1, 3, 4, 9]);
    });

    it('ends at the highest number whatever the order of many at the same moment', async () => {
      const seqs = [7, 2, 12, 1, 9, 4, 12, 11, 3, 5, 6, 8, 10, 1, 7];

      await Promise.all(seqs.map((seq) => take(processLatest, { key: 'ord_1', seq })));

      const effects = await effectsOf('ord_1');
      expect(effects.at(-1)).toBe(12);
      expect(effects).toEqual([...new Set(effects)].sort((one, other) => one - other));
      expect(await lastSeqOf('ord_1')).toBe(12);
    });
  });

  describe('in order', () => {
    it('refuses a gap and takes the event once the missing one is there', async () => {
      await take(processInOrder, { key: 'ord_1', seq: 1 });

      const early = await take(processInOrder, { key: 'ord_1', seq: 3 }).catch((error: unknown) => error);
      expect(early).toBeInstanceOf(SequenceGapError);
      expect(early).toMatchObject({ code: 'sequence_gap', expectedSeq: 2, seq: 3 });
      expect(await lastSeqOf('ord_1')).toBe(1);

      for (const seq of [2, 3, 1, 3]) await take(processInOrder, { key: 'ord_1', seq });
      expect(await effectsOf('ord_1')).toEqual([1, 2, 3]);
    });

    it('does not begin in the middle', async () => {
      await expect(take(processInOrder, { key: 'ord_1', seq: 2 })).rejects.toThrow(SequenceGapError);

      expect(await take(processInOrder, { key: 'ord_1', seq: 1 })).toEqual({
        processed: true,
        position: 'next',
      });
    });

    it('refuses a gap even when the caller commits all the same', async () => {
      await inTransaction(database.pool, (tx) =>
        processInOrder(tx, { key: 'ord_1', seq: 5 }, () => undefined).catch(() => undefined),
      );

      expect(await lastSeqOf('ord_1')).toBe(0);
      expect((await take(processInOrder, { key: 'ord_1', seq: 1 })).processed).toBe(true);
    });

    it('takes a disordered feed in order when the sender repeats what was refused', async () => {
      const waiting = [3, 1, 5, 2, 4, 2];

      await Promise.all(
        waiting.map((seq) =>
          waitFor(`seq ${seq} is taken`, () => take(processInOrder, { key: 'ord_1', seq })),
        ),
      );

      expect(await effectsOf('ord_1')).toEqual([1, 2, 3, 4, 5]);
    });
  });

  describe.each<[string, Process]>([
    ['the latest', processLatest],
    ['in order', processInOrder],
  ])('%s', (_name, process) => {
    it('counts each key and each consumer by itself', async () => {
      const asConsumer = (consumer: string): Promise<ProcessedInSequence> =>
        inTransaction(database.pool, (tx) =>
          process(tx, { key: 'ord_1', seq: 1 }, () => undefined, { consumer }),
        );

      for (const key of ['ord_1', 'ord_2']) {
        expect((await take(process, { key, seq: 1 })).processed).toBe(true);
      }
      expect((await asConsumer('other')).processed).toBe(true);
      expect((await asConsumer('other')).position).toBe('duplicate');
    });

    it('records nothing when the work throws', async () => {
      const failing = inTransaction(database.pool, (tx) =>
        process(tx, { key: 'ord_1', seq: 1 }, () => Promise.reject(new Error('not today'))),
      );
      await expect(failing).rejects.toThrow('not today');
      expect(await lastSeqOf('ord_1')).toBeUndefined();

      expect((await take(process, { key: 'ord_1', seq: 1 })).processed).toBe(true);
    });

    it('makes the first event and its duplicate take turns', async () => {
      const first = await startTransaction(database.pool);
      await process(first.client, { key: 'ord_1', seq: 1 }, () => undefined);
      const second = settled(take(process, { key: 'ord_1', seq: 1 }));
      await waitFor('the duplicate waits', async () => {
        const { rows } = await database.pool.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return rows.length > 0;
      });
      expect(second.done).toBe(false);

      await first.end('commit');

      expect(await second.promise).toEqual({ processed: false, position: 'duplicate' });
      expect(await effectsOf('ord_1')).toEqual([]);
    });

    it('refuses to work outside of a transaction', async () => {
      const work = jest.fn();

      await expect(process(database.pool, { key: 'ord_1', seq: 1 }, work)).rejects.toThrow(RangeError);

      expect(work).not.toHaveBeenCalled();
      expect(await lastSeqOf('ord_1')).toBeUndefined();
    });

    it.each([0, -1, 1.5, NaN, 2 ** 53, '1' as unknown as number])('refuses %p as seq', async (seq) => {
      await expect(take(process, { key: 'ord_1', seq })).rejects.toThrow(RangeError);
    });

    it('counts to the largest safe integer', async () => {
      const seq = Number.MAX_SAFE_INTEGER;
      await database.pool.query(`insert into aftercommit_sequences values ('default', 'ord_1', ${seq - 1})`);

      expect(
        (await inTransaction(database.pool, (tx) => process(tx, { key: 'ord_1', seq }, () => undefined)))
          .position,
      ).toBe('next');
      expect(await lastSeqOf('ord_1')).toBe(seq);
    });
  });

  it('has its table from a migration too', async () => {
    await database.pool.query(
      `create schema migrated; set search_path = migrated; ${SEQUENCES_DDL}; reset search_path`,
    );
    const options = { table: 'migrated.aftercommit_sequences' };

    const answer = await inTransaction(database.pool, (tx) =>
      processLatest(tx, { key: 'ord_1', seq: 1 }, () => undefined, options),
    );

    expect(answer).toEqual({ processed: true, position: 'next' });
    expect(await lastSeqOf('ord_1')).toBeUndefined();
  });
});
