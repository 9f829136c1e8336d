import type { PoolClient } from 'pg';
import { readStock, setAvailable } from '../../src/database/inventory';
import { transaction } from '../../src/database/transaction';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { placeOne } from './place';

/** Serialization failures, deadlocks and lost connections, each provoked for real. */
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(FAILING);
});
afterAll(() => database.drop());

/**
 * Raises an error of this SQLSTATE the next so many times an order is written. A sequence counts, because what it gave
 * is not taken back with the transaction.
 */
const FAILING = `
  create schema chaos;
  create sequence chaos.tries;
  create table chaos.plan (sqlstate text not null, times int not null);
  create function chaos.fail() returns trigger language plpgsql as $$
  declare v_plan chaos.plan;
  begin
    select * into v_plan from chaos.plan;
    if found and nextval('chaos.tries') <= v_plan.times then
      raise exception 'provoked' using errcode = v_plan.sqlstate;
    end if;
    return null;
  end $$;
  create trigger chaos after insert on aftercommit.outbox for each row execute function chaos.fail()`;

async function failNext(sqlstate: string, times: number): Promise<void> {
  await database.pool.query('delete from chaos.plan');
  await database.pool.query('alter sequence chaos.tries restart');
  await database.pool.query('insert into chaos.plan values ($1, $2)', [sqlstate, times]);
}

/** How often the trigger was asked, that is, how often the transaction came as far as its event. */
async function tries(): Promise<number> {
  const { rows } = await database.pool.query<{ last_value: number }>('select last_value from chaos.tries');
  return rows[0]!.last_value;
}

async function countOf(table: string, orderId: string, column = 'order_id'): Promise<number> {
  const { rows } = await database.pool.query(`select 1 from aftercommit.${table} where ${column} = $1`, [
    orderId,
  ]);
  return rows.length;
}

const serverProcess = async (client: PoolClient): Promise<number> => {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]!.pid;
};

/** Ends a server process from another connection. */
async function terminate(pid: number): Promise<void> {
  await database.pool.query('select pg_terminate_backend($1)', [pid]);
}

const stock = (sku: string): Promise<unknown> =>
  setAvailable(database.pool, { sku, available: 10, actor: 'test', reason: 'test' });

const takeOne = (client: PoolClient, sku: string): Promise<unknown> =>
  client.query('update aftercommit.inventory set available = available - 1, sold = sold + 1 where sku = $1', [
    sku,
  ]);

/** Resolves for all once so many have come. */
function createMeeting(size: number): () => Promise<void> {
  let come = 0;
  let open: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return () => {
    come += 1;
    if (come >= size) open();
    return opened;
  };
}

describe('a commit', () => {
  it.each([
    ['40001', 'a serialization failure'],
    ['40P01', 'a deadlock'],
    ['55P03', 'a lock that was not had in time'],
    ['57P01', 'a server that is shut down'],
  ])('that meets %s, %s, is repeated whole and happens once', async (sqlstate) => {
    await failNext(sqlstate, 2);

    const orderId = await placeOne(database.pool, `met-${sqlstate}`);

    expect(await tries()).toBe(3);
    expect(await readStock(database.pool, `SKU-met-${sqlstate}`)).toMatchObject({ available: 8, sold: 2 });
    expect(await countOf('orders', orderId)).toBe(1);
    expect(await countOf('outbox', orderId, 'aggregate_id')).toBe(1);
  });

  it('that meets an error of its own is not repeated and leaves nothing', async () => {
    await failNext('23514', 1);

    await expect(placeOne(database.pool, 'met-own')).rejects.toMatchObject({ code: '23514' });

    expect(await tries()).toBe(1);
    expect(await readStock(database.pool, 'SKU-met-own')).toMatchObject({ available: 10, sold: 0 });
  });

  it('that loses every time ends in an error that may be repeated later', async () => {
    await failNext('40001', 1_000);

    await expect(placeOne(database.pool, 'met-always')).rejects.toMatchObject({
      code: 'database_unavailable',
      retryable: true,
    });

    expect(await tries()).toBe(10);
    expect(await readStock(database.pool, 'SKU-met-always')).toMatchObject({ available: 10, sold: 0 });
  });
});

describe('two transactions', () => {
  it('that wait for each other both happen, once each, because one is repeated', async () => {
    await Promise.all([stock('LEFT'), stock('RIGHT')]);
    const bothHoldOne = createMeeting(2);
    let runs = 0;
    const take = (first: string, second: string): Promise<unknown> =>
      transaction(database.pool, async (client) => {
        runs += 1;
        await takeOne(client, first);
        await bothHoldOne();
        await takeOne(client, second);
      });

    await Promise.all([take('LEFT', 'RIGHT'), take('RIGHT', 'LEFT')]);

    expect(runs).toBe(3);
    expect(await readStock(database.pool, 'LEFT')).toMatchObject({ available: 8, sold: 2 });
    expect(await readStock(database.pool, 'RIGHT')).toMatchObject({ available: 8, sold: 2 });
  });

  it('of which one sees what the other changed under it is repeated on the new state', async () => {
    await stock('SERIAL');
    const bothHaveRead = createMeeting(2);
    let runs = 0;
    const halve = (): Promise<unknown> =>
      transaction(database.pool, async (client) => {
        runs += 1;
        await client.query('set transaction isolation level serializable');
        const { rows } = await client.query<{ available: number }>(
          `select available from aftercommit.inventory where sku = 'SERIAL'`,
        );
        await bothHaveRead();
        const half = Math.floor(rows[0]!.available / 2);
        await client.query(`update aftercommit.inventory set available = $1 where sku = 'SERIAL'`, [half]);
      });

    await Promise.all([halve(), halve()]);

    expect(runs).toBe(3);
    expect(await readStock(database.pool, 'SERIAL')).toMatchObject({ available: 2 });
  });
});

describe('a transaction whose connection is lost', () => {
  it('in the middle is repeated whole on another one', async () => {
    await stock('CUT');
    const processes: number[] = [];

    await transaction(database.pool, async (client) => {
      processes.push(await serverProcess(client));
      await takeOne(client, 'CUT');
      if (processes.length === 1) await terminate(processes[0]!);
      await takeOne(client, 'CUT');
    });

    expect(new Set(processes).size).toBe(2);
    expect(await readStock(database.pool, 'CUT')).toMatchObject({ available: 8, sold: 2 });
  });

  it('between two statements does not end the process, and the broken connection is not used again', async () => {
    await stock('IDLE');
    const processes: number[] = [];

    await transaction(database.pool, async (client) => {
      const pid = await serverProcess(client);
      processes.push(pid);
      await takeOne(client, 'IDLE');
      if (processes.length > 1) return;
      await terminate(pid);
      await waitFor('the server process is gone', async () => {
        const { rows } = await database.pool.query('select 1 from pg_stat_activity where pid = $1', [pid]);
        return rows.length === 0;
      });
    });

    expect(new Set(processes).size).toBe(2);
    expect(await readStock(database.pool, 'IDLE')).toMatchObject({ available: 9, sold: 1 });
    const left = await Promise.all(
      Array.from({ length: database.pool.options.max ?? 1 }, async () => {
        const client = await database.pool.connect();
        const pid = await serverProcess(client);
        return { client, pid };
      }),
    );
    for (const { client } of left) client.release();
    expect(left.map(({ pid }) => pid)).not.toContain(processes[0]);
  });
});
