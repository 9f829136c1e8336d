import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { backlogOwners, countBacklogs } from '../../src/database/backlog';
import { deleteConnection, openConnection, putConnection } from '../../src/database/connections';
import { claimDeliveries, nextDeliveryInMs, postponeDeliveries } from '../../src/database/deliveries';
import { listDeliveries } from '../../src/database/delivery-views';
import { dueWorkflowStarts, recordStartFailed, recordWorkflowStarted } from '../../src/database/enqueued';
import { listEvents, publishEvent } from '../../src/database/events';
import { shipmentIdOf, uuidV5 } from '../../src/database/ids';
import { readInstallation } from '../../src/database/installation';
import { setAvailable } from '../../src/database/inventory';
import { createLagReader } from '../../src/database/lag';
import { migrate, missingMigrations } from '../../src/database/migrate';
import { eraseCustomer, readContact } from '../../src/database/customers';
import { recordInbound } from '../../src/database/inbound';
import {
  claimAttempts,
  declareAmbiguous,
  recordAccepted,
  recordAmbiguous,
} from '../../src/database/notification-attempts';
import { cancelNotification, resendNotification } from '../../src/database/notification-operations';
import { countNotifications } from '../../src/database/notification-counts';
import { listNotifications, listUnknownCallbacks } from '../../src/database/notification-views';
import {
  holdAttempt,
  markInWorkflow,
  moveAttempt,
  recordRejected,
  recordUnsent,
  resendLost,
  silentNotifications,
} from '../../src/database/notifications';
import { putPreferences, readWishes, setOptOut } from '../../src/database/preferences';
import { recordReport } from '../../src/database/provider-reports';
import { putTemplate, readTemplate } from '../../src/database/templates';
import {
  fenceStep,
  intendStep,
  readFulfilment,
  recordStep,
  recordUndone,
} from '../../src/database/fulfilment';
import { beginEnding, endOrder } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { listOrders, readOrder } from '../../src/database/order-views';
import { closeTransaction, placeOrders, storeAnswer } from '../../src/database/orders';
import { parkStep, unparkStep } from '../../src/database/parked';
import { resolveParked, resolveParkedByFilter } from '../../src/database/parked-decisions';
import { createPool, type Pool } from '../../src/database/pool';
import { asOnlyPurge, purgeBatch } from '../../src/database/purge';
import {
  beginReconciliation,
  finishReconciliation,
  requestReconciliation,
} from '../../src/database/reconciliation';
import { raiseEpoch } from '../../src/database/reconciliation-candidates';
import { suspects } from '../../src/database/reconciliation-detectors';
import { mendInDatabase, parkFinding } from '../../src/database/reconciliation-repairs';
import { listFindings, readReconciliation } from '../../src/database/reconciliation-views';
import { createRedrive, redriveDelivery, takeUpDeadLetters } from '../../src/database/redrives';
import {
  failRefund,
  listRefunds,
  parkRefund,
  readRefund,
  requestRefund,
  requestUndo,
  settleRefund,
} from '../../src/database/refunds';
import { advanceReplay, commandReplay, createReplay } from '../../src/database/replays';
import { acceptRequest } from '../../src/database/requests';
import { routeEvents } from '../../src/database/routing';
import { deleteRule, listRules, putRule, setRuleState } from '../../src/database/rules';
import { reconcileSale } from '../../src/database/sale-reconciliation';
import { advanceSale, readSale } from '../../src/database/sales';
import { announceDecline, requestPayment } from '../../src/database/payment-requests';
import { recordPaymentReport, recordShipmentReport } from '../../src/database/participant-reports';
import { completeShipment, readShipment } from '../../src/database/shipments';
import type { OrderRequest } from '../../src/domain/orders';
import { RETENTION_CLASSES } from '../../src/domain/retention';
import { createSecretBox } from '../../src/database/secrets';
import { takeShare } from '../../src/database/target-rates';
import { deleteTarget, disableTarget, setTargetState } from '../../src/database/targets';
import { readTimeline } from '../../src/database/timeline';
import { DETECTOR_NAMES, detectorOf } from '../../src/domain/reconciliation';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';
import { claimOf, dead, delivered, logTargets, record } from './bus-fixtures';
import { ADDRESS, paymentReport, shipmentReport } from './order-fixtures';
import { AT, captureOne, phoneHash } from './place';
import { asked, codesOf, commitGroup, openSale, passTime } from './sale-fixtures';

