import { randomUUID } from 'node:crypto';
import { eventIdOf } from '../../src/database/ids';
import { beginReconciliation } from '../../src/database/reconciliation';
import { detectorOf, type DetectorName } from '../../src/domain/reconciliation';
import { DAMAGES } from '../recon/damage';
import { createLocalWorld, type LocalWorld } from '../recon/local-world';
import { reconcileOnce } from '../recon/reconciler';
import { LIVES } from '../recon/world';
import { createTestDatabase, type TestDatabase } from '../support/database';

/** A sample of `npm run test:recon`, where Temporal and the participants are real processes. */

let database: TestDatabase;
let world: LocalWorld;
beforeEach(async () => {
  database = await createTestDatabase();
  world = createLocalWorld(database.pool);
});
afterEach(() => database.drop());

const HEALTHY_OF_EACH_LIFE = 4;

async function healthyOrders(): Promise<void> {
  for (const life of LIVES) {
    for (let n = 0; n < HEALTHY_OF_EACH_LIFE; n += 1) await world.order(life);
  }
}

/** Plants one damage. Returns the subject of the finding that must come of it. */
const plant = (detector: DetectorName): Promise<string> =>
  DAMAGES.find((damage) => damage.detector === detector)!.plant(world);

/** Everything but what a run itself writes about what it does. */
async function contents(): Promise<string> {
  const { rows: tables } = await database.pool.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'aftercommit'
       and table_name not like 'reconciliation%' order by 1`,
  );
  const texts = tables.map(({ name }) => `select '${name} ' || t::text as line from aftercommit."${name}" t`);
  const { rows } = await database.pool.query<{ line: string }>(`${texts.join(' union all ')} order by 1`);
  return rows.map(({ line }) => line).join('\n');
}

it('finds nothing where nothing is wrong, and changes nothing', async () => {
  await healthyOrders();
  const before = await contents();

  const { state, findings } = await reconcileOnce(world.deps);

  expect({ state, findings }).toEqual({ state: 'COMPLETED', findings: [] });
  expect(await contents()).toBe(before);
  expect(world.started).toEqual([]);
});

it('finds each kind of damage, does what it says about it, and nothing else; then finds nothing new', async () => {
  await healthyOrders();
  const planted: { detector: string; subject: string; action: string }[] = [];
  for (const damage of DAMAGES) {
    const { detector, action } = damage;
    planted.push({ detector, action, subject: await damage.plant(world) });
  }

  const first = await reconcileOnce(world.deps);
  const second = await reconcileOnce(world.deps);

  const found = first.findings.map(({ detector, subject, action }) => ({ detector, subject, action }));
  for (const one of planted) expect(found).toContainEqual(one);
  expect(found.filter((one) => !planted.some(({ subject }) => subject === one.subject))).toEqual([]);
  // Nobody carries out here what was started, so that alone is found again.
  const again = second.findings.filter(
    ({ detector }) => detectorOf(detector as DetectorName).remedy !== 'restart',
  );
  expect(again).toEqual([]);
});

it('reports and changes nothing in a dry run', async () => {
  for (const damage of DAMAGES) await damage.plant(world);
  const before = await contents();

  const { findings, dryRun } = await reconcileOnce(world.deps, { dryRun: true });

  expect(dryRun).toBe(true);
  expect(findings.length).toBeGreaterThanOrEqual(DAMAGES.length);
  expect(findings.filter(({ action }) => action !== 'none')).toEqual([]);
  expect(await contents()).toBe(before);
  expect(world.started).toEqual([]);
});

describe('two at once', () => {
  it('lets the first one run; the second says so and does nothing', async () => {
    await plant('leaked_reservation');
    const first = { reconciliationId: randomUUID(), kind: 'full' as const, dryRun: false };
    await beginReconciliation(database.pool, { ...first, actor: 'test' });

    const second = await reconcileOnce(world.deps);
    const finished = await reconcileOnce(world.deps, first);

    expect({ state: second.state, findings: second.findings }).toEqual({ state: 'REFUSED', findings: [] });
    expect(finished).toMatchObject({ state: 'COMPLETED', found: 1 });
  });

  it('lets the next one run once the lease of one that died is over, and stops the dead one for good', async () => {
    await plant('leaked_reservation');
    const dead = { reconciliationId: randomUUID(), kind: 'full' as const, dryRun: false };
    await beginReconciliation(database.pool, { ...dead, actor: 'test' });
    await database.pool.query(
      `update aftercommit.reconciliation_lock set lease_until = now() - interval '1 s'`,
    );
    const next = { reconciliationId: randomUUID(), kind: 'full' as const, dryRun: false };
    await beginReconciliation(database.pool, { ...next, actor: 'test' });

    expect(await reconcileOnce(world.deps, dead)).toMatchObject({ state: 'FAILED', findings: [] });
    expect(await reconcileOnce(world.deps, next)).toMatchObject({ state: 'COMPLETED', found: 1 });
  });
});

describe('a worker that is killed', () => {
  /** The activity fails the first time that it gets there, and Temporal repeats it under the same run. */
  async function killedOnce(fail: (die: () => never) => void): Promise<ReturnType<typeof reconcileOnce>> {
    let isAlive = true;
    fail(() => {
      isAlive = false;
      throw new Error('killed');
    });
    const run = { reconciliationId: randomUUID() };
    await expect(reconcileOnce(world.deps, run)).rejects.toThrow('killed');
    expect(isAlive).toBe(false);
    return reconcileOnce(world.deps, run);
  }

  it('R1: between finding and repair, repairs once it is back, under the same finding', async () => {
    const subject = await plant('order_without_run');
    const runs = world.deps.runs;
    const wakeOrder = runs.wakeOrder.bind(runs);

    const { findings } = await killedOnce((die) => {
      runs.wakeOrder = () => {
        runs.wakeOrder = wakeOrder;
        return die();
      };
    });

    expect(findings).toMatchObject([{ detector: 'order_without_run', subject, action: 'repaired' }]);
    expect(world.running.has(subject.slice('order:'.length))).toBe(true);
  });

  it('R2: after the repair, repairs nothing twice', async () => {
    const subject = await plant('missing_event');
    const orderId = subject.slice('order:'.length);
    const { successors } = world.deps;
    const delivery = successors.delivery.bind(successors);

    const { findings } = await killedOnce((die) => {
      successors.delivery = () => {
        successors.delivery = delivery;
        return die();
      };
    });

    const { rows } = await database.pool.query<{ id: string; seq: number; payload: object }>(
      `select id, seq, payload from aftercommit.outbox where aggregate_id = $1 and type = 'order.confirmed'`,
      [orderId],
    );
    expect(rows).toMatchObject([
      { id: eventIdOf(orderId, 'order.confirmed', 2), seq: 2, payload: { seq: 2 } },
    ]);
    expect(findings).toContainEqual(expect.objectContaining({ subject, action: 'repaired' }));
  });
});

describe('what it repairs', () => {
  it('gives leaked units back, with an audit row that says so', async () => {
    const subject = await plant('leaked_reservation');
    const sku = subject.slice('sku:'.length);

    await reconcileOnce(world.deps);

    const stock = await database.pool.query(
      'select available, reserved, sold from aftercommit.inventory where sku = $1',
      [sku],
    );
    const audit = await database.pool.query(
      `select action, detail from aftercommit.audit where subject = $1 and actor = 'reconciliation'`,
      [subject],
    );
    expect(stock.rows).toEqual([{ available: 8, reserved: 0, sold: 2 }]);
    expect(audit.rows).toMatchObject([
      { action: 'reconciliation.leaked_reservation', detail: { reserved: 1, held: 0 } },
    ]);
  });

  it("makes a payment's refunded sum that of its refunds, and the order's payment status that of the sum", async () => {
    const paymentId = (await plant('refund_total_mismatch')).slice('payment:'.length);
    await database.pool.query(
      `update aftercommit.orders o set payment_status = 'REFUNDED'
       from aftercommit.payments p where p.payment_id = $1 and o.order_id = p.order_id`,
      [paymentId],
    );

    await reconcileOnce(world.deps);

    const { rows } = await database.pool.query(
      `select p.refunded_minor, o.payment_status from aftercommit.payments p join aftercommit.orders o using (order_id)
       where p.payment_id = $1`,
      [paymentId],
    );
    expect(rows).toEqual([{ refunded_minor: 300, payment_status: 'PARTIALLY_REFUNDED' }]);
  });

  it('gives money that came too late back exactly once, by the refund that everybody would ask for', async () => {
    await plant('unrecorded_capture');

    await reconcileOnce(world.deps);
    await reconcileOnce(world.deps);

    const refunds = await database.pool.query(
      `select f.amount_minor, f.state from aftercommit.refunds f join aftercommit.payments p using (payment_id)
       where p.state = 'CAPTURED' and p.undone_at is not null and p.refunded_minor = 0`,
    );
    expect(refunds.rows).toEqual([{ amount_minor: 2000, state: 'PENDING' }]);
    expect(new Set(world.started.filter((id) => id.startsWith('refund/'))).size).toBe(1);
  });

  it('raises the epoch of an order whose run is gone, and of no other', async () => {
    const lost = (await plant('order_without_run')).slice('order:'.length);
    const running = await world.order('waiting');

    await reconcileOnce(world.deps);

    const { rows } = await database.pool.query<{ order_id: string; epoch: number }>(
      'select order_id, epoch from aftercommit.orders where order_id = any ($1)',
      [[lost, running]],
    );
    expect(Object.fromEntries(rows.map((row) => [row.order_id, row.epoch]))).toEqual({
      [lost]: 2,
      [running]: 1,
    });
  });

  it('parks what was repaired in three full runs and came back', async () => {
    const subject = await plant('order_without_run');
    const orderId = subject.slice('order:'.length);
    const actions: (string | undefined)[] = [];

    for (let n = 0; n < 4; n += 1) {
      const { findings } = await reconcileOnce(world.deps);
      actions.push(findings.find((one) => one.subject === subject)?.action);
      await world.loseRun(orderId);
    }

    expect(actions).toEqual(['repaired', 'repaired', 'repaired', 'parked']);
  });
});

it('restarts everything that is open when Temporal has lost its data, and says what', async () => {
  const waiting = await world.order('waiting');
  const underWay = await world.order('under_way');
  await world.order('paid');
  const request = await plant('undecided_request');
  for (const orderId of [waiting, underWay]) await world.loseRun(orderId);
  const running = await world.order('waiting');

  const { findings, state } = await reconcileOnce(world.deps, { kind: 'rebuild' });

  expect(state).toBe('COMPLETED');
  expect(findings.map(({ subject, action }) => `${subject} ${action}`).sort()).toEqual(
    [`order:${waiting} repaired`, `order:${underWay} repaired`, `${request} repaired`].sort(),
  );
  const { rows } = await database.pool.query('select epoch from aftercommit.orders where order_id = $1', [
    running,
  ]);
  expect(rows).toEqual([{ epoch: 1 }]);
});
