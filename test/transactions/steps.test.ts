import { randomUUID } from 'node:crypto';
import {
  createReceipts,
  doStep,
  fenceStep,
  readStep,
  RECEIPTS_DDL,
  refuse,
  transaction,
  undoStep,
  type StepKey,
} from 'aftercommit/transactions';
import { Pool, type PoolClient } from 'pg';
import { startFaultProxy } from '../chaos/fault-proxy';
import { settled } from '../consumer/transactions';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await createReceipts(database.pool);
  await database.pool.query('create table effects (aggregate text not null, effect text not null)');
});
afterAll(() => database.drop());

const newKey = (): StepKey => ({ aggregate: randomUUID(), step: 'book' });

/** Writes an effect and returns what it is given. */
const effect =
  (key: StepKey, name: string) =>
  async (tx: PoolClient): Promise<{ name: string }> => {
    await tx.query('insert into effects values ($1, $2)', [key.aggregate, name]);
    return { name };
  };
const effectsOf = async ({ aggregate }: StepKey): Promise<string[]> => {
  const { rows } = await database.pool.query<{ effect: string }>(
    'select effect from effects where aggregate = $1',
    [aggregate],
  );
  return rows.map((row) => row.effect);
};
const carryOut = (key: StepKey, name = 'booked') =>
  transaction(database.pool, (tx) => doStep(tx, key, effect(key, name)));
const undo = (key: StepKey, name = 'released') =>
  transaction(database.pool, (tx) => undoStep(tx, key, effect(key, name)));
const fence = (key: StepKey) => transaction(database.pool, (tx) => fenceStep(tx, key));

describe('a step', () => {
  it('takes effect once, however many carry it out at once, and all get the first outcome', async () => {
    const key = newKey();

    const outcomes = await Promise.all(Array.from({ length: 10 }, (_, n) => carryOut(key, `try ${n}`)));

    const [name] = await effectsOf(key);
    expect(await effectsOf(key)).toHaveLength(1);
    expect(new Set(outcomes.map((one) => one.kind === 'done' && one.value.name))).toEqual(new Set([name]));
    expect(outcomes.filter(({ repeated }) => !repeated)).toHaveLength(1);
  });

  it('returns the first time what every repeat will read', async () => {
    const key = newKey();
    const value = { at: new Date(0), gone: undefined, list: [1, null] };
    const once = () => transaction(database.pool, (tx) => doStep(tx, key, () => Promise.resolve(value)));

    const [first, repeated] = [await once(), await once()];

    expect(first).toEqual({
      kind: 'done',
      value: { at: '1970-01-01T00:00:00.000Z', list: [1, null] },
      repeated: false,
    });
    expect(repeated).toEqual({ ...first, repeated: true });
  });

  it('that is refused leaves the refusal and nothing of its work, and is refused again', async () => {
    const key = newKey();
    const refusing = () =>
      transaction(database.pool, (tx) =>
        doStep(tx, key, async () => {
          await effect(key, 'half')(tx);
          return refuse('sold_out');
        }),
      );

    expect(await refusing()).toEqual({ kind: 'refused', code: 'sold_out', repeated: false });
    expect(await carryOut(key)).toEqual({ kind: 'refused', code: 'sold_out', repeated: true });

    expect(await effectsOf(key)).toEqual([]);
    expect(await readStep(database.pool, key)).toEqual({ kind: 'refused', code: 'sold_out' });
  });

  it('that fails leaves nothing, and a repeat carries it out', async () => {
    const key = newKey();
    const failing = transaction(database.pool, (tx) =>
      doStep(tx, key, async () => {
        await effect(key, 'half')(tx);
        throw new Error('not today');
      }),
    );

    await expect(failing).rejects.toThrow('not today');
    expect(await readStep(database.pool, key)).toBeNull();
    expect(await carryOut(key)).toMatchObject({ kind: 'done', repeated: false });
  });

  it('is not taken for committed when the error of a statement was swallowed', async () => {
    const key = newKey();
    const swallowing = transaction(database.pool, async (tx) => {
      await doStep(tx, key, effect(key, 'booked'));
      await tx.query('select 1 / 0').catch(() => undefined);
    });

    await expect(swallowing).rejects.toThrow(RangeError);
    expect([await effectsOf(key), await readStep(database.pool, key)]).toEqual([[], null]);
  });

  it('is carried out by a second try when the first one is rolled back meanwhile', async () => {
    const key = newKey();
    const first = await database.pool.connect();
    await first.query('begin');
    await doStep(first, key, effect(key, 'first'));
    const second = settled(carryOut(key, 'second'));
    await waitFor('the second waits for the first', async () => (await waiting()) > 0);
    expect(second.done).toBe(false);
    await first.query('rollback');
    first.release();

    expect(await second.promise).toMatchObject({ kind: 'done', repeated: false });
    expect(await effectsOf(key)).toEqual(['second']);
  });

  it.each([
    ['doStep', (pool: Pool, key: StepKey) => doStep(pool, key, () => Promise.resolve(null))],
    ['undoStep', (pool: Pool, key: StepKey) => undoStep(pool, key, () => Promise.resolve(null))],
    ['fenceStep', (pool: Pool, key: StepKey) => fenceStep(pool, key)],
  ])('is refused outside of a transaction: %s', async (_name, call) => {
    const key = newKey();

    await expect(call(database.pool, key)).rejects.toThrow(RangeError);

    expect(await readStep(database.pool, key)).toBeNull();
  });

  it.each<[string, StepKey]>([
    ['an empty aggregate', { aggregate: '', step: 'book' }],
    ['a step that is too long', { aggregate: 'a', step: 'x'.repeat(256) }],
    ['a NUL', { aggregate: 'a\0', step: 'book' }],
  ])('is refused with %s', async (_what, key) => {
    await expect(carryOut(key)).rejects.toThrow(RangeError);
  });
});

