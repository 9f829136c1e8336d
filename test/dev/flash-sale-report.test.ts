import { randomUUID } from 'node:crypto';
import { claimDeliveries, recordDeliveries } from '../../src/database/deliveries';
import { recordAccepted } from '../../src/database/notification-attempts';
import { endOrder } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { recordReport } from '../../src/database/provider-reports';
import { routeEvents } from '../../src/database/routing';
import type { StoredEvidence } from '../../src/dev/evidence-log';
import type { FlashSaleEvidence } from '../../src/dev/flash-sale-invariants';
import { exitCodeOf, linesOfReport, reportOn } from '../../src/dev/flash-sale-report';
import { cancelledBecause } from '../../src/domain/orders';
import { delivered } from '../database/bus-fixtures';
import { claimOf, sidOf } from '../database/notification-fixtures';
import { capture, requested } from '../database/order-fixtures';
import { asked, commitGroup, openSale } from '../database/sale-fixtures';
import { createTestDatabase, type TestDatabase } from '../support/database';

/** Each test damages a sale that is sold out and at rest, in a database of its own, as no correct run could leave it. */

const SALE_ID = 'sale';
const PRICE_MINOR = 1_000;

let database: TestDatabase;
let evidence: FlashSaleEvidence;
let sold: string[];
beforeEach(async () => {
  database = await createTestDatabase();
  ({ evidence, sold } = await soldOut());
});
afterEach(() => database.drop());

/** Two units, of which one was bought, put back and bought again: three orders. */
async function soldOut(): Promise<{ evidence: FlashSaleEvidence; sold: string[] }> {
  const { pool } = database;
  await openSale(pool, SALE_ID, { quantity: 2, perCustomer: 1 });
  const [first, second, third] = ['first', 'second', 'third'].map((name) =>
    asked(name, { saleId: SALE_ID, mode: 'wait' }),
  );
  await commitGroup(pool, [first!, second!]);
  const at = new Date().toISOString();
  await endOrder(pool, { orderId: second!.orderId, epoch: 1, at, ending: cancelledBecause('cancelled') });
  await commitGroup(pool, [third!]);
  const paid = [first!.orderId, third!.orderId];
  for (const orderId of paid) await pay(orderId);

  const accepted = [...paid, second!.orderId];
  const sink = await publish(accepted);
  const twilio = await tell(accepted);
  const payments = paid.map((orderId) => captured(orderId));
  return { evidence: { pool, saleId: SALE_ID, units: 2, accepted, payments, twilio, sink }, sold: paid };
}

async function pay(orderId: string): Promise<void> {
  const { pool } = database;
  await capture(pool, { orderId, paymentId: await requested(pool, orderId) });
  const step = { orderId, epoch: 1, at: new Date().toISOString(), earnsPoints: false };
  expect(await settleOrder(pool, step)).toMatchObject({ settled: true });
}

/** Sends every event, as the bus does. Returns the target's log. */
async function publish(aggregateIds: string[]): Promise<StoredEvidence[]> {
  const { pool } = database;
  const at = new Date().toISOString();
  const toAll = { ruleName: 'all', targetName: 'all', transformer: null };
  const subjects = await pool.query<{ id: string }>(
    `select aggregate_id as id from aftercommit.outbox where aggregate_type = 'subject'`,
  );
  const all = [...new Set([...aggregateIds, ...subjects.rows.map(({ id }) => id)])];
  await routeEvents(pool, { aggregateIds: all, at }, () => [toAll]);
  const log: StoredEvidence[] = [];
  for (const aggregateId of all) {
    for (;;) {
      const claimed = await claimDeliveries(pool, {
        scope: { aggregateId },
        claimedBy: 'me',
        sendForMs: 60_000,
      });
      if (claimed.length === 0) break;
      await recordDeliveries(
        pool,
        claimed.map((delivery) => ({ claimedBy: 'me', delivery, result: delivered })),
      );
      log.push(...claimed.map(({ event }) => received(event.id)));
    }
  }
  return log;
}

/** Sends every message, as the channels do. Returns the provider's log. */
async function tell(orderIds: string[]): Promise<StoredEvidence[]> {
  const { pool } = database;
  const log: StoredEvidence[] = [];
  for (const orderId of orderIds) {
    for (const { attemptId } of await claimOf(pool, orderId)) {
      const sid = sidOf(log.length + 1);
      await recordAccepted(pool, [{ attemptId, sid, status: 'queued', latencyMs: 1 }]);
      await recordReport(pool, { sid, attemptId, status: 'delivered', errorCode: null, answeredBy: null });
      log.push(fact('accepted', { sid }));
    }
  }
  return log;
}

const fact = (type: string, members: object): StoredEvidence => ({
  type,
  at: new Date().toISOString(),
  ...members,
});
const received = (eventId: string): StoredEvidence =>
  fact('received', { headers: { 'webhook-id': eventId }, answer: 200 });
const captured = (orderId: string): StoredEvidence => fact('captured', { orderId, amountMinor: PRICE_MINOR });

/** What is broken, with its value, the first detail and the exit code. */
async function broken(): Promise<object> {
  const report = await reportOn(evidence);
  const found = report.findings.filter(({ value, expected }) => value !== expected);
  expect(linesOfReport(report).filter((line) => line.includes('BROKEN'))).toHaveLength(found.length);
  return {
    exitCode: exitCodeOf(report),
    found: Object.fromEntries(found.map(({ name, value, details }) => [name, [value, details[0]]])),
  };
}

