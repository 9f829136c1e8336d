import { setAvailable } from '../../src/database/inventory';
import { endOrder } from '../../src/database/order-endings';
import { reconcileSale } from '../../src/database/sale-reconciliation';
import { advanceSale, putSale, readSale } from '../../src/database/sales';
import { cancelledBecause } from '../../src/domain/orders';
import { createTestDatabase, type TestDatabase } from '../support/database';
import {
  asked,
  commitGroup,
  codesOf,
  nextNotification,
  openSale,
  passTime,
  saleEvents,
  termsOf,
} from './sale-fixtures';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const inAnHour = (hours = 1): string => new Date(Date.now() + hours * 3_600_000).toISOString();
const at = (): string => new Date().toISOString();

async function auditsOf(saleId: string): Promise<number> {
  const { rowCount } = await database.pool.query(
    `select 1 from aftercommit.audit where action = 'sale.put' and subject = $1 and actor = 'test'`,
    [saleId],
  );
  return rowCount!;
}

describe('putting a sale', () => {
  it('opens one without a time to open at once, and moves no stock', async () => {
    const sale = await openSale(database.pool, 'at once', {
      saleId: 'at-once',
      sku: 'SKU-at once',
      closesAt: inAnHour(),
    });

    expect(sale).toMatchObject({ state: 'OPEN', quantity: 10, available: 10, reserved: 0, sold: 0 });
    expect(await saleEvents(database.pool, 'at-once')).toEqual(['sale.opened']);
    const { rows } = await database.pool.query(
      `select available, reserved, sold from aftercommit.inventory where sku = 'SKU-at once'`,
    );
    expect(rows).toEqual([{ available: 100, reserved: 0, sold: 0 }]);
  });

  it('waits for the time to open where one is said', async () => {
    const sale = await openSale(database.pool, 'later', { opensAt: inAnHour(), closesAt: inAnHour(2) });

    expect(sale.state).toBe('SCHEDULED');
    expect(await saleEvents(database.pool, 'later')).toEqual([]);
  });

  it('changes nothing when it is repeated, and writes one audit row for each change', async () => {
    const first = await openSale(database.pool, 'repeated', { closesAt: inAnHour() });
    const again = await putSale(database.pool, termsOf('repeated', { closesAt: first.closesAt }), 'test');
    const changed = await putSale(
      database.pool,
      termsOf('repeated', { closesAt: first.closesAt, quantity: 20 }),
      'test',
    );

    expect(again).toEqual(first);
    expect(changed.quantity).toBe(20);
    expect(await auditsOf('repeated')).toBe(2);
    expect(await saleEvents(database.pool, 'repeated')).toEqual(['sale.opened']);
  });

  it('is done once when two make the same sale at once', async () => {
    await setAvailable(database.pool, { sku: 'SKU-two', available: 100, actor: 'test', reason: 'test' });
    const closesAt = inAnHour();

    const [one, other] = await Promise.all([
      putSale(database.pool, termsOf('two', { closesAt }), 'test'),
      putSale(database.pool, termsOf('two', { closesAt, quantity: 11 }), 'test'),
    ]);

    const stored = await readSale(database.pool, 'two');
    expect([10, 11]).toContain(stored!.quantity);
    expect([one.quantity, other.quantity]).toEqual([10, 11]);
    expect(await saleEvents(database.pool, 'two')).toEqual(['sale.opened']);
  });

  it.each([
    ['an unknown SKU', { sku: 'SKU-nobody-has' }, 'unknown_sku'],
    ['more than there is', { quantity: 101 }, 'quantity_above_stock'],
    ['a window that is over', { closesAt: '2020-01-01T00:00:00.000Z' }, 'invalid_value'],
  ])('is refused for %s, and leaves nothing behind', async (_what, terms, code) => {
    await setAvailable(database.pool, { sku: 'SKU-refused', available: 100, actor: 'test', reason: 'test' });

    await expect(putSale(database.pool, termsOf('refused', terms), 'test')).rejects.toMatchObject({ code });

    expect(await readSale(database.pool, 'refused')).toBeNull();
    expect(await auditsOf('refused')).toBe(0);
  });

  it('cannot change what is closed, even before its workflow has closed it, but can be repeated', async () => {
    await openSale(database.pool, 'over', { closesAt: inAnHour() });
    await passTime(database.pool, 'over', 'closes_at');
    const { closesAt } = (await readSale(database.pool, 'over'))!;

    const reopened = putSale(database.pool, termsOf('over', { closesAt: inAnHour() }), 'test');

    await expect(reopened).rejects.toMatchObject({
      code: 'conflicting_state',
      extensions: { state: 'CLOSED' },
    });
    await expect(putSale(database.pool, termsOf('over', { closesAt }), 'test')).resolves.toMatchObject({
      state: 'CLOSED',
    });
  });

  it('tells who listens', async () => {
    const listener = await database.pool.connect();
    try {
      const heard = nextNotification(listener);
      await listener.query('listen aftercommit_sales');

      await openSale(database.pool, 'heard');

      expect(await heard).toBe('heard');
    } finally {
      listener.release(true);
    }
  });
});