const waiting = async (): Promise<number> => {
  const { rows } = await database.pool.query(
    `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'insert into "aftercommit_receipts"%'`,
  );
  return rows.length;
};

describe('an undo', () => {
  it('takes effect once, and is told what the step had returned', async () => {
    const key = newKey();
    await carryOut(key);
    const told: unknown[] = [];
    const undoing = () =>
      transaction(database.pool, (tx) =>
        undoStep(tx, key, async (client, done) => {
          told.push(done);
          return effect(key, 'released')(client);
        }),
      );

    const first = await undoing();
    const repeated = await undoing();

    expect(first).toEqual({ kind: 'undone', value: { name: 'released' }, repeated: false });
    expect(repeated).toEqual({ ...first, repeated: true });
    expect(told).toEqual([{ name: 'booked' }]);
    expect(await effectsOf(key)).toEqual(['booked', 'released']);
    expect(await readStep(database.pool, key)).toEqual({ kind: 'undone', value: { name: 'booked' } });
  });

  it('of what never happened is nothing, and what comes later is refused', async () => {
    const key = newKey();

    expect(await undo(key)).toEqual({ kind: 'nothing_to_undo' });
    expect(await carryOut(key)).toEqual({ kind: 'refused', code: 'fenced', repeated: true });
    expect(await undo(key)).toEqual({ kind: 'nothing_to_undo' });

    expect(await effectsOf(key)).toEqual([]);
  });

  it('of what was refused is nothing', async () => {
    const key = newKey();
    await transaction(database.pool, (tx) => doStep(tx, key, () => Promise.resolve(refuse('sold_out'))));

    expect(await undo(key)).toEqual({ kind: 'nothing_to_undo' });
    expect(await readStep(database.pool, key)).toEqual({ kind: 'refused', code: 'sold_out' });
  });

  it('that fails leaves the step as it was', async () => {
    const key = newKey();
    await carryOut(key);
    const failing = transaction(database.pool, (tx) =>
      undoStep(tx, key, () => Promise.reject(new Error('account closed'))),
    );

    await expect(failing).rejects.toThrow('account closed');
    expect(await readStep(database.pool, key)).toMatchObject({ kind: 'done' });
    expect(await undo(key)).toMatchObject({ kind: 'undone', repeated: false });
  });

  it('races the step: either nothing happened, or it was undone', async () => {
    const keys = Array.from({ length: 20 }, newKey);

    await Promise.all(keys.flatMap((key) => [carryOut(key), undo(key)]));

    for (const key of keys) {
      const kind = (await readStep(database.pool, key))!.kind;
      expect([kind, await effectsOf(key)]).toEqual(
        kind === 'fenced' ? ['fenced', []] : ['undone', ['booked', 'released']],
      );
    }
  });
});

