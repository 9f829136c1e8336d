import { Client } from 'pg';
import { setAvailable, readStock } from '../../src/database/inventory';
import { uuidV5 } from '../../src/database/ids';
import { closeTransaction, placeOrders } from '../../src/database/orders';
import type { Pool } from '../../src/database/pool';
import { acceptRequest, readRequest } from '../../src/database/requests';
import type { OrderRequest } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { AT, phoneHash } from './place';
import { seededRandom } from './refund-fixtures';

const NAMESPACE = '00000000-0000-4000-8000-0000000000bc';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const skuOf = (name: string): string => `SKU-${name}`;

interface Asked {
  name: string;
  orderId: string;
  request: OrderRequest;
}

/** A request that nobody has decided, for 2 of 10. */
async function asked(name: string): Promise<Asked> {
  const orderId = uuidV5(NAMESPACE, name);
  await setAvailable(database.pool, { sku: skuOf(name), available: 10, actor: 'test', reason: 'test' });
  const request: OrderRequest = {
    customer: { id: 'cus_1', phone: '+14155550100', channels: ['sms'], country: 'US' },
    lines: [{ sku: skuOf(name), quantity: 2, unitPriceMinor: 1000 }],
    currency: 'EUR',
    payment: { mode: 'none' },
  };
  await acceptRequest(database.pool, { orderId, caller: 'test', fingerprint: name, body: request });
  return { name, orderId, request };
}

/** The commit's own statement, over a pool or inside a transaction that somebody else ends. */
const place = (on: Pick<Pool, 'query'>, order: Asked) =>
  placeOrders(on as Pool, [{ orderId: order.orderId, caller: 'test', request: order.request }], {
    at: AT,
    places: { temporalUiUrl: null, namespace: 'default' },
    phoneHash,
  });

/** What the back-check reads. */
async function stateOf(orderId: string): Promise<'COMMITTED' | 'ROLLED_BACK' | 'UNKNOWN'> {
  const state = (await readRequest(database.pool, orderId))?.receipt?.state;
  return state === undefined ? 'UNKNOWN' : state === 'done' ? 'COMMITTED' : 'ROLLED_BACK';
}

async function ordersOf(orderId: string): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(
    `select (select count(*) from aftercommit.orders where order_id = $1)::int
          + (select count(*) from aftercommit.outbox where aggregate_id = $1)::int as n`,
    [orderId],
  );
  return rows[0]!.n;
}

/** A transaction of another connection that has committed the order in all but name. */
async function running(order: Asked): Promise<Client> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('begin');
  const placed = await place(client, order);
  expect(placed).toMatchObject([{ state: 'done', decidedNow: true }]);
  return client;
}

/** Until a closing transaction waits for the one that runs. */
const untilItWaits = () =>
  waitFor('the closing waits for the commit', async () => {
    const { rows } = await database.pool.query(
      `select 1 from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and query like '%step_receipts%'`,
    );
    return rows.length > 0;
  });

describe('closing a transaction that is still running', () => {
  it('waits for it, and says COMMITTED when it commits; meanwhile nobody can tell', async () => {
    const order = await asked('commits');
    const commit = await running(order);
    const closing = closeTransaction(database.pool, order.orderId);
    await untilItWaits();
    expect(await stateOf(order.orderId)).toBe('UNKNOWN');

    await commit.query('commit');
    await commit.end();

    expect(await closing).toMatchObject({ decision: 'committed', status: 'CONFIRMED' });
    expect(await stateOf(order.orderId)).toBe('COMMITTED');
    expect(await readStock(database.pool, skuOf('commits'))).toMatchObject({ available: 8, sold: 2 });
  });

  it('waits for it, and fences it when it rolls back: a late commit changes nothing', async () => {
    const order = await asked('rolls back');
    const commit = await running(order);
    const closing = closeTransaction(database.pool, order.orderId);
    await untilItWaits();
    expect(await stateOf(order.orderId)).toBe('UNKNOWN');

    await commit.query('rollback');
    await commit.end();

    expect(await closing).toMatchObject({ decision: 'closed', code: 'transaction_closed' });
    expect(await place(database.pool, order)).toMatchObject([
      { state: 'fenced', code: 'transaction_closed', decidedNow: false },
    ]);
    expect(await stateOf(order.orderId)).toBe('ROLLED_BACK');
    expect(await ordersOf(order.orderId)).toBe(0);
    expect(await readStock(database.pool, skuOf('rolls back'))).toMatchObject({ available: 10, sold: 0 });
  });

  it('is unknown, never a guess, when the commit outlasts the wait; asked again, it is decided', async () => {
    const order = await asked('outlasts');
    const commit = await running(order);

    await expect(closeTransaction(database.pool, order.orderId)).rejects.toMatchObject({
      code: 'database_unavailable',
    });
    expect(await stateOf(order.orderId)).toBe('UNKNOWN');
    await commit.query('commit');
    await commit.end();

    expect(await closeTransaction(database.pool, order.orderId)).toMatchObject({ decision: 'committed' });
  }, 30_000);

  it('makes a commit wait that comes while it runs, and wins', async () => {
    const order = await asked('closing first');
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query('begin');
    await client.query(
      `insert into aftercommit.step_receipts (order_id, step, op, state, outcome)
       values ($1, 'commit', 'do', 'fenced', '{"code": "transaction_closed"}')`,
      [order.orderId],
    );

    const commit = place(database.pool, order);
    await waitFor('the commit waits for the fence', async () => {
      const { rows } = await database.pool.query(
        `select 1 from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock' and query like '%commit_orders%'`,
      );
      return rows.length > 0;
    });
    await client.query('commit');
    await client.end();

    expect(await commit).toMatchObject([{ state: 'fenced', decidedNow: false }]);
    expect(await ordersOf(order.orderId)).toBe(0);
  });
});

