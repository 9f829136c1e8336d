import type { Pool, PoolClient } from 'pg';
import type { RetentionClass } from '../domain/retention';
import { repeating, type Queryable } from './transaction';

/** Any number that nothing else in the database locks: who holds it is the one purge that works. */
export const PURGE_LOCK = 7_283_461_906;

/** Where a batch ended. Opaque: what the database said is handed back to it. */
export type PurgePosition = object;

export interface PurgeBatch {
  of: RetentionClass;
  /** RFC 3339: what is older may go. */
  before: string;
  /** Rows that this batch looks at, at most. */
  limit: number;
  /** Where the batch before ended; null at the beginning. */
  after: PurgePosition | null;
}

/**
 * Removes one batch of a class: what is older than `before`, oldest first, with what hangs on it, in one transaction. What
 * is still needed stays, whatever its age: the functions in migrations/ say what that is. Idempotent.
 * @returns how many rows of the class were removed, and where to go on; null when this was the last batch
 */
export async function purgeBatch(
  client: Queryable,
  batch: PurgeBatch,
): Promise<{ removed: number; after: PurgePosition | null }> {
  const after = batch.after === null ? null : JSON.stringify(batch.after);
  const { rows } = await repeating(() =>
    client.query<{ removed: number; after: PurgePosition | null }>(
      'select removed, after from aftercommit.purge($1, $2, $3, $4)',
      [batch.of, batch.before, batch.limit, after],
    ),
  );
  return rows[0]!;
}

/**
 * Does `work` unless somebody else does it in this database: of any number of purges at once, one works. The lock is the
 * connection's, so it is free as soon as whoever held it is gone; `work` must use that connection and no other.
 * @returns null when another one works
 */
export async function asOnlyPurge<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
): Promise<T | null> {
  const client = await pool.connect();
  // A connection that breaks while it rests says so in the next batch; without a listener it would end the process.
  client.on('error', () => undefined);
  try {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [
      PURGE_LOCK,
    ]);
    return rows[0]!.taken ? await work(client) : null;
  } finally {
    // Destroyed, never returned: it may hold the lock.
    client.release(true);
  }
}
