import type { QueryConfig } from 'pg';
import { detectorOf, type DetectorName, type Finding, type Suspect } from '../domain/reconciliation';
import { CONTRADICTIONS, SCANS } from './reconciliation-contradictions';
import { NEGLECTED, OVER_TRIED } from './reconciliation-neglect';
import type { Pool } from './pool';
import { statement, transaction } from './transaction';

/** Suspects that one query gives. Each is some hundred bytes. */
const PAGE = 500;
/** Rows of a table that one query of a scan looks at: some 100 ms. */
const SCAN_PAGE = 5_000;
/** A sum over a table of millions takes some ten seconds; the pool's own limit (15 s) is for statements that hold locks. */
const LONG_MS = 300_000;
/** Sorts before every id. */
const NOTHING = '00000000-0000-0000-0000-000000000000';

const QUERIES: Partial<Record<DetectorName, string>> = { ...NEGLECTED, ...OVER_TRIED, ...CONTRADICTIONS };
const SCAN_KEYS = { orders: 'order_id', step_receipts: 'order_id', payments: 'payment_id' } as const;

export interface Looking {
  detector: DetectorName;
  /** The time of the run: what is younger than the detector's grace is left alone. */
  now: Date;
  /** Milliseconds, instead of the detector's own. Negative: also what is due only later. */
  graceMs?: number;
  /** RFC 3339: events of orders that were placed before may have been purged. */
  eventsSince: string;
  /** False to see again what was told already. */
  onlyNew: boolean;
}

/**
 * Everything in the database that a detector suspects, page by page. Reads only.
 * @throws RangeError for a detector that asks somebody else: a bug in the caller
 */
export async function* suspects(pool: Pool, looking: Looking): AsyncGenerator<Suspect[], void, undefined> {
  const graceMs = looking.graceMs ?? detectorOf(looking.detector).graceMs;
  const cutoff = new Date(looking.now.getTime() - graceMs).toISOString();
  const scan = (SCANS as Partial<Record<DetectorName, { table: keyof typeof SCAN_KEYS; sql: string }>>)[
    looking.detector
  ];
  if (scan === undefined) {
    const sql = QUERIES[looking.detector];
    if (sql === undefined) throw new RangeError(`${looking.detector} does not ask the database`);
    yield* pages(pool, looking, { sql, values: [cutoff] });
    return;
  }
  const usesEvents = scan.sql.includes('$4');
  for await (const { after, last } of ranges(pool, scan.table)) {
    const values = [cutoff, after, last, ...(usesEvents ? [looking.eventsSince] : [])];
    yield* pages(pool, looking, { sql: scan.sql, values });
  }
}

/** Parked or reported in an earlier run: somebody knows. */
const IS_TOLD = (detector: string): string => `exists (
  select 1 from aftercommit.reconciliation_findings t
  where t.detector = ${detector} and t.subject = f.subject and t.action in ('parked', 'reported'))`;

/** Whether somebody was told of this finding in an earlier run. */
export async function isTold(pool: Pool, finding: Pick<Finding, 'detector' | 'subject'>): Promise<boolean> {
  const rows = await statement(pool, `select 1 from (select $2::text as subject) f where ${IS_TOLD('$1')}`, [
    finding.detector,
    finding.subject,
  ]);
  return rows.length > 0;
}

async function* pages(
  pool: Pool,
  { detector, onlyNew }: Looking,
  query: { sql: string; values: unknown[] },
): AsyncGenerator<Suspect[], void, undefined> {
  const { remedy } = detectorOf(detector);
  const isTellingOnly = remedy === 'park' || remedy === 'report';
  const n = query.values.length;
  const text = `
    select f.subject, f.order_id as "orderId", f.detail from (${query.sql}) f
    where ($${n + 1}::text is null or f.subject > $${n + 1}) and not ($${n + 2} and ${IS_TOLD(`$${n + 3}`)})
    order by f.subject limit ${PAGE}`;
  for (let after: string | null = null; ;) {
    const rows: Suspect[] = await longQuery<Suspect>(pool, text, [
      ...query.values,
      after,
      isTellingOnly && onlyNew,
      detector,
    ]);
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE) return;
    after = rows.at(-1)!.subject;
  }
}

/** A table's keys in pages: each query looks at a bounded part of it. */
async function* ranges(
  pool: Pool,
  table: keyof typeof SCAN_KEYS,
): AsyncGenerator<{ after: string; last: string }, void, undefined> {
  const key = SCAN_KEYS[table];
  for (let after = NOTHING; ;) {
    const [row]: { last: string | null }[] = await longQuery(
      pool,
      `select max(k::text)::uuid as last from (select ${key} as k from aftercommit.${table} where ${key} > $1 order by ${key} limit ${SCAN_PAGE}) p`,
      [after],
    );
    if (row?.last == null) return;
    yield { after, last: row.last };
    after = row.last;
  }
}

/** One statement that may take minutes: it reads, and holds no lock that anybody waits for. */
async function longQuery<Row extends object>(pool: Pool, text: string, values: unknown[]): Promise<Row[]> {
  return transaction(pool, async (client) => {
    await client.query(`set transaction read only; set local statement_timeout = ${LONG_MS}`);
    const query: QueryConfig & { query_timeout: number } = { text, values, query_timeout: LONG_MS };
    const { rows } = await client.query<Row>(query);
    return rows;
  });
}
