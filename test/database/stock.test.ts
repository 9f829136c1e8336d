import { uuidV5 } from '../../src/database/ids';
import { setAvailable } from '../../src/database/inventory';
import { moveStock, moveWhatIsThere, StockShortError } from '../../src/database/stock';
import { transaction } from '../../src/database/transaction';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { printedDraws, shuffled } from './order-fixtures';
import { AT, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const NAMESPACE = '00000000-0000-4000-8000-0000000000aa';
const SOLD = { from: 'reserved', to: 'sold', at: AT } as const;
const FREED = { from: 'reserved', to: 'available', at: AT } as const;

/** An order with these quantities reserved, in this order of lines. */
async function reserved(name: string, lines: [sku: string, quantity: number][]): Promise<string> {
  const orderId = uuidV5(NAMESPACE, name);
  await database.pool.query(
    `insert into aftercommit.orders (order_id, caller, customer_id, status, payment_mode, payment_status, total_minor, currency,
                                     last_seq, workflow_id, created_at, updated_at)
     values ($1, 'test', 'cus_1', 'PENDING_PAYMENT', 'charge', 'PENDING', 1, 'EUR', 1, 'w', now(), now())`,
    [orderId],
  );
  for (const [line, [sku, quantity]] of lines.entries()) {
    await database.pool.query('insert into aftercommit.order_lines values ($1, $2, $3, $4, 1)', [
      orderId,
      line,
      sku,
      quantity,
    ]);
    await database.pool.query(
      'update aftercommit.inventory set available = available - $2, reserved = reserved + $2 where sku = $1',
      [sku, quantity],
    );
  }
  return orderId;
}

const stock = (sku: string, available: number): Promise<unknown> =>
  setAvailable(database.pool, { sku, available, actor: 'test', reason: 'test' });

async function countsOf(sku: string): Promise<number[]> {
  const { rows } = await database.pool.query<{ counts: number[] }>(
    'select array[available, reserved, sold] as counts from aftercommit.inventory where sku = $1',
    [sku],
  );
  return rows[0]!.counts;
}

describe('moving the stock of an order', () => {
  it('moves each product by the sum of its lines', async () => {
    await Promise.all([stock('A', 10), stock('B', 10)]);
    const orderId = await reserved('sum', [
      ['A', 2],
      ['B', 1],
      ['A', 3],
    ]);

    await transaction(database.pool, (client) => moveStock(client, orderId, SOLD));

    expect([await countsOf('A'), await countsOf('B')]).toEqual([
      [5, 0, 5],
      [9, 0, 1],
    ]);
  });

  it('moves nothing of any product when one of them is short', async () => {
    await Promise.all([stock('C', 10), stock('D', 10)]);
    const orderId = await reserved('short', [
      ['C', 2],
      ['D', 2],
    ]);
    await database.pool.query(`update aftercommit.inventory set reserved = 1 where sku = 'D'`);

    const moved = transaction(database.pool, (client) => moveStock(client, orderId, SOLD));

    await expect(moved).rejects.toBeInstanceOf(StockShortError);
    expect([await countsOf('C'), await countsOf('D')]).toEqual([
      [8, 2, 0],
      [8, 1, 0],
    ]);
  });

  it('calls a product that is gone short', async () => {
    const orderId = await placeOne(database.pool, 'gone', 'charge');
    await database.pool.query(`delete from aftercommit.inventory where sku = 'SKU-gone'`);

    const moved = transaction(database.pool, (client) => moveStock(client, orderId, SOLD));

    await expect(moved).rejects.toBeInstanceOf(StockShortError);
    await transaction(database.pool, (client) => moveWhatIsThere(client, orderId, FREED));
  });

  it('gives back what is there, and never makes stock out of nothing', async () => {
    await stock('E', 10);
    const orderId = await reserved('part', [['E', 3]]);
    await database.pool.query(`update aftercommit.inventory set reserved = 1, sold = 2 where sku = 'E'`);

    await transaction(database.pool, (client) => moveWhatIsThere(client, orderId, FREED));

    expect(await countsOf('E')).toEqual([8, 0, 2]);
  });
});

it('never deadlocks orders that share products in any order of their lines', async () => {
  const draw = printedDraws('orders that share products');
  const skus = ['P', 'Q', 'R', 'S', 'T'];
  await Promise.all(skus.map((sku) => stock(sku, 1_000)));
  const orders: string[] = [];
  for (let n = 0; n < 40; n += 1) {
    const lines = shuffled(draw, skus).slice(0, 3);
    orders.push(
      await reserved(
        `shared ${n}`,
        lines.map((sku) => [sku, 1]),
      ),
    );
  }
  // Straight, without the repeats that would hide a deadlock.
  const moved = orders.map(async (orderId, n) => {
    const client = await database.pool.connect();
    try {
      await client.query('begin');
      await moveStock(client, orderId, n % 2 === 0 ? SOLD : FREED);
      await client.query('commit');
    } finally {
      client.release(true);
    }
  });

  await expect(Promise.all(moved)).resolves.toHaveLength(40);

  for (const sku of skus) {
    const [available, left, sold] = (await countsOf(sku)) as [number, number, number];
    expect(available + sold).toBe(1_000);
    expect(left).toBe(0);
  }
});