describe('a fence', () => {
  it('closes what has not happened, and says what has', async () => {
    const [open, done] = [newKey(), newKey()];
    await carryOut(done);

    expect(await fence(open)).toEqual({ kind: 'fenced' });
    expect(await fence(done)).toEqual({ kind: 'done', value: { name: 'booked' } });

    expect(await carryOut(open)).toMatchObject({ kind: 'refused', code: 'fenced' });
  });

  it('waits for a step that is running', async () => {
    const key = newKey();
    const running = await database.pool.connect();
    await running.query('begin');
    await doStep(running, key, effect(key, 'booked'));
    expect(await readStep(database.pool, key)).toBeNull();
    const closing = settled(fence(key));
    await waitFor('the fence waits', async () => (await waiting()) > 0);
    await running.query('commit');
    running.release();

    expect(await closing.promise).toEqual({ kind: 'done', value: { name: 'booked' } });
  });
});

describe('a transaction', () => {
  it('whose answer to the commit is lost is repeated, and the receipt decides', async () => {
    const url = new URL(database.url);
    const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port) });
    url.hostname = '127.0.0.1';
    url.port = String(proxy.port);
    const pool = new Pool({ connectionString: url.href });
    pool.on('error', () => undefined);
    let cuts = 0;
    proxy.onBytes = (direction, bytes) => {
      if (direction !== 'down' || !bytes.includes('COMMIT') || cuts > 0) return;
      cuts += 1;
      proxy.freeze('down');
      setImmediate(() => (proxy.cut(), proxy.thaw('down')));
    };
    const key = newKey();

    const outcome = await transaction(pool, (tx) => doStep(tx, key, effect(key, 'booked')));
    await pool.end();
    await proxy.close();

    expect([cuts, outcome]).toEqual([1, { kind: 'done', value: { name: 'booked' }, repeated: true }]);
    expect(await effectsOf(key)).toEqual(['booked']);
  });

  it('that loses a race above READ COMMITTED is repeated whole', async () => {
    await database.pool.query('create table counters (name text primary key, count int not null)');
    await database.pool.query(`insert into counters values ('bookings', 0)`);
    let tries = 0;
    const count = () =>
      transaction(
        database.pool,
        async (tx) => {
          tries += 1;
          const { rows } = await tx.query<{ count: number }>('select count from counters');
          await tx.query('update counters set count = $1', [rows[0]!.count + 1]);
        },
        { isolation: 'serializable' },
      );

    await Promise.all(Array.from({ length: 5 }, count));

    const { rows } = await database.pool.query('select count from counters');
    expect(rows).toEqual([{ count: 5 }]);
    expect(tries).toBeGreaterThan(5);
  });
});

describe('the table', () => {
  it('can be made by several at once, and has a name and a schema of its own', async () => {
    await database.pool.query('create schema flights');
    const table = 'flights.receipts';
    await Promise.all(Array.from({ length: 5 }, () => createReceipts(database.pool, { table })));
    const key = newKey();

    await transaction(database.pool, (tx) => doStep(tx, key, effect(key, 'booked'), { table }));

    expect(await readStep(database.pool, key, { table })).toMatchObject({ kind: 'done' });
    expect(await readStep(database.pool, key)).toBeNull();
    expect(RECEIPTS_DDL).toContain('"aftercommit_receipts"');
  });

  it.each(['receipts; drop table effects', 'A.b', 'a.b.c'])('refuses the name %s', async (table) => {
    await expect(createReceipts(database.pool, { table })).rejects.toThrow(RangeError);
  });
});