/** The roles of docs/deployment-security.md, made by the very statements of that page. */

const PAGE = readFileSync(path.resolve(__dirname, '../../docs/deployment-security.md'), 'utf8');
const PASSWORD = 'test';
/** Roles belong to the whole server, so each run has its own. */
const SUFFIX = randomBytes(4).toString('hex');
const ROLES = ['aftercommit_owner', 'aftercommit_api', 'aftercommit_worker', 'shop'] as const;

/** The statements under a heading comment, for the roles of this run. */
function statementsOf(comment: string): string {
  const block = [...PAGE.matchAll(/^```sql\n([\s\S]*?)^```$/gm)].find(([, sql]) =>
    sql!.startsWith(`-- ${comment}\n`),
  );
  if (block === undefined) throw new Error(`the page has no statements "${comment}"`);
  return ROLES.reduce((sql, role) => sql.replace(new RegExp(`\\b${role}\\b`, 'g'), nameOf(role)), block[1]!);
}

function nameOf(role: (typeof ROLES)[number]): string {
  return `${role}_${SUFFIX}`;
}

let database: TestDatabase;
let api: Pool;
let worker: Pool;
let shop: Pool;

function poolOf(role: (typeof ROLES)[number], name?: string): Pool {
  const url = new URL(database.url);
  if (name !== undefined) url.pathname = `/${name}`;
  url.username = nameOf(role);
  url.password = PASSWORD;
  return createPool({ url: url.href, size: 3, name: role, log: silentLog });
}

beforeAll(async () => {
  database = await createTestDatabase();
  for (const role of ROLES) {
    await database.pool.query(`create role ${nameOf(role)} login password '${PASSWORD}'`);
  }
  await database.pool.query(statementsOf('grants of the API'));
  await database.pool.query(statementsOf('grants of the worker'));
  await database.pool.query(statementsOf('grants of a caller that only enqueues'));
  [api, worker, shop] = [poolOf('aftercommit_api'), poolOf('aftercommit_worker'), poolOf('shop')];
});
afterAll(async () => {
  await Promise.all([api, worker, shop].map((pool) => pool?.end()));
  for (const role of ROLES) await database.pool.query(`drop owned by ${nameOf(role)}`);
  for (const role of ROLES) await database.pool.query(`drop role ${nameOf(role)}`);
  await database.drop();
});

const places = { temporalUiUrl: null, namespace: 'default' };
const DENIED = /permission denied/;
const page = { limit: 10 };

/** An order as it comes about: asked for by the API, committed by a worker. */
async function place(name: string, more: Partial<OrderRequest> = {}): Promise<string> {
  const orderId = uuidV5('00000000-0000-4000-8000-000000000000', name);
  await setAvailable(api, { sku: name, available: 10, actor: 'test', reason: 'test' });
  const request = {
    customer: { id: 'cus_1', phone: '+14155550100', channels: ['sms'] },
    lines: [{ sku: name, quantity: 1, unitPriceMinor: 1000 }],
    currency: 'EUR',
    payment: { mode: 'charge' as const, method: 'tok_visa' },
    ...more,
  };
  await acceptRequest(api, { orderId, caller: 'test', fingerprint: name, body: request });
  const [placed] = await placeOrders(worker, [{ orderId, caller: 'test', request }], {
    at: new Date().toISOString(),
    places,
    phoneHash,
  });
  expect(placed).toMatchObject({ state: 'done' });
  return orderId;
}

