import { randomUUID } from 'node:crypto';
import { createLagReader } from '../src/database/lag';
import { holdAttempt } from '../src/database/notifications';
import { parkStep, unparkStep } from '../src/database/parked';
import { parkRefund, requestRefund } from '../src/database/refunds';
import { createMetrics, type Metrics } from '../src/metrics';
import { ambiguous } from './database/notification-fixtures';
import { paidOrder, refundOf } from './database/refund-fixtures';
import {
  holds,
  holdsBetween,
  readAlertRules,
  readCounterRules,
  readSamples,
  type Sample,
} from './support/alerts';
import { createTestDatabase, type TestDatabase } from './support/database';

let database: TestDatabase;
let metrics: Metrics;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(() => {
  // A reader of its own: what it read is fresh for some seconds.
  metrics = createMetrics(createLagReader(database.pool));
});
afterAll(() => database.drop());

const samples = async (): Promise<Sample[]> => readSamples(await metrics.text());
const counterRule = (name: string): ReturnType<typeof readCounterRules>[number] =>
  readCounterRules().find((rule) => rule.name === name)!;
const attempts = (result: 'accepted' | 'ambiguous', times: number): void => {
  for (let n = 0; n < times; n += 1) metrics.notificationAttempt({ channel: 'sms', result });
};

it('names in its alert rules only figures that there are', async () => {
  attempts('accepted', 1);
  metrics.providerCallback({ channel: 'sms', status: 'sent', known: true });
  const text = await metrics.text();
  const names = [
    ...readAlertRules().map(({ metric }) => metric),
    ...readCounterRules().flatMap(({ metric, other }) => [metric, other]),
  ];

  expect(names.length).toBeGreaterThan(12);
  for (const name of names) expect([name, text.includes(`# TYPE ${name} `)]).toEqual([name, true]);
});

it('alerts on a held message', async () => {
  const rule = readAlertRules().find(({ name }) => name === 'AftercommitHeldAttempts')!;
  expect(holds(rule, await samples())).toBe(false);

  const { attemptId, notificationId } = await ambiguous(database.pool, 'held');
  await holdAttempt(database.pool, attemptId, `notify/${notificationId}`);
  metrics = createMetrics(createLagReader(database.pool));

  expect(holds(rule, await samples())).toBe(true);
});

it('alerts on a step that is parked, by its reason', async () => {
  const rule = readAlertRules().find(({ name }) => name === 'AftercommitParkedSteps')!;
  const step = { orderId: randomUUID(), step: 'refund:1', workflowId: 'refund/1' };
  await parkStep(database.pool, { ...step, reason: 'charge_disputed' });

  const parked = await samples();
  expect(holds(rule, parked)).toBe(true);
  expect(parked).toContainEqual({
    metric: 'aftercommit_parked_steps',
    labels: { reason: 'charge_disputed' },
    value: 1,
  });

  await unparkStep(database.pool, step);
  metrics = createMetrics(createLagReader(database.pool));
  expect(JSON.stringify(await samples())).not.toContain('charge_disputed');
});

it('alerts on a refund that is not made in time, as long as nobody has to decide about it', async () => {
  const rule = readAlertRules().find(({ name }) => name === 'AftercommitRefundLate')!;
  const asked = refundOf(await paidOrder(database.pool, 'late refund'), 'r');
  await requestRefund(database.pool, asked);
  const fresh = await samples();
  await database.pool.query(`update aftercommit.refunds set created_at = now() - interval '16 minutes'`);

  metrics = createMetrics(createLagReader(database.pool));
  expect([holds(rule, fresh), holds(rule, await samples())]).toEqual([false, true]);

  await parkRefund(database.pool, { refundId: asked.refundId, code: 'refund_refused' });
  metrics = createMetrics(createLagReader(database.pool));
  expect(holds(rule, await samples())).toBe(false);
});

it('alerts when more than a twentieth of the calls has no known outcome', async () => {
  const rule = counterRule('AftercommitAmbiguousSends');
  attempts('ambiguous', 50);
  const before = await samples();

  attempts('accepted', 95);
  attempts('ambiguous', 5);
  expect(holdsBetween(rule, before, await samples())).toBe(false);

  attempts('ambiguous', 1);
  expect(holdsBetween(rule, before, await samples())).toBe(true);
});

it('alerts when messages are accepted and nothing is reported', async () => {
  const rule = counterRule('AftercommitNoCallbacks');
  metrics.providerCallback({ channel: 'sms', status: 'sent', known: true });
  const before = await samples();
  expect(holdsBetween(rule, before, await samples())).toBe(false);

  attempts('accepted', 1);
  expect(holdsBetween(rule, before, await samples())).toBe(true);

  metrics.providerCallback({ channel: 'sms', status: 'sent', known: true });
  expect(holdsBetween(rule, before, await samples())).toBe(false);
});

it('counts what followed from a change by its labels alone', async () => {
  const settled = {
    fallback: { from: 'whatsapp' as const, to: 'sms' as const, reason: '63016', kind: 'next' },
    resolved: { channel: 'whatsapp' as const, by: 'callback' as const, n: 1 },
    ended: { status: 'DELIVERED' as const, reason: null, kind: 'end' },
  };

  metrics.notificationSettled(settled);

  const counted = (await samples()).filter(
    ({ value, metric }) => value === 1 && /fallback|resolved|ended/.test(metric),
  );
  expect(counted.map(({ metric, labels }) => [metric, labels])).toEqual([
    ['aftercommit_notification_fallbacks_total', { from: 'whatsapp', to: 'sms', reason: '63016' }],
    ['aftercommit_ambiguous_attempts_resolved_total', { channel: 'whatsapp', by: 'callback' }],
    ['aftercommit_notifications_ended_total', { status: 'DELIVERED', reason: '' }],
  ]);
});
