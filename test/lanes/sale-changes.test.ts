import { createPool } from '../../src/database/pool';
import { listenToSales } from '../../src/lanes/sale-changes';
import { createSaleAdmission } from '../../src/lanes/sale-admission';
import { endOrder } from '../../src/database/order-endings';
import { cancelledBecause } from '../../src/domain/orders';
import { asked, commitGroup, openSale } from '../database/sale-fixtures';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

it('hears of every sale that changes, again after its connection was cut, and says when it is deaf', async () => {
  const pool = createPool({ url: database.url, size: 2, name: 'listener', log: silentLog });
  const said: string[] = [];
  const changes = listenToSales(
    { pool, log: silentLog },
    { changed: (saleId) => said.push(saleId), listening: (isListening) => said.push(String(isListening)) },
  );
  const notify = (saleId: string) =>
    database.pool.query(`select pg_notify('aftercommit_sales', $1)`, [saleId]);
  try {
    await waitFor('it listens', () => said.includes('true'));
    await notify('one');
    await waitFor('it has heard', () => said.includes('one'));
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'listener'`,
    );
    await waitFor('it listens again', () => said.filter((word) => word === 'true').length === 2);
    await notify('two');
    await waitFor('it has heard', () => said.includes('two'));
  } finally {
    await changes.close();
    await changes.close();
    await pool.end();
  }

  expect(said).toEqual(['true', 'one', 'false', 'true', 'two', 'false']);
});

it('answers a sold-out sale from memory until an order of it is cancelled', async () => {
  const { pool } = database;
  await openSale(pool, 'flash', { quantity: 1 });
  const first = asked('first', { saleId: 'flash', mode: 'wait' });
  const late = { saleId: 'flash', orderId: 'late', units: 1 };
  // The clock stands still: only what is heard changes anything.
  const admission = createSaleAdmission({ pool, log: silentLog }, () => 0);
  try {
    await commitGroup(pool, [first]);
    // Until it listens, nothing is kept.
    await waitFor('it is sold out', () => {
      admission.hear(late, 'sold_out');
      return admission.look(late) === 'sold_out';
    });
    const repeat = admission.look({ saleId: 'flash', orderId: first.orderId, units: 1 });
    const before = await admission.read('flash');

    await endOrder(pool, {
      orderId: first.orderId,
      epoch: 1,
      at: new Date().toISOString(),
      ending: cancelledBecause('cancelled'),
    });
    await waitFor('it is for sale again', () => admission.look(late) === 'ask');

    expect(repeat).toBe('decided');
    expect([before!.state, (await admission.read('flash'))!.state]).toEqual(['SOLD_OUT', 'OPEN']);
    expect(await admission.read('nobody')).toBeNull();
  } finally {
    await admission.close();
  }
});