/** What a sender takes up of an order, or one attempt of it. */
const messagesOf = (pool: Pool, which: { orderIds: string[] } | { attemptId: string }) =>
  claimAttempts(pool, {
    ...which,
    claimedBy: 'me',
    forMs: 1_000,
    silenceMs: { sms: 1, whatsapp: 1, voice: 1 },
    configured: new Set(['whatsapp', 'sms', 'voice']),
    isCounted: true,
  });

const toRole =
  (targetName = 'role') =>
  () => [{ ruleName: 'role', targetName, transformer: null }];
const route = (aggregateId: string) => routeEvents(worker, { aggregateIds: [aggregateId], at: AT }, toRole());

describe('the role of the API', () => {
  it('starts, and answers what it is asked', async () => {
    const orderId = await place('read');

    expect(await missingMigrations(api)).toEqual([]);
    expect(await readInstallation(api)).toHaveProperty('namespace');
    expect(await readOrder(api, orderId, places)).toMatchObject({ orderId });
    expect((await listOrders(api, page, places)).data).not.toEqual([]);
    expect(await readTimeline(api, orderId)).not.toEqual([]);
    expect(await storeAnswer(api, orderId, { status: 409, body: 'late' })).toMatchObject({ status: 201 });
    expect(await createLagReader(api).current()).toMatchObject({ parkedSteps: 0 });
  });

  it('writes rules, targets, connections and events', async () => {
    const box = createSecretBox(randomBytes(32));
    const secret = { kind: 'bearer', token: 'token' };
    await putConnection(api, box, { name: 'c', kind: 'bearer', secret, actor: 'test' });
    await putConnection(api, box, { name: 'c', kind: 'bearer', secret, actor: 'test' });
    await logTargets(api, ['t', 't']);
    const rule = { name: 'r', description: null, pattern: {}, state: 'ENABLED', actor: 'test' } as const;
    await putRule(api, { ...rule, targets: [{ target: 't', transformer: null }] });
    await setRuleState(api, { name: 'r', state: 'PAUSED', actor: 'test' });
    await setTargetState(api, { name: 't', state: 'PAUSED', actor: 'test' });
    expect((await countBacklogs(api, 'rule')).get('r')).toBeUndefined();
    expect(await deleteRule(api, 'r', 'test')).toBe(true);
    expect(await deleteTarget(api, 't', 'test')).toBe(true);
    expect(await deleteConnection(api, 'c', 'test')).toBe(true);

    const event = { type: 'a.b', source: 'app', subject: 's', detail: {}, fingerprint: 'f' };
    await publishEvent(api, { ...event, key: 'test\n1' });
    await publishEvent(api, { ...event, key: 'test\n2' });
    expect((await listEvents(api, { subject: 's', ...page })).data).toHaveLength(2);
  });

  it('reads no phone number and writes nothing that workers write', async () => {
    for (const column of ['phone', 'shipping'])
      await expect(api.query(`select ${column} from aftercommit.order_contacts`)).rejects.toThrow(DENIED);
    for (const change of [
      `update aftercommit.orders set total_minor = 0`,
      `update aftercommit.orders set customer_id = 'cus_2'`,
      `update aftercommit.order_lines set quantity = 1`,
      `update aftercommit.payments set amount_minor = 0`,
      `update aftercommit.payments set refunded_minor = 0`,
      `update aftercommit.refunds set state = 'DONE'`,
      `update aftercommit.shipments set order_id = gen_random_uuid()`,
      `insert into aftercommit.shipments (shipment_id, order_id, created_at, updated_at)
       values (gen_random_uuid(), gen_random_uuid(), now(), now())`,
      `update aftercommit.deliveries set target_name = 'elsewhere'`,
      `insert into aftercommit.delivery_attempts (delivery_id, n, started_at) values (gen_random_uuid(), 1, now())`,
      `update aftercommit.outbox set payload = '{}'`,
      `delete from aftercommit.audit`,
    ]) {
      await expect(api.query(change)).rejects.toThrow(DENIED);
    }
  });
});

