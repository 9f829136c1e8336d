import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createReconciliationActivities, type ReconciliationDeps } from '../../src/activities/reconciliation';
import { readReconciliation, type ReconciliationView } from '../../src/database/reconciliation-views';
import { sourcesOf, type ReconciliationKind } from '../../src/domain/reconciliation';
import { DEFAULT_RETENTION } from '../../src/domain/retention';
import { silentLog } from '../support/database';

export interface FoundOne {
  detector: string;
  subject: string;
  orderId: string | null;
  action: string;
  detail: Record<string, unknown>;
}

export interface Ran extends ReconciliationView {
  findings: FoundOne[];
}

export type ReconcilerDeps = Omit<ReconciliationDeps, 'log' | 'retention' | 'now'> & { now?: () => Date };

/** Runs the activities in the order in which the workflow asks for them. */
export async function reconcileOnce(
  given: ReconcilerDeps,
  how: { kind?: ReconciliationKind; dryRun?: boolean; reconciliationId?: string } = {},
): Promise<Ran> {
  const deps = {
    now: () => new Date(),
    ...given,
    log: silentLog,
    retention: DEFAULT_RETENTION,
  };
  const activities = createReconciliationActivities(deps);
  const { kind = 'full', dryRun = false, reconciliationId = randomUUID() } = how;
  const run = { reconciliationId, kind, dryRun };
  const { begun } = await activities.beginReconciliation({ ...run, actor: 'test' });
  if (begun) {
    for (const source of sourcesOf(kind)) {
      await inActivity(() =>
        kind === 'rebuild' ? activities.rebuildOpenWork(run) : activities.reconcileSource({ ...run, source }),
      );
    }
    await activities.finishReconciliation({ reconciliationId, unread: [] });
  }
  const report = await readReconciliation(deps.pool, reconciliationId);
  const { rows } = await deps.pool.query<FoundOne>(
    `select detector, subject, order_id as "orderId", action, detail from aftercommit.reconciliation_findings
     where reconciliation_id = $1 order by detector, subject`,
    [reconciliationId],
  );
  return { ...report!, findings: rows };
}

/** Runs an activity where it can heartbeat. */
function inActivity<T>(work: () => Promise<T>): Promise<T> {
  return new MockActivityEnvironment(undefined, { logger: new DefaultLogger('ERROR', () => undefined) }).run(
    work,
  );
}
