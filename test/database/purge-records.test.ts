import { randomUUID } from 'node:crypto';
import { purgeBatch, type PurgePosition } from '../../src/database/purge';
import type { RetentionClass } from '../../src/domain/retention';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const BEFORE = '2026-01-01T00:00:00.000Z';
const OLD = '2025-12-31T12:00:00.000Z';
const query = (sql: string, ...values: unknown[]) => database.pool.query(sql, values);

/** A whole run of small batches. */
async function purge(of: RetentionClass, limit = 2): Promise<number> {
  let removed = 0;
  let after: PurgePosition | null = null;
  do {
    const batch: { removed: number; after: PurgePosition | null } = await purgeBatch(database.pool, {
      of,
      before: BEFORE,
      limit,
      after,
    });
    removed += batch.removed;
    after = batch.after;
  } while (after !== null);
  return removed;
}

/** What a class keeps and what goes, each as a row that is put in under a name. */
interface Case {
  of: RetentionClass;
  table: string;
  /** The column that names a row. */
  name: string;
  insert: string;
  goes: unknown[][];
  stays: unknown[][];
}

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

const CASES: Case[] = [
  {
    of: 'participantReports',
    table: 'participant_reports',
    name: 'report_id',
    insert: `insert into aftercommit.participant_reports (report_id, participant, type, received_at) values ($1, $2, 'payment.captured', $3)`,
    // Three at the same moment, and the same id from both.
    goes: [
      ['same', 'payments', OLD],
      ['same', 'carrier', OLD],
      ['other', 'payments', OLD],
      ['older', 'payments', '2025-01-01'],
    ],
    stays: [
      ['parked', 'payments', OLD],
      ['young', 'payments', BEFORE],
    ],
  },
  {
    of: 'workflowStarts',
    table: 'workflow_starts',
    name: 'workflow_id',
    insert: `insert into aftercommit.workflow_starts (workflow_id, created_at, started_at, workflow_type, task_queue, input)
             values ($1, $2, $3, 'shop', 'shop', '{}')`,
    goes: [
      ['a', OLD, OLD],
      ['b', OLD, OLD],
      ['c', OLD, OLD],
    ],
    stays: [
      ['never started', OLD, null],
      ['started late', OLD, BEFORE],
    ],
  },
  {
    of: 'providerCallbacks',
    table: 'provider_callbacks',
    name: 'message_sid',
    insert: `insert into aftercommit.provider_callbacks (message_sid, status, received_at) values ($1, 'sent', $2)`,
    goes: [
      ['SM1', OLD],
      ['SM2', OLD],
      ['SM3', OLD],
    ],
    stays: [['SM4', BEFORE]],
  },
  {
    of: 'parkedSteps',
    table: 'parked_steps',
    name: 'step',
    insert: `insert into aftercommit.parked_steps (step, state, resolved_at, reason, created_at) values ($1, $2, $3, 'test', '2025-01-01')`,
    goes: [
      ['a', 'RESOLVED', OLD],
      ['b', 'RESOLVED', OLD],
      ['c', 'RESOLVED', OLD],
    ],
    stays: [
      ['open', 'OPEN', null],
      ['report:parked', 'OPEN', null],
      ['resolved late', 'RESOLVED', BEFORE],
    ],
  },
  {
    of: 'reconciliations',
    table: 'reconciliations',
    name: 'reconciliation_id',
    insert: `insert into aftercommit.reconciliations (reconciliation_id, state, created_at, kind, dry_run, actor)
             values ($1, $2, $3, 'full', false, 'test')`,
    goes: [
      [uuid(1), 'COMPLETED', OLD],
      [uuid(2), 'REFUSED', OLD],
      [uuid(3), 'FAILED', OLD],
    ],
    stays: [
      [uuid(4), 'RUNNING', OLD],
      [uuid(5), 'REQUESTED', OLD],
      [uuid(6), 'COMPLETED', BEFORE],
    ],
  },
  {
    of: 'replays',
    table: 'replays',
    name: 'replay_id',
    insert: `insert into aftercommit.replays (replay_id, state, updated_at, actor, filter, rate_per_second, position, last_position, events_total)
             values ($1, $2, $3, 'test', '{}', 1, 0, 0, 0)`,
    goes: [
      [uuid(1), 'COMPLETED', OLD],
      [uuid(2), 'CANCELLED', OLD],
    ],
    stays: [
      [uuid(3), 'RUNNING', OLD],
      [uuid(4), 'PAUSED', OLD],
      [uuid(5), 'COMPLETED', BEFORE],
      [uuid(6), 'COMPLETED', OLD],
    ],
  },
  {
    of: 'redrives',
    table: 'redrives',
    name: 'redrive_id',
    insert: `insert into aftercommit.redrives (redrive_id, state, updated_at, actor, filter, total) values ($1, $2, $3, 'test', '{}', 1)`,
    goes: [
      [uuid(1), 'COMPLETED', OLD],
      [uuid(2), 'COMPLETED', OLD],
    ],
    stays: [
      [uuid(3), 'RUNNING', OLD],
      [uuid(4), 'COMPLETED', BEFORE],
      [uuid(6), 'COMPLETED', OLD],
    ],
  },
  {
    of: 'recipientDays',
    table: 'recipient_days',
    name: 'phone_hash',
    insert: `insert into aftercommit.recipient_days (phone_hash, day, messages) values ($1, $2, 1)`,
    goes: [
      ['a', '2025-12-31'],
      ['b', '2025-12-30'],
      ['c', '2025-01-01'],
    ],
    stays: [['d', '2026-01-01']],
  },
  {
    of: 'groups',
    table: 'groups',
    name: 'group_id',
    insert: `insert into aftercommit.groups (group_id, state, ended_at, process) values ($1, $2, $3, 'test')`,
    goes: [
      [uuid(1), 'ENDED', OLD],
      [uuid(2), 'ENDED', OLD],
    ],
    stays: [
      [uuid(3), 'CLOSED', null],
      [uuid(4), 'OPEN', null],
      [uuid(5), 'ENDED', BEFORE],
    ],
  },
  {
    of: 'saleCustomers',
    table: 'sale_customers',
    name: 'customer_id',
    insert: `with stocked as (
               insert into aftercommit.inventory (sku, available) values ('sold', 1) on conflict (sku) do update set available = 1
               returning sku),
             sale as (
               insert into aftercommit.sales (sale_id, sku, quantity, state, updated_at)
               select $1, sku, 1, $2, $3 from stocked)
             insert into aftercommit.sale_customers (sale_id, customer_id, units) values ($1, $1, 1)`,
    goes: [
      ['over', 'CLOSED', OLD],
      ['over too', 'CLOSED', OLD],
    ],
    stays: [
      ['open', 'OPEN', OLD],
      ['just over', 'CLOSED', BEFORE],
    ],
  },
];