describe('the role of the API, for those who come by themselves', () => {
  it('takes payments, and what the gateway tells of them', async () => {
    const orderId = await place('awaited', { payment: { mode: 'wait' } });
    const ids = ['first', 'second'].map((name) => ({ orderId, paymentId: uuidV5(orderId, name) }));
    const [first, second] = [ids[0]!, ids[1]!];
    const tell = (payment: typeof first, change: 'DECLINED' | 'CAPTURED') =>
      recordPaymentReport(api, paymentReport(payment, { change, amountMinor: 1000 }));
    await requestPayment(api, { ...first, method: 'tok_visa', fingerprint: 'f' });

    expect(await tell(first, 'DECLINED')).toEqual({ wakeOrder: orderId, giveBack: null });
    expect(await tell(second, 'CAPTURED')).toEqual({ wakeOrder: orderId, giveBack: null });
    const { giveBack } = await tell({ orderId, paymentId: randomUUID() }, 'CAPTURED');
    expect(await requestUndo(api, giveBack!)).not.toBeNull();
    await recordPaymentReport(api, paymentReport({ orderId: randomUUID(), paymentId: randomUUID() }));

    expect(await settleOrder(worker, { orderId, epoch: 1, at: AT, earnsPoints: true })).toMatchObject({
      settled: true,
    });
  });

  it('takes what the carrier tells', async () => {
    const orderId = await place('tracked', { payment: { mode: 'none' }, shipping: ADDRESS });

    for (const state of ['SHIPPED', 'DELIVERED'] as const)
      await recordShipmentReport(api, shipmentReport(shipmentIdOf(orderId), state));

    expect(await readOrder(api, orderId, places)).toMatchObject({ status: 'COMPLETED' });
  });
});

