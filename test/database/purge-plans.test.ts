import { Client } from 'pg';
import { purgeBatch } from '../../src/database/purge';
import { RETENTION_CLASSES } from '../../src/domain/retention';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { writeOldEvents } from '../support/old-events';

/** Rows of each big table, and of a batch: so few of so many that nobody would read all of them for it. */
const ROWS = 20_000;
const BATCH = 20;
const BEFORE = '2100-01-01T00:00:00.000Z';
/** Made by people one by one, so they stay small. */
const SMALL = ['replays', 'redrives', 'sales'];

/** What a big shop has after years, as far as the purge meets it: half of the orders came to nothing. */
const FILL = [
  `insert into aftercommit.orders (order_id, caller, customer_id, status, payment_mode, payment_status, total_minor, currency,
                                   last_seq, workflow_id, created_at, updated_at)
   select gen_random_uuid(), 'test', 'cus_' || n, 'COMPLETED', 'charge', 'PAID', 1, 'EUR', 1, 'w',
          '2020-01-01'::timestamptz + n * interval '1 minute', '2020-01-01'::timestamptz + n * interval '1 minute'
   from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.order_lines select order_id, 0, 'SKU-1', 1, 1 from aftercommit.orders`,
  `insert into aftercommit.order_contacts (order_id, customer_id, phone, phone_hash, channels)
   select order_id, customer_id, '+1', 'h', '{}' from aftercommit.orders`,
  `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, state, captured_minor, created_at, updated_at)
   select gen_random_uuid(), order_id, 'tok', 1, 'EUR', 'CAPTURED', 1, created_at, updated_at from aftercommit.orders`,
  `insert into aftercommit.refunds (refund_id, order_id, payment_id, amount_minor, currency, actor, state, created_at, updated_at)
   select gen_random_uuid(), order_id, payment_id, 1, 'EUR', 'test', 'DONE', created_at, updated_at from aftercommit.payments`,
  `insert into aftercommit.refund_lines select refund_id, 0, 1 from aftercommit.refunds`,
  `insert into aftercommit.order_epochs select order_id, 1, created_at from aftercommit.orders`,
  `insert into aftercommit.shipments (shipment_id, order_id, state, created_at, updated_at)
   select gen_random_uuid(), order_id, 'DELIVERED', created_at, updated_at from aftercommit.orders`,
  `insert into aftercommit.points (entry_id, order_id, customer_id, points, state, created_at, updated_at)
   select gen_random_uuid(), order_id, customer_id, 1, 'AWARDED', created_at, updated_at from aftercommit.orders`,
  `insert into aftercommit.carts (order_id, cart_id, state, created_at, updated_at)
   select order_id, 'cart', 'CLEARED', created_at, updated_at from aftercommit.orders`,
  `insert into aftercommit.step_receipts (order_id, step, op, state, created_at, updated_at)
   select order_id, step, 'do', 'done', created_at, updated_at from aftercommit.orders, unnest(array['commit', 'settle']) as step`,
  `insert into aftercommit.step_receipts (order_id, step, op, state, updated_at)
   select gen_random_uuid(), 'commit', 'do', 'refused', '2020-01-01'::timestamptz + n * interval '1 minute'
   from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.order_requests (order_id, caller, fingerprint, created_at)
   select order_id, 'test', 'f', updated_at from aftercommit.step_receipts where step = 'commit'`,
  `insert into aftercommit.parked_steps (order_id, step, reason, state, created_at, resolved_at)
   select gen_random_uuid(), 'refund:' || n, 'test', 'RESOLVED', '2020-01-01'::timestamptz + n * interval '1 minute',
          '2020-01-01'::timestamptz + n * interval '1 minute'
   from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.participant_reports (participant, report_id, type, received_at)
   select 'payments', 'r' || n, 't', '2020-01-01'::timestamptz + n * interval '1 minute' from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.workflow_starts (workflow_id, workflow_type, task_queue, input, started_at)
   select 'w' || n, 't', 'q', '{}', '2020-01-01'::timestamptz + n * interval '1 minute' from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.notifications (notification_id, event_id, order_id, customer_id, template, template_version, channels,
                                          expires_at, created_at, updated_at)
   select gen_random_uuid(), id, aggregate_id, 'cus_1', 't', 1, '{sms}', created_at, created_at, created_at from aftercommit.outbox`,
  `insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, state, created_at)
   select gen_random_uuid(), notification_id, order_id, 1, 'sms', 'ACCEPTED', created_at from aftercommit.notifications`,
  `insert into aftercommit.provider_callbacks (message_sid, status, attempt_id, received_at)
   select attempt_id::text, 'sent', attempt_id, created_at from aftercommit.notification_attempts`,
  `insert into aftercommit.provider_callbacks (message_sid, status, received_at)
   select 'SM' || n, 'sent', '2020-01-01'::timestamptz + n * interval '1 minute' from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.reconciliations (reconciliation_id, kind, dry_run, state, actor, created_at)
   select gen_random_uuid(), 'light', false, 'COMPLETED', 'test', '2020-01-01'::timestamptz + n * interval '5 minutes'
   from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.reconciliation_findings (reconciliation_id, detector, class, severity, subject, detail)
   select reconciliation_id, 'test', 'outage', 'low', 'order:1', '{}' from aftercommit.reconciliations`,
  `insert into aftercommit.groups (group_id, process, state, ended_at)
   select gen_random_uuid(), 'test', 'ENDED', '2020-01-01'::timestamptz + n * interval '1 minute' from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.sales (sale_id, sku, quantity, state, updated_at) values ('over', 'SKU', 1, 'CLOSED', '2020-01-01')`,
  `insert into aftercommit.sale_customers (sale_id, customer_id, units)
   select case when n <= 1000 then 'over' else 'open-' || n % 200 end, 'cus_' || n, 1 from generate_series(1, ${ROWS}) as n`,
  `insert into aftercommit.recipient_days select 'h' || n, '2020-01-01', 1 from generate_series(1, ${ROWS}) as n`,
];

let database: TestDatabase;
let client: Client;
beforeAll(async () => {
  database = await createTestDatabase();
  await writeOldEvents(database.url, { count: ROWS, newestDays: 1 });
  client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('set session_replication_role = replica');
  for (const statement of FILL) await client.query(statement);
  await client.query('set session_replication_role = origin');
  await client.query('analyze');
}, 120_000);
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** How often each big table was read from one end to the other, by this session's statements. */
async function fullReads(): Promise<Map<string, number>> {
  const { rows } = await client.query<{ relname: string; seq_scan: string }>(
    `select relname, seq_scan from pg_stat_xact_user_tables where schemaname = 'aftercommit' and relname <> all ($1)`,
    [SMALL],
  );
  return new Map(rows.map(({ relname, seq_scan: scans }) => [relname, Number(scans)]));
}

describe('a batch of the purge', () => {
  it.each(RETENTION_CLASSES)('reads no big table from one end to the other: %s', async (of) => {
    await client.query('begin');
    const before = await fullReads();

    const { removed } = await purgeBatch(client, { of, before: BEFORE, limit: BATCH, after: null });

    const after = await fullReads();
    await client.query('rollback');
    expect(removed).toBe(SMALL.includes(of) ? 0 : BATCH);
    expect([...after].filter(([table, scans]) => scans > (before.get(table) ?? 0))).toEqual([]);
  });
});