/** Replay and redrive 6 have a dead letter. */
async function addDeadLetter(): Promise<void> {
  const orderId = await placeOne(database.pool, 'dead');
  await query(
    `insert into aftercommit.deliveries (delivery_id, event_id, aggregate_id, seq, rule_name, target_name, replay_id, redrive_id, state)
     select $1, id, aggregate_id, seq, 'rule', 'target', $2, $2, 'DEAD' from aftercommit.outbox where aggregate_id = $3`,
    randomUUID(),
    uuid(6),
    orderId,
  );
}

describe('the purge', () => {
  beforeAll(async () => {
    await addDeadLetter();
    for (const { insert, goes, stays } of CASES)
      for (const row of [...goes, ...stays]) await query(insert, ...row);
  });

  it.each(CASES)('removes old $of and keeps what is young or still needed', async (one) => {
    const removed = await purge(one.of);

    const { rows } = await query(`select ${one.name}::text as name from aftercommit.${one.table} order by 1`);
    expect(rows.map((row: { name: string }) => row.name)).toEqual(one.stays.map(([name]) => name).sort());
    expect(removed).toBe(one.goes.length);
    expect(await purge(one.of)).toBe(0);
  });

  it('removes the findings of a reconciliation with it', async () => {
    await query(CASES.find(({ of }) => of === 'reconciliations')!.insert, uuid(7), 'COMPLETED', OLD);
    await query(
      `insert into aftercommit.reconciliation_findings (reconciliation_id, detector, class, severity, subject, detail)
       values ($1, 'test', 'outage', 'low', 'order:1', '{}')`,
      uuid(7),
    );

    expect(await purge('reconciliations')).toBe(1);

    const { rows } = await query('select 1 from aftercommit.reconciliation_findings');
    expect(rows).toEqual([]);
  });

  it('never touches the audit', async () => {
    const { rows } = await query(
      `select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname = 'aftercommit' and p.proname like 'purge%' and p.prosrc like '%aftercommit.audit%'`,
    );

    expect(rows).toEqual([]);
    await expect(query('delete from aftercommit.audit')).rejects.toThrow('append-only');
  });

  it('says so when it is asked for a class that it does not know', async () => {
    await expect(purge('shoes' as RetentionClass)).rejects.toThrow('case not found');
  });
});