describe('the role of the worker', () => {
  it('ships, awards points and clears the cart, and takes all of it back', async () => {
    const orderId = await place('fulfilled', { shipping: ADDRESS, cartId: 'cart_1' });
    await captureOne(worker, orderId);
    await settleOrder(worker, { orderId, epoch: 1, at: AT, earnsPoints: true });
    const steps = ['shipment', 'points', 'cart'] as const;

    for (const step of steps) {
      expect(await intendStep(worker, step, orderId)).toBe(true);
      await recordStep(worker, step, orderId, { kind: 'done' });
    }
    expect(await readShipment(worker, orderId)).toMatchObject({ state: 'BOOKED', address: ADDRESS });
    for (const step of steps) {
      expect(await fenceStep(worker, step, orderId)).toBe(true);
      await recordUndone(worker, step, orderId);
    }

    expect(await readFulfilment(worker, orderId)).toMatchObject({
      shipment: { state: 'CANCELLED' },
      points: { state: 'REVERSED' },
      cart: { state: 'RESTORED' },
    });
  });

  it('tells of declined payments, and looks after the goods', async () => {
    const orderId = await place('declined', { payment: { mode: 'wait' } });
    const step = { orderId, epoch: 1, at: AT, paymentId: randomUUID(), code: 'card_declined' };
    await announceDecline(worker, step);
    const shipped = await place('by hand', { payment: { mode: 'none' }, shipping: ADDRESS });

    await completeShipment(worker, { orderId: shipped, at: AT });

    expect(await readOrder(api, shipped, places)).toMatchObject({ status: 'COMPLETED' });
  });

  it('carries orders to their end', async () => {
    const [paid, ended, never] = [await place('paid'), await place('ended'), randomUUID()];

    await captureOne(worker, paid);
    expect(await settleOrder(worker, { orderId: paid, epoch: 1, at: AT, earnsPoints: true })).toMatchObject({
      settled: true,
    });
    const refundId = randomUUID();
    const refund = { refundId, orderId: paid, amountMinor: 300, reason: null, restock: false };
    await requestRefund(api, { ...refund, actor: 'test', fingerprint: 'f' });
    await settleRefund(worker, { refundId, gatewayRefundId: 'g', at: AT });
    expect(await readRefund(api, refundId)).toMatchObject({ state: 'DONE' });
    const ending = { event: 'order.cancelled', status: 'CANCELLED', code: 'cancelled' } as const;
    await beginEnding(worker, { orderId: ended, epoch: 1, at: AT, ending });
    await endOrder(worker, { orderId: ended, epoch: 1, at: AT, ending });
    expect(await closeTransaction(worker, never)).toMatchObject({ code: 'transaction_closed' });
    await parkStep(worker, { orderId: paid, step: 's', reason: 'r', workflowId: 'w' });
    await unparkStep(worker, { orderId: paid, step: 's' });
    const lines = [{ sku: 'paid', amountMinor: 100 }];
    const ofLine = { ...refund, refundId: randomUUID(), amountMinor: null, lines, actor: 'test' };
    await requestRefund(api, { ...ofLine, fingerprint: 'f' });
    await parkRefund(worker, { refundId: ofLine.refundId, code: 'refund_refused' });
    const { parkedId } = await parkStep(worker, { orderId: paid, step: 't', reason: 'r', workflowId: 'w' });
    const verdict = { decision: 'fail', reason: 'r', actor: 'test' } as const;
    expect(await resolveParked(api, parkedId, verdict)).toMatchObject({ step: { decision: 'fail' } });
    expect(await resolveParkedByFilter(api, { reason: 'r' }, verdict)).toMatchObject({ remaining: 0 });
    expect(await failRefund(worker, ofLine.refundId)).toBe('FAILED');
    expect((await listRefunds(api, { orderId: paid, ...page })).data).toHaveLength(2);
    expect(await closeTransaction(api, paid)).toMatchObject({ decision: 'committed' });
    expect(await readContact(worker, paid)).toEqual({ id: 'cus_1', phone: '+14155550100' });
  });

  it('tells people, and finds out what became of it', async () => {
    const orderId = await place('told');
    await captureOne(worker, orderId);
    await settleOrder(worker, { orderId, epoch: 1, at: AT, earnsPoints: true });
    const [first] = await messagesOf(worker, { orderIds: [orderId] });
    const { attemptId, notificationId } = first!;
    await recordUnsent(worker, { attemptId, claimedBy: 'me', sends: 1, retryInMs: 0, code: 'later' });
    await messagesOf(worker, { attemptId });
    const skipped = [{ channel: 'whatsapp', code: 'no_content' }] as const;
    await moveAttempt(worker, { attemptId, claimedBy: 'me', channel: 'sms', skipped, silenceMs: 1 });
    await recordAmbiguous(worker, { attemptId, code: 'timeout', message: 'no answer', latencyMs: 1 });
    await resendLost(worker, attemptId);
    await markInWorkflow(worker, notificationId, true);
    const [second] = await messagesOf(worker, { orderIds: [orderId] });
    await declareAmbiguous(worker, second!.attemptId);
    await holdAttempt(worker, second!.attemptId, 'notify/role');
    expect(await resendNotification(api, { notificationId, channel: null, actor: 'test' })).toBe('resent');
    const [third] = await messagesOf(worker, { orderIds: [orderId] });
    await recordAccepted(worker, [
      {
        attemptId: third!.attemptId,
        sid: 'SM-role',
        status: 'queued',
        latencyMs: 1,
      },
    ]);
    const silent = { at: new Date(Date.now() + 60_000).toISOString(), after: null, limit: 10 };
    expect(await silentNotifications(worker, silent)).toContainEqual({ notificationId, orderId });
    const report = { sid: 'SM-role', attemptId: null, errorCode: '30003', answeredBy: null };
    expect(await recordReport(api, { ...report, status: 'undelivered' })).toMatchObject({ known: true });
    expect(await recordReport(api, { ...report, sid: 'SM-unknown', status: 'sent' })).toMatchObject({
      known: false,
    });
    await resendNotification(api, { notificationId, channel: 'voice', actor: 'test' });
    expect(await cancelNotification(api, { notificationId, actor: 'test' })).toBe('cancelled');
    expect((await listNotifications(api, { orderId, ...page })).data).toMatchObject([
      { status: 'SUPPRESSED' },
    ]);
    expect((await listUnknownCallbacks(api, page)).data).toMatchObject([{ messageSid: 'SM-unknown' }]);
    const counts = await countNotifications(api, {
      from: '2026-01-01T00:00:00Z',
      to: '2026-01-31T00:00:00Z',
    });
    expect(counts).toBeDefined();
  });

  it("remembers and forgets a person's wishes", async () => {
    const orderId = await place('wishes');
    await captureOne(worker, orderId);
    await settleOrder(worker, { orderId, epoch: 1, at: AT, earnsPoints: true });
    const wishes = { channels: null, language: 'de', timeZone: null, quietHours: null };
    await putPreferences(api, { customerId: 'cus_1', preferences: wishes, actor: 'test' });
    await setOptOut(api, { customerId: 'cus_1', channel: 'sms', isOptedOut: true, actor: 'test' });
    await recordInbound(api, { phoneHash: phoneHash('+14155550100'), channel: 'sms', wish: 'start' });
    expect(await readWishes(api, 'cus_1')).toMatchObject({ language: 'de' });
    const [attempt] = await messagesOf(worker, { orderIds: [orderId] });
    const refusal = { attemptId: attempt!.attemptId, code: '21610', message: 'unsubscribed', latencyMs: 1 };
    await recordRejected(worker, refusal);

    expect(await eraseCustomer(api, { customerId: 'cus_1', actor: 'test' })).toBe('erased');

    expect(await readContact(worker, orderId)).toBeNull();
  });

  it('keeps the words of messages', async () => {
    const template = await readTemplate(api, 'order.confirmed', null);
    const { definition } = template!;
    await putTemplate(api, {
      name: 'order.confirmed',
      definition: { ...definition, urgent: !definition.urgent },
      actor: 'test',
    });
    expect(await readTemplate(api, 'order.confirmed', null)).toMatchObject({
      version: template!.version + 1,
    });
  });

  it.each(RETENTION_CLASSES)(
    'removes %s that are older than their retention, and nothing else',
    async (of) => {
      const batch = { of, before: '2000-01-01T00:00:00.000Z', limit: 10, after: null };
      expect(await asOnlyPurge(worker, (client) => purgeBatch(client, batch))).toEqual({
        removed: 0,
        after: null,
      });
      await expect(purgeBatch(api, batch)).rejects.toThrow(DENIED);
    },
  );

  it('delivers, replays and redrives what the API asks for', async () => {
    await logTargets(api, ['role']);
    const orderId = await place('delivered');
    expect(await route(orderId)).toBe(1);
    const [first] = await claimOf(worker, orderId);
    await postponeDeliveries(worker, 'me', [first!], 0);
    const [again] = await claimOf(worker, orderId);
    await record(worker, again!, dead);
    await redriveDelivery(api, again!.deliveryId, 'test');
    expect(await nextDeliveryInMs(worker, { aggregateId: orderId })).not.toBeNull();
    expect(await backlogOwners(worker, { target: 'role' }, { after: null, limit: 10 })).toHaveLength(1);
    const [third] = await claimOf(worker, orderId);
    await record(worker, third!, dead);
    const { redriveId } = await createRedrive(api, { redriveId: randomUUID(), filter: {}, actor: 'test' });
    expect(await takeUpDeadLetters(worker, redriveId)).toHaveLength(1);
    const [last] = await claimOf(worker, orderId);
    await record(worker, last!, delivered);
    expect((await listDeliveries(api, { orderId, ...page })).data).toMatchObject([{ state: 'DELIVERED' }]);

    const filter = { orderId };
    const { replayId } = await createReplay(api, {
      replayId: randomUUID(),
      filter,
      ratePerSecond: 9,
      actor: 'test',
    });
    await advanceReplay(worker, replayId, { route: toRole(), at: AT, openMax: 9 });
    expect(
      await claimDeliveries(worker, { scope: { replayId }, claimedBy: 'me', sendForMs: 0 }),
    ).toHaveLength(1);
    await commandReplay(api, replayId, 'cancel', 'test');
    await advanceReplay(worker, replayId, { route: toRole(), at: AT, openMax: 9 });
    expect(await takeShare(worker, { name: 'role', perSecond: 1, sends: 1, waitMsMax: 1_000 })).toBe(0);
  });

  it('disables a target, goes on with what was enqueued, and reads rules and secrets', async () => {
    await logTargets(api, ['gone']);
    const box = createSecretBox(randomBytes(32));
    const secret = { token: 'token' };
    await putConnection(api, box, { name: 'opened', kind: 'bearer', secret, actor: 'test' });
    await disableTarget(worker, { target: 'gone', rule: 'r', code: 'endpoint_gone' });
    await database.pool.query(`select aftercommit.enqueue_workflow('t', 'start-1', 'q')`);

    expect(await openConnection(worker, box, 'opened')).toMatchObject({ secret });
    expect((await listRules(worker)).length).toBeGreaterThan(0);
    expect(await dueWorkflowStarts(worker, 9)).toHaveLength(1);
    await recordStartFailed(worker, 'start-1', 'no');
    await recordWorkflowStarted(worker, 'start-1');
  });

  it('reconciles, and leaves its report to the API', async () => {
    const [orderId, reconciliationId] = [await place('reconciled'), randomUUID()];
    const run = { reconciliationId, kind: 'full', dryRun: false } as const;
    await requestReconciliation(api, { ...run, actor: 'test', fingerprint: 'f' });
    expect(await beginReconciliation(worker, { ...run, actor: 'test' })).toBe(true);
    await database.pool.query(
      `update aftercommit.inventory set reserved = reserved + 1, available = available - 1 where sku = 'reconciled'`,
    );
    const looking = { now: new Date(), graceMs: -1_000, eventsSince: AT, onlyNew: true };
    const asked = DETECTOR_NAMES.filter((name) => detectorOf(name).source === 'database');
    for (const detector of asked) await suspects(worker, { ...looking, detector }).next();
    const leak = { subject: 'sku:reconciled', orderId: null, detail: {} };
    expect(
      await mendInDatabase(worker, { reconciliationId, at: AT }, { ...leak, detector: 'leaked_reservation' }),
    ).toBe('repaired');
    await parkFinding(worker, reconciliationId, { ...leak, detector: 'reservation_short' });
    expect(await raiseEpoch(worker, { orderId, epoch: 1 })).toBe(true);
    await finishReconciliation(worker, { reconciliationId, unread: [] });

    expect(await readReconciliation(api, reconciliationId)).toMatchObject({ state: 'COMPLETED', found: 2 });
    expect((await listFindings(api, { reconciliationId, ...page })).data).toHaveLength(2);
  });

  it('changes no rule, connection or address, and forgets nothing', async () => {
    for (const change of [
      `update aftercommit.rules set state = 'DISABLED'`,
      `update aftercommit.targets set config = '{}'`,
      `update aftercommit.connections set kind = 'basic'`,
      `delete from aftercommit.outbox`,
      `delete from aftercommit.orders`,
      `delete from aftercommit.step_receipts`,
      `delete from aftercommit.audit`,
    ]) {
      await expect(worker.query(change)).rejects.toThrow(DENIED);
    }
  });
});

