import {
  bareName,
  checkedText,
  consumerName,
  createTable,
  tableName,
  type ConsumerName,
  type Queryable,
} from './table';

const DEFAULT_TABLE = 'aftercommit_inbox';
/** Rows of one delete: few enough that it is over in milliseconds and holds nobody up. */
const PURGE_BATCH_ROWS = 1_000;
/** A call ends after a million rows and says that there are more. */
const PURGE_BATCHES_MAX = 1_000;
/** The sender's longest retry policy is 24 hours; a shorter memory than that takes its repeats for new events. */
const OLDER_THAN_DAYS_MIN = 1;
/** SQLSTATE `no_active_sql_transaction`. */
const NO_TRANSACTION = '25P01';

/** Where the processed events are remembered. */
export interface InboxOptions extends ConsumerName {
  /** `name` or `schema.name`, in lower case. Default: `aftercommit_inbox`. Never from a message. */
  table?: string;
}

/** What came of an event. */
export interface Processed {
  /** False when this consumer had processed the event before: the function did not run. */
  processed: boolean;
}

function inboxDdl(table: string): string {
  return `create table if not exists ${tableName(table)} (
  consumer     text        not null,
  event_id     text        not null,
  processed_at timestamptz not null default clock_timestamp(),
  primary key (consumer, event_id)
);
create index if not exists "${bareName(table)}_processed_at" on ${tableName(table)} (processed_at);
`;
}

/** The inbox as SQL, for those who keep their migrations in files. */
export const INBOX_DDL: string = inboxDdl(DEFAULT_TABLE);

/** Creates the inbox if it is not there. Idempotent, and safe when several processes start at once. */
export async function createInbox(
  client: Queryable,
  { table = DEFAULT_TABLE }: Pick<InboxOptions, 'table'> = {},
): Promise<void> {
  await createTable(client, inboxDdl(table));
}

/**
 * Runs `work` once for each event, in the caller's own transaction: the event's id is inserted first, and `work` runs
 * only when it was not there.
 *
 * What `work` writes through `tx` takes effect exactly once, however often and by however many processes the event is
 * delivered: effect and id are committed together or not at all. What it does elsewhere (a call over the network, a mail,
 * another database) is not covered: it may happen again when the commit fails after it. Give such calls the event's id
 * as their idempotency key.
 *
 * A duplicate that comes while the first is being processed waits for the end of its transaction; then it does nothing,
 * or, if that one was rolled back, it processes. Acknowledge to the sender after the commit, never before. Above READ
 * COMMITTED the duplicate may fail with 40001 (serialization_failure) instead: repeat the transaction.
 *
 * @param tx - a client between `begin` and `commit`
 * @param eventId - the event's `id` (the header `webhook-id`), 1 to 255 characters
 * @param work - what it throws is thrown on: roll back, then nothing is recorded and a repeat processes the event
 * @throws RangeError when `tx` is not inside a transaction, where the id would be kept although `work` failed
 */
export async function processOnce<Tx extends Queryable>(
  tx: Tx,
  eventId: string,
  work: (tx: Tx) => unknown,
  { table = DEFAULT_TABLE, ...options }: InboxOptions = {},
): Promise<Processed> {
  const values = [consumerName(options), checkedText('eventId', eventId)];
  await requireTransaction(tx, table);
  const { rows } = await tx.query(
    `insert into ${tableName(table)} (consumer, event_id) values ($1, $2) on conflict do nothing returning 1`,
    values,
  );
  if (rows.length === 0) return { processed: false };
  await work(tx);
  return { processed: true };
}

/**
 * PostgreSQL refuses LOCK TABLE outside of a transaction. The mode is the one that the insert takes anyway, so that
 * nobody waits for it who would not have waited for the insert.
 */
export async function requireTransaction(tx: Queryable, table: string): Promise<void> {
  try {
    await tx.query(`lock table ${tableName(table)} in row exclusive mode`);
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== NO_TRANSACTION) throw error;
    throw new RangeError('this works inside a transaction only: begin one and pass its client', {
      cause: error,
    });
  }
}

/** Which rows a purge removes. */
export interface PurgeOptions extends Pick<InboxOptions, 'table'> {
  /** Whole or part days, at least 1. */
  olderThanDays: number;
}

/** What a purge did. */
export interface Purged {
  deleted: number;
  /** False when the call reached its limit of a million rows before the end: call again. */
  finished: boolean;
}

/**
 * Forgets events of all consumers that were processed longer ago than that. Keep rows longer than the oldest event that
 * can still come: the retry policy (24 hours), the age of dead letters that you redrive, and the age of events that you
 * replay. An event whose row is gone is a new event.
 *
 * Deletes in batches of 1,000, each a transaction by itself when `client` is a pool or outside of a transaction. Several
 * at once take different rows.
 *
 * @throws RangeError when `olderThanDays` is not a number of at least 1
 */
export async function purgeInbox(
  client: Queryable,
  { olderThanDays, table = DEFAULT_TABLE }: PurgeOptions,
): Promise<Purged> {
  if (!Number.isFinite(olderThanDays) || olderThanDays < OLDER_THAN_DAYS_MIN) {
    throw new RangeError(`olderThanDays must be a number of at least ${OLDER_THAN_DAYS_MIN}`);
  }
  const before = await cutoff(client, olderThanDays);
  let deleted = 0;
  for (let batch = 0; batch < PURGE_BATCHES_MAX; batch += 1) {
    const rows = await purgeBatch(client, table, before);
    deleted += rows;
    if (rows < PURGE_BATCH_ROWS) return { deleted, finished: true };
  }
  return { deleted, finished: false };
}

/** By the database's clock, as text: a Date would lose the microseconds, and drivers differ in their time zones. */
async function cutoff(client: Queryable, olderThanDays: number): Promise<string> {
  const { rows } = await client.query(
    `select (clock_timestamp() - $1::float8 * interval '1 day')::text as before`,
    [olderThanDays],
  );
  return (rows as [{ before: string }])[0].before;
}

async function purgeBatch(client: Queryable, table: string, before: string): Promise<number> {
  const name = tableName(table);
  const { rows } = await client.query(
    `with old as (
       select consumer, event_id from ${name} where processed_at < $1::timestamptz
       order by processed_at limit ${PURGE_BATCH_ROWS} for update skip locked
     ), gone as (
       delete from ${name} i using old where i.consumer = old.consumer and i.event_id = old.event_id returning 1
     )
     select count(*)::int as deleted from gone`,
    [before],
  );
  return (rows as [{ deleted: number }])[0].deleted;
}
