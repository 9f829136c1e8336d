import type { Pool } from 'pg';
import type { DetectorName, ReconciliationKind, Source } from '../domain/reconciliation';
import { IdempotencyKeyReusedError } from '../errors';
import { readReconciliation, type ReconciliationView } from './reconciliation-views';
import { statement, transaction, type Queryable } from './transaction';

/** Which run, and what it may do. */
export interface ReconciliationRun {
  reconciliationId: string;
  kind: ReconciliationKind;
  /** Reports only. */
  dryRun: boolean;
}

/**
 * Writes that a run is asked for. Idempotent by id.
 * @throws IdempotencyKeyReusedError (not retryable) for another request under the same id
 */
export async function requestReconciliation(
  pool: Pool,
  request: ReconciliationRun & { actor: string; fingerprint: string | null },
): Promise<{ reconciliation: ReconciliationView; inserted: boolean }> {
  const { reconciliationId, kind, dryRun, actor, fingerprint } = request;
  const inserted = await statement(
    pool,
    `insert into aftercommit.reconciliations (reconciliation_id, kind, dry_run, state, actor, fingerprint)
     values ($1, $2, $3, 'REQUESTED', $4, $5) on conflict do nothing returning 1`,
    [reconciliationId, kind, dryRun, actor, fingerprint],
  );
  const [row] = await statement<{ fingerprint: string | null }>(
    pool,
    'select fingerprint from aftercommit.reconciliations where reconciliation_id = $1',
    [reconciliationId],
  );
  if (row?.fingerprint !== fingerprint)
    throw new IdempotencyKeyReusedError('This Idempotency-Key was used for another reconciliation.');
  const reconciliation = await readReconciliation(pool, reconciliationId);
  return { reconciliation: reconciliation!, inserted: inserted.length > 0 };
}

/** Longer than any single step between two renewals; a runner that died leaves the lock free after that. */
const LEASE_SECONDS = 300;

/**
 * Begins a run, unless another one runs: then this one is REFUSED and does nothing. Idempotent: a run that has begun goes
 * on, also after its worker died.
 * @returns true when it may go on
 */
export async function beginReconciliation(
  pool: Pool,
  run: ReconciliationRun & { actor: string },
): Promise<boolean> {
  return transaction(pool, async (client) => {
    await client.query(
      `insert into aftercommit.reconciliations (reconciliation_id, kind, dry_run, state, actor) values ($1, $2, $3, 'REQUESTED', $4)
       on conflict do nothing`,
      [run.reconciliationId, run.kind, run.dryRun, run.actor],
    );
    const isHeld = await renewLease(client, run.reconciliationId);
    if (isHeld) await closeDead(client, run.reconciliationId);
    await client.query(
      `update aftercommit.reconciliations
       set state = $2, started_at = coalesce(started_at, now()), finished_at = case when $2 = 'REFUSED' then now() end
       where reconciliation_id = $1 and state in ('REQUESTED', 'RUNNING')`,
      [run.reconciliationId, isHeld ? 'RUNNING' : 'REFUSED'],
    );
    return isHeld;
  });
}

/** Whoever had the lock before and did not say that he was done will not do so any more. */
async function closeDead(client: Queryable, reconciliationId: string): Promise<void> {
  await client.query(
    `update aftercommit.reconciliations set state = 'FAILED', finished_at = now() where state = 'RUNNING' and reconciliation_id <> $1`,
    [reconciliationId],
  );
}

/** @returns false when another run holds the lock: this one must stop */
export async function renewLease(client: Queryable, reconciliationId: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `update aftercommit.reconciliation_lock set holder = $1, lease_until = now() + $2 * interval '1 second'
     where holder = $1 or holder is null or lease_until < now()`,
    [reconciliationId, LEASE_SECONDS],
  );
  return rowCount === 1;
}

/** Ends a run and frees the lock. Idempotent. */
export async function finishReconciliation(
  pool: Pool,
  end: { reconciliationId: string; unread: readonly { source: Source; code: string }[] },
): Promise<ReconciliationView> {
  await transaction(pool, async (client) => {
    await client.query(
      `update aftercommit.reconciliations set state = $3, unread = $2, finished_at = now()
       where reconciliation_id = $1 and state = 'RUNNING'`,
      [end.reconciliationId, JSON.stringify(end.unread), wasReplaced(end.unread) ? 'FAILED' : 'COMPLETED'],
    );
    await client.query(
      `update aftercommit.reconciliation_lock set holder = null, lease_until = '-infinity' where holder = $1`,
      [end.reconciliationId],
    );
  });
  return (await readReconciliation(pool, end.reconciliationId))!;
}

/** Another run took the lock, because this one did not renew it for minutes. */
function wasReplaced(unread: readonly { code: string }[]): boolean {
  return unread.some(({ code }) => code === 'reconciliation_superseded');
}

/** Notes that a detector found more than one run takes. Idempotent. */
export async function noteTruncated(
  pool: Pool,
  reconciliationId: string,
  detector: DetectorName,
): Promise<void> {
  await statement(
    pool,
    `update aftercommit.reconciliations set truncated = array_append(truncated, $2)
     where reconciliation_id = $1 and not $2 = any (truncated)`,
    [reconciliationId, detector],
  );
}

/** When the last complete look at everything began, RFC 3339; null when there was none. */
export async function lastFullRunAt(pool: Pool, source: Source): Promise<string | null> {
  const [row] = await statement<{ at: string | null }>(
    pool,
    `select max(started_at) as at from aftercommit.reconciliations
     where kind = 'full' and not dry_run and state = 'COMPLETED'
       and not unread @> jsonb_build_array(jsonb_build_object('source', $1::text))`,
    [source],
  );
  return row?.at ?? null;
}