const contains = (text: string): string => expect.stringContaining(text) as string;

it('finds nothing in a sale that went well, counts what was sold, and names where each number comes from', async () => {
  const report = await reportOn(evidence);

  expect(report.findings.map(({ name, value }) => [name, value])).toEqual([
    ['sold', 2],
    ['oversold', 0],
    ['lost', 0],
    ['double-charged', 0],
    ['unowned messages', 0],
  ]);
  expect(report.findings.every(({ sources }) => sources.length > 0)).toBe(true);
  expect(evidence.twilio).toHaveLength(3);
  expect(evidence.sink.length).toBeGreaterThanOrEqual(6);
  expect(exitCodeOf(report)).toBe(0);
});

it('finds a unit that was sold twice, by the sale and by its customer', async () => {
  await database.pool.query(`update aftercommit.order_lines set quantity = 2 where order_id = $1`, [sold[0]]);

  expect(await broken()).toEqual({
    exitCode: 8,
    found: {
      sold: [3, contains('3 units of 2')],
      oversold: [2, 'the sale: 1 too many'],
    },
  });
});

it('finds units that were never put into the stock', async () => {
  await database.pool.query('update aftercommit.inventory set available = available + 5');

  expect(await broken()).toMatchObject({
    exitCode: 8,
    found: { oversold: [5, 'the stock of SKU-sale: 5 too many'] },
  });
});

it('finds a unit that nobody got', async () => {
  evidence = { ...evidence, units: 3 };

  expect(await broken()).toEqual({ exitCode: 8, found: { sold: [2, contains('2 units of 3')] } });
});

it('finds an order that was answered 201 and is not there', async () => {
  const orderId = randomUUID();
  evidence = { ...evidence, accepted: [...evidence.accepted, orderId] };

  expect(await broken()).toEqual({
    exitCode: 8,
    found: { lost: [1, `${orderId}: answered 201, and there is no order`] },
  });
});

it('finds an event that was not written', async () => {
  const { pool } = database;
  const { rows } = await pool.query<{ id: string }>(
    `select id from aftercommit.outbox where aggregate_id = $1 and type = 'order.placed'`,
    [sold[0]],
  );
  const { id } = rows[0]!;
  await pool.query(
    'delete from aftercommit.delivery_attempts where delivery_id in (select delivery_id from aftercommit.deliveries where event_id = $1)',
    [id],
  );
  await pool.query('delete from aftercommit.deliveries where event_id = $1', [id]);
  await pool.query('delete from aftercommit.outbox where id = $1', [id]);

  expect(await broken()).toEqual({ exitCode: 8, found: { lost: [1, `${sold[0]}: has 1 of 2 events`] } });
});

it('finds an event that says it was published and never arrived', async () => {
  const [missing, ...others] = evidence.sink;
  evidence = { ...evidence, sink: others };

  const { 'webhook-id': id } = missing!['headers'] as { 'webhook-id': string };
  expect(await broken()).toEqual({
    exitCode: 8,
    found: { lost: [1, `event ${id}: the target never got it`] },
  });
});

it('finds an event whose delivery is not done', async () => {
  await database.pool.query(
    `update aftercommit.outbox set published_at = null where aggregate_id = $1 and type = 'order.confirmed'`,
    [sold[0]],
  );

  expect(await broken()).toEqual({
    exitCode: 8,
    found: { lost: [1, contains('(order.confirmed): not published')] },
  });
});

it('finds a buyer who was not told, and a message that the provider never took', async () => {
  await database.pool.query(`update aftercommit.notifications set status = 'PENDING' where order_id = $1`, [
    sold[0],
  ]);
  evidence = { ...evidence, twilio: evidence.twilio.slice(0, -1) };

  expect(await broken()).toEqual({ exitCode: 8, found: { lost: [2, contains('the message is PENDING')] } });
});

it('finds a buyer who paid twice', async () => {
  evidence = { ...evidence, payments: [...evidence.payments, captured(sold[1]!)] };

  expect(await broken()).toEqual({
    exitCode: 8,
    found: { 'double-charged': [1, `${sold[1]}: the gateway keeps 2000, the order comes to 1000`] },
  });
});

it('finds money of an order that was put back, unless it was given back', async () => {
  const putBack = evidence.accepted[2]!;
  const money = captured(putBack);
  evidence = { ...evidence, payments: [...evidence.payments, money] };
  expect(await broken()).toMatchObject({
    found: { 'double-charged': [1, contains(`${putBack}: the gateway keeps 1000`)] },
  });

  evidence = { ...evidence, payments: [...evidence.payments, { ...money, type: 'refunded' }] };

  expect(await broken()).toEqual({ exitCode: 0, found: {} });
});

it('finds a message that nobody owns', async () => {
  const sid = sidOf(1_000);
  evidence = { ...evidence, twilio: [...evidence.twilio, fact('accepted', { sid })] };

  expect(await broken()).toEqual({
    exitCode: 8,
    found: { 'unowned messages': [1, `${sid} has 0 attempts`] },
  });
});
