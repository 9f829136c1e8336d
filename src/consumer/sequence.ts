import { requireTransaction, type Processed } from './inbox';
import {
  checkedText,
  consumerName,
  createTable,
  tableName,
  type ConsumerName,
  type Queryable,
} from './table';

const DEFAULT_TABLE = 'aftercommit_sequences';

/** Where the last number of each key is remembered. */
export interface SequenceOptions extends ConsumerName {
  /** `name` or `schema.name`, in lower case. Default: `aftercommit_sequences`. Never from a message. */
  table?: string;
}

/** The place of an event among those of its key. Together the two name the event, so no id is needed. */
export interface Place {
  /** The order's id (`detail.orderId`), or the subject of your own events (`detail.subject`). */
  key: string;
  /** `detail.seq`: 1, 2, 3 … for each key. */
  seq: number;
}

/**
 * How an event stands to the last one that was processed: the `next` one; with a `gap` between them; the same one again
 * (`duplicate`); or an `old` one, below it.
 */
export type Position = 'next' | 'gap' | 'duplicate' | 'old';

/** What came of an event. */
export interface ProcessedInSequence extends Processed {
  position: Position;
}

/**
 * An event came before one that belongs before it. Expected: let the sender try again later (answer 5xx), by when the
 * missing one may be there.
 */
export class SequenceGapError extends Error {
  readonly code = 'sequence_gap';
  constructor(
    /** The number of the event that is missing. */
    readonly expectedSeq: number,
    /** The number of the event that came. */
    readonly seq: number,
  ) {
    super(`expected seq ${expectedSeq}, got ${seq}`);
    this.name = 'SequenceGapError';
  }
}

function sequencesDdl(table: string): string {
  return `create table if not exists ${tableName(table)} (
  consumer text   not null,
  key      text   not null,
  last_seq bigint not null,
  primary key (consumer, key)
);
`;
}

/** The table of sequences as SQL, for those who keep their migrations in files. */
export const SEQUENCES_DDL: string = sequencesDdl(DEFAULT_TABLE);

/** Creates the table if it is not there. Idempotent, and safe when several processes start at once. */
export async function createSequences(
  client: Queryable,
  { table = DEFAULT_TABLE }: Pick<SequenceOptions, 'table'> = {},
): Promise<void> {
  await createTable(client, sequencesDdl(table));
}

/**
 * For events that carry the whole state: runs `work` unless an event with the same or a higher `seq` was processed. The
 * last writer wins by `seq`, whatever the order of arrival. Gaps are fine. Not for events that carry a change, such as an
 * amount to add: an older one that comes late is skipped, not made up for. Use processOnce for these.
 *
 * Events of one key take turns: each waits for the end of the other's transaction. The guarantee and its limit are those
 * of processOnce, and so are `tx`, what `work` throws, and the errors.
 *
 * @throws RangeError when `tx` is not inside a transaction, or `seq` is not a whole number from 1
 */
export async function processLatest<Tx extends Queryable>(
  tx: Tx,
  place: Place,
  work: (tx: Tx) => unknown,
  options: SequenceOptions = {},
): Promise<ProcessedInSequence> {
  const lastSeq = await lockSequence(tx, place, options);
  return advance(tx, { place, lastSeq, work, options });
}

/**
 * For events that must be processed one after the other without a missing one: runs `work` only for the next number of
 * the key, and does nothing for one that was processed. Everything else is as processLatest says.
 *
 * Only for a rule that takes every event of the key. A rule that takes some event types delivers 1, 3, 7, which is no
 * gap to wait for. A key whose first events were never sent to this consumer needs its row beforehand: insert the last
 * number that it is to count as processed.
 *
 * @throws SequenceGapError when an earlier event is missing: roll back and let the sender try again
 */
export async function processInOrder<Tx extends Queryable>(
  tx: Tx,
  place: Place,
  work: (tx: Tx) => unknown,
  options: SequenceOptions = {},
): Promise<ProcessedInSequence> {
  const lastSeq = await lockSequence(tx, place, options);
  if (positionOf(place.seq, lastSeq) === 'gap') throw new SequenceGapError(lastSeq + 1, place.seq);
  return advance(tx, { place, lastSeq, work, options });
}

function positionOf(seq: number, lastSeq: number): Position {
  if (seq > lastSeq) return seq === lastSeq + 1 ? 'next' : 'gap';
  return seq === lastSeq ? 'duplicate' : 'old';
}

/** The last number of the key, 0 when there is none; locked until the transaction ends. */
async function lockSequence(tx: Queryable, { key, seq }: Place, options: SequenceOptions): Promise<number> {
  if (!Number.isSafeInteger(seq) || seq < 1) throw new RangeError('seq must be a whole number from 1');
  const { table = DEFAULT_TABLE } = options;
  const values = [consumerName(options), checkedText('key', key)];
  await requireTransaction(tx, table);
  // Insert or lock in one statement: with two, a first event and its duplicate could both find nothing.
  const { rows } = await tx.query(
    `insert into ${tableName(table)} as s (consumer, key, last_seq) values ($1, $2, 0)
     on conflict (consumer, key) do update set last_seq = s.last_seq
     returning last_seq::text as "lastSeq"`,
    values,
  );
  return Number((rows as [{ lastSeq: string }])[0].lastSeq);
}

interface Step<Tx> {
  place: Place;
  lastSeq: number;
  work: (tx: Tx) => unknown;
  options: SequenceOptions;
}

async function advance<Tx extends Queryable>(
  tx: Tx,
  { place, lastSeq, work, options }: Step<Tx>,
): Promise<ProcessedInSequence> {
  const { key, seq } = place;
  const position = positionOf(seq, lastSeq);
  if (seq <= lastSeq) return { processed: false, position };
  await tx.query(
    `update ${tableName(options.table ?? DEFAULT_TABLE)} set last_seq = $3 where consumer = $1 and key = $2`,
    [consumerName(options), key, seq],
  );
  await work(tx);
  return { processed: true, position };
}