describe('the role of a caller that enqueues', () => {
  it('enqueues an event and reads nothing, not even that', async () => {
    await shop.query(`select aftercommit.enqueue('a.b', '{}', 'shop', 'basket-1', 'key-1')`);

    expect((await listEvents(api, { subject: 'basket-1', ...page })).data).toHaveLength(1);
    const { rows } = await database.pool.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'aftercommit'`,
    );
    for (const { name } of rows) {
      await expect(shop.query(`select 1 from aftercommit.${name}`)).rejects.toThrow(DENIED);
    }
    await expect(
      shop.query(`select aftercommit.insert_event('a.b', '{}', 'aftercommit', null, null, null)`),
    ).rejects.toThrow(DENIED);
  });

  it('starts workflows only when that was granted too', async () => {
    const start = () => shop.query(`select aftercommit.enqueue_workflow('shipParcel', 'parcel-1', 'shop')`);
    await expect(start()).rejects.toThrow(DENIED);

    await database.pool.query(statementsOf('and, only for callers that start workflows'));
    await start();

    expect((await dueWorkflowStarts(worker, 9)).map(({ workflowId }) => workflowId)).toEqual(['parcel-1']);
  });
});

describe('the role that migrates', () => {
  const name = `test_owned_${SUFFIX}`;
  let owner: Pool;
  let caller: Pool;
  beforeAll(async () => {
    await database.pool.query(`create database ${name} owner ${nameOf('aftercommit_owner')}`);
    [owner, caller] = [poolOf('aftercommit_owner', name), poolOf('shop', name)];
  });
  afterAll(async () => {
    await Promise.all([owner.end(), caller.end()]);
    await database.pool.query(`drop database ${name} with (force)`);
  });

  it('needs no more than a database of its own, and grants the others theirs', async () => {
    expect((await migrate(owner, silentLog)).length).toBeGreaterThan(0);
    await owner.query(statementsOf('grants of the API'));
    await owner.query(statementsOf('grants of the worker'));
    await owner.query(statementsOf('grants of a caller that only enqueues'));

    await caller.query(`select aftercommit.enqueue('a.b', '{}', 'shop', 'basket-1')`);

    expect((await listEvents(owner, { subject: 'basket-1', ...page })).data).toHaveLength(1);
  });
});

describe('sales', () => {
  it('are put by the API, and opened, closed and compared by the worker', async () => {
    await openSale(api, 'role', { closesAt: new Date(Date.now() + 3_600_000).toISOString() });
    await passTime(database.pool, 'role', 'closes_at');

    expect(await advanceSale(worker, 'role')).toMatchObject({ state: 'CLOSED', next: 'reconcile' });
    expect(await reconcileSale(worker, 'role')).toMatchObject({ differences: [] });
    expect(await readSale(api, 'role')).toMatchObject({ state: 'CLOSED' });
  });

  // Last: from here on the API may do what workers do.
  it('have their orders committed by an API with the flash lane, and by no other', async () => {
    await openSale(api, 'flash-role');
    const orders = [asked('flash role', { saleId: 'flash-role', mode: 'wait' })];
    await expect(commitGroup(api, orders)).rejects.toThrow(DENIED);

    await database.pool.query(statementsOf('grants of an API with the flash lane'));

    expect(codesOf(await commitGroup(api, orders))).toEqual(['done']);
    const { orderId } = orders[0]!;
    expect(await messagesOf(api, { orderIds: [orderId] })).toEqual([]);
    await route(orderId);
    const ending = { event: 'order.expired', status: 'EXPIRED', code: 'payment_deadline' } as const;
    await endOrder(worker, { orderId, epoch: 1, at: AT, ending });
    expect(await readSale(api, 'flash-role')).toMatchObject({ reserved: 0, available: 10 });
  });
});
