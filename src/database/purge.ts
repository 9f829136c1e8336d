import type { Pool } from 'pg';
import { statement } from './transaction';

/**
 * Removes one batch of events that are older than their retention, oldest first, with their deliveries and the messages
 * that told of them. Never what is undelivered, dead, without an outcome, or in a replay's way. Idempotent.
 * @param before - RFC 3339: what was published before then may go
 * @returns how many events were removed; fewer than `limit` when none is left
 */
export async function purgeEvents(pool: Pool, before: string, limit: number): Promise<number> {
  const [row] = await statement<{ removed: number }>(
    pool,
    'select aftercommit.purge_events($1, $2) as removed',
    [before, limit],
  );
  return row!.removed;
}