describe('commits, closings and questions in any order', () => {
  const seed = Number(process.env['AFTERCOMMIT_SEED'] ?? Date.now() % 1_000_000);
  const ORDERS = 60;
  const AT_ONCE = 20;

  it(`have one outcome for each order (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const orders: Asked[] = [];
    for (let n = 0; n < ORDERS; n += 1) orders.push(await asked(`n${n}`));

    /** One connection's transaction, which a crash may end before its commit. */
    const commit = async (order: Asked, isCut: boolean): Promise<'committed' | 'not'> => {
      if (!isCut) {
        const [placed] = await place(database.pool, order);
        return placed!.decidedNow ? 'committed' : 'not';
      }
      const client = await database.pool.connect();
      await client.query('begin');
      await place(client as unknown as Pool, order).catch(() => undefined);
      client.release(true);
      return 'not';
    };
    const actions = orders
      .flatMap((order) => [
        ...Array.from({ length: 1 + Math.floor(random() * 2) }, () => ({ order, does: 'commit' })),
        ...Array.from({ length: Math.floor(random() * 3) }, () => ({ order, does: 'cut' })),
        ...Array.from({ length: 1 + Math.floor(random() * 2) }, () => ({ order, does: 'close' })),
        ...Array.from({ length: 2 }, () => ({ order, does: 'ask' })),
      ])
      .map((action) => ({ ...action, place: random() }))
      .sort((one, other) => one.place - other.place);

    const said = new Map<string, Set<string>>(orders.map(({ name }) => [name, new Set()]));
    const carryOut = async ({ order, does }: (typeof actions)[number]): Promise<void> => {
      const words = said.get(order.name)!;
      if (does === 'commit') {
        if ((await commit(order, false)) === 'committed') words.add('COMMITTED');
      } else if (does === 'cut') {
        await commit(order, true);
      } else if (does === 'close') {
        const { decision } = await closeTransaction(database.pool, order.orderId);
        words.add(decision === 'committed' ? 'COMMITTED' : 'ROLLED_BACK');
      } else {
        const state = await stateOf(order.orderId);
        if (state !== 'UNKNOWN') words.add(state);
      }
    };
    // As many at once as there are connections.
    const work = async (): Promise<void> => {
      for (let next = actions.shift(); next !== undefined; next = actions.shift()) await carryOut(next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));

    const outcomes = new Set<string>();
    for (const { name, orderId } of orders) {
      const final = await stateOf(orderId);
      outcomes.add(final);
      expect([name, [...said.get(name)!]]).toEqual([name, [final]]);
      expect([name, await ordersOf(orderId)]).toEqual([name, final === 'COMMITTED' ? 2 : 0]);
      const stock = final === 'COMMITTED' ? { available: 8, sold: 2 } : { available: 10, sold: 0 };
      expect(await readStock(database.pool, skuOf(name))).toMatchObject(stock);
    }
    // Both must have happened, or the test has shown nothing.
    expect([...outcomes].sort()).toEqual(['COMMITTED', 'ROLLED_BACK']);
  }, 60_000);
});
