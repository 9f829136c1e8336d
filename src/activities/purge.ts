import { Context } from '@temporalio/activity';
import type { Pool, PoolClient } from '../database/pool';
import { asOnlyPurge, purgeBatch, type PurgePosition } from '../database/purge';
import { keptFrom, RETENTION_CLASSES, type Retention, type RetentionClass } from '../domain/retention';
import type { Logger } from '../log';

/** Rows of one transaction: some tens of milliseconds, so that nobody waits long for a lock or a connection. */
const BATCH_MAX = 500;
/**
 * After a batch it rests this many times as long as the batch took. Measured by `npm run bench:purge` on two cores: with 4
 * the median of publishing is 1.03 times that of empty tables, with 1 it is 1.14 times.
 */
const REST_PER_WORK = 4;
/** Even after the shortest batch, so that whoever waits for a lock or the disk has a turn. */
const REST_MS_MIN = 20;
/** No batch begins after this; the next day goes on. Below the activity's own time (6 h). */
const RUN_MS_MAX = 5 * 60 * 60 * 1_000;

export interface PurgeReport {
  /** BUSY: another purge works, and this one did nothing. STOPPED: the time was over; the next one goes on. */
  state: 'DONE' | 'STOPPED' | 'BUSY';
  /** Rows that were removed, for each class of which any were. */
  removed: Partial<Record<RetentionClass, number>>;
}

export interface PurgeActivities {
  /** Removes everything that is older than its retention, class by class, batch by batch. Idempotent; one at a time. */
  purgeArchive(): Promise<PurgeReport>;
}

export interface PurgeDeps {
  pool: Pool;
  now: () => Date;
  retention: Retention;
  log: Pick<Logger, 'info'>;
}

export function createPurgeActivities(deps: PurgeDeps): PurgeActivities {
  return {
    async purgeArchive() {
      const report = (await asOnlyPurge(deps.pool, (client) => purgeAll(deps, client))) ?? {
        state: 'BUSY',
        removed: {},
      };
      deps.log.info({ purge: report }, 'purged what is older than its retention');
      return report;
    },
  };
}

async function purgeAll(deps: PurgeDeps, client: PoolClient): Promise<PurgeReport> {
  const deadline = performance.now() + RUN_MS_MAX;
  const report: PurgeReport = { state: 'DONE', removed: {} };
  for (const of of RETENTION_CLASSES) {
    const before = keptFrom(of, deps.retention, deps.now());
    if (before !== null) await purgeClass(client, { of, before, deadline }, report);
  }
  return report;
}

/** Adds to the report as it goes. */
async function purgeClass(
  client: PoolClient,
  { of, before, deadline }: { of: RetentionClass; before: string; deadline: number },
  report: PurgeReport,
): Promise<void> {
  const context = Context.current();
  let after: PurgePosition | null = null;
  do {
    const startedAt = performance.now();
    if (startedAt > deadline) return void (report.state = 'STOPPED');
    const batch: Awaited<ReturnType<typeof purgeBatch>> = await purgeBatch(client, {
      of,
      before,
      limit: BATCH_MAX,
      after,
    });
    if (batch.removed > 0) report.removed[of] = (report.removed[of] ?? 0) + batch.removed;
    context.heartbeat(report.removed);
    after = batch.after;
    // Throws once the run was cancelled or the worker stops.
    await context.sleep(Math.max(REST_MS_MIN, (performance.now() - startedAt) * REST_PER_WORK));
  } while (after !== null);
}
