import type { Pool } from 'pg';
import type { OrderRequest } from '../domain/orders';
import { prepared, repeating } from './transaction';

/** The first decided answer to a request, replayed byte for byte. */
export interface StoredAnswer {
  status: number;
  body: string;
}

/** What is known of an order id before anything is started. */
export interface KnownRequest {
  /** False when the request was there already, that is, on a repeat. */
  inserted: boolean;
  fingerprint: string;
  caller: string;
  createdAt: string;
  receipt: {
    state: 'done' | 'refused' | 'fenced';
    outcome: { code?: string; line?: number };
    answer: StoredAnswer | null;
  } | null;
}

interface Row {
  fingerprint: string;
  caller: string;
  created_at: string;
  state: 'done' | 'refused' | 'fenced' | null;
  outcome: { code?: string; line?: number } | null;
  answer_status: number | null;
  answer_body: string | null;
}

const READ = `
  select q.fingerprint, q.caller, q.created_at, r.state, r.outcome, r.answer_status, r.answer_body
  from aftercommit.order_requests q
  left join aftercommit.step_receipts r on r.order_id = q.order_id and r.step = 'commit' and r.op = 'do'
  where q.order_id = $1`;

/** What is known of a request, or null. */
export async function readRequest(pool: Pool, orderId: string): Promise<KnownRequest | null> {
  const [row] = await prepared<Row>(pool, READ, [orderId]);
  return row === undefined ? null : toKnown(row, false);
}

/**
 * Writes the request, or reads the one that is there. Idempotent by order id: of any number of callers at once, one
 * inserts. Two statements, because one would not see the row that it waited for.
 */
export async function acceptRequest(
  pool: Pool,
  request: { orderId: string; caller: string; fingerprint: string; body: OrderRequest },
): Promise<KnownRequest> {
  return repeating(async () => {
    const inserted = await pool.query<{ created_at: string }>(
      `insert into aftercommit.order_requests (order_id, caller, fingerprint, body) values ($1, $2, $3, $4)
       on conflict do nothing returning created_at`,
      [request.orderId, request.caller, request.fingerprint, JSON.stringify(request.body)],
    );
    const row = inserted.rows[0];
    if (row !== undefined) {
      const { fingerprint, caller } = request;
      return { inserted: true, fingerprint, caller, createdAt: row.created_at, receipt: null };
    }
    const known = (await pool.query<Row>(READ, [request.orderId])).rows[0];
    // Purged between the two statements: its key is free again.
    return known === undefined ? acceptRequest(pool, request) : toKnown(known, false);
  });
}

/** The body that a commit works from; null once it is decided. */
export async function readRequestBody(
  pool: Pool,
  orderId: string,
): Promise<{ caller: string; body: OrderRequest | null } | null> {
  const [row] = await prepared<{ caller: string; body: OrderRequest | null }>(
    pool,
    'select caller, body from aftercommit.order_requests where order_id = $1',
    [orderId],
  );
  return row ?? null;
}

function toKnown(row: Row, inserted: boolean): KnownRequest {
  const answer =
    row.answer_status === null || row.answer_body === null
      ? null
      : { status: row.answer_status, body: row.answer_body };
  return {
    inserted,
    fingerprint: row.fingerprint,
    caller: row.caller,
    createdAt: row.created_at,
    receipt: row.state === null ? null : { state: row.state, outcome: row.outcome ?? {}, answer },
  };
}