describe('the times of a sale', () => {
  it('open and close it once each, by the clock of the database, however often they are looked at', async () => {
    const { pool } = database;
    await openSale(pool, 'timed', { opensAt: inAnHour(), closesAt: inAnHour(2) });

    const scheduled = await advanceSale(pool, 'timed');
    await passTime(pool, 'timed', 'opens_at');
    const open = await Promise.all([advanceSale(pool, 'timed'), advanceSale(pool, 'timed')]);
    await passTime(pool, 'timed', 'closes_at');
    const closed = await Promise.all([advanceSale(pool, 'timed'), advanceSale(pool, 'timed')]);

    expect(scheduled).toMatchObject({ state: 'SCHEDULED', next: 'wait' });
    expect(scheduled!.waitMs).toBeGreaterThan(3_500_000);
    expect(open.map((step) => step!.state)).toEqual(['OPEN', 'OPEN']);
    expect(open[0]!.waitMs).toBeGreaterThan(7_000_000);
    expect(closed).toEqual(
      Array.from({ length: 2 }, () => ({ state: 'CLOSED', next: 'reconcile', waitMs: null })),
    );
    expect(await saleEvents(pool, 'timed')).toEqual(['sale.opened', 'sale.closed']);
  });

  it('tell a sale without an end to wait for somebody', async () => {
    await openSale(database.pool, 'endless');

    expect(await advanceSale(database.pool, 'endless')).toEqual({
      state: 'OPEN',
      next: 'wait',
      waitMs: null,
    });
  });

  it('are both told of a sale that nobody looked at in between', async () => {
    const { pool } = database;
    await openSale(pool, 'missed', { opensAt: inAnHour(), closesAt: inAnHour(2) });
    await passTime(pool, 'missed', 'opens_at');
    await passTime(pool, 'missed', 'closes_at');

    await advanceSale(pool, 'missed');

    expect(await saleEvents(pool, 'missed')).toEqual(['sale.opened', 'sale.closed']);
  });

  it('do nothing for a sale that nobody made', async () => {
    expect(await advanceSale(database.pool, 'nobody')).toBeNull();
  });
});

describe('the end of a sale', () => {
  it('waits for the last payment deadline, then finds the sale as its orders are', async () => {
    const { pool } = database;
    await openSale(pool, 'ended', { closesAt: inAnHour() });
    const waiting = asked('ended wait', { saleId: 'ended', units: 2, mode: 'wait' });
    await commitGroup(pool, [waiting, asked('ended none', { saleId: 'ended', units: 3 })]);
    await passTime(pool, 'ended', 'closes_at');

    const early = await advanceSale(pool, 'ended');
    await endOrder(pool, {
      orderId: waiting.orderId,
      epoch: 1,
      at: at(),
      ending: cancelledBecause('cancelled'),
    });
    const due = await advanceSale(pool, 'ended');
    const found = await reconcileSale(pool, 'ended');
    const done = await advanceSale(pool, 'ended');

    // 15 minutes for the payment, and 10 for its order to come to its end.
    expect(early).toMatchObject({ state: 'CLOSED', next: 'wait' });
    expect(Math.round(early!.waitMs! / 60_000)).toBe(25);
    expect(due!.next).toBe('reconcile');
    expect(found).toMatchObject({ orders: 2, open: 0, reserved: 0, sold: 3, differences: [] });
    expect(done).toEqual({ state: 'CLOSED', next: 'end', waitMs: null });
    expect((await readSale(pool, 'ended'))!.reconciliation).toEqual(found);
    expect(await reconcileSale(pool, 'ended')).toEqual(found);
  });

  it('parks what differs, once, and says by how much', async () => {
    const { pool } = database;
    await openSale(pool, 'damaged', { closesAt: inAnHour() });
    expect(codesOf(await commitGroup(pool, [asked('damaged', { saleId: 'damaged', units: 3 })]))).toEqual([
      'done',
    ]);
    await passTime(pool, 'damaged', 'closes_at');
    await pool.query(`update aftercommit.sales set sold = 2, reserved = 1 where sale_id = 'damaged'`);
    await pool.query(`update aftercommit.sale_customers set units = 9 where sale_id = 'damaged'`);
    await advanceSale(pool, 'damaged');

    await reconcileSale(pool, 'damaged');
    const found = await reconcileSale(pool, 'damaged');

    expect(found!.differences).toEqual([
      { of: 'reserved', sale: 1, orders: 0 },
      { of: 'sold', sale: 2, orders: 3 },
      { of: 'customers', sale: 1, orders: 0 },
    ]);
    const { rows } = await pool.query(
      `select step, reason, state from aftercommit.parked_steps where step like 'recon:sale:damaged:%'`,
    );
    expect(rows).toEqual([{ step: 'recon:sale:damaged:1:-1:1', reason: 'sale_counters', state: 'OPEN' }]);
  });

  it('is none of a sale that is open', async () => {
    await openSale(database.pool, 'still-open');

    expect(await reconcileSale(database.pool, 'still-open')).toBeNull();
  });
});
