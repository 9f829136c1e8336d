import type { Pool } from '../database/pool';
import type { ReconciliationRun } from '../database/reconciliation';
import { openOrders, type OpenOrder } from '../database/reconciliation-candidates';
import { suspects } from '../database/reconciliation-detectors';
import type { DetectorName, Finding } from '../domain/reconciliation';
import { workflowIds } from '../workflows/messages';
import { concurrently } from './concurrently';
import { assertLease, dealWith, redo } from './reconciliation-remedies';
import type { RepairDeps } from './reconciliation-repairs';

/** Orders that are looked at with one query. */
const PAGE = 200;
/** Each is an answer of Temporal's and, where a run is gone, a short update and a start. */
const AT_ONCE = 20;
/** Nothing waits longer than this by a timer of its own workflow; the timers are gone with the runs. */
const ANY_TIME_MS = -10 * 365 * 24 * 60 * 60 * 1_000;

/** What is open beside the orders' own runs. Whatever waits for a time is started too: its workflow waits for it again. */
const OPEN_WORK: readonly DetectorName[] = [
  'undecided_request',
  'pending_refund',
  'unheard_decision',
  'unrouted_event',
  'waiting_delivery',
  'stale_delivery',
  'neglected_notification',
  'stale_attempt',
  'stalled_replay',
  'unfinished_group',
  'unfinished_sale',
  'unstarted_workflow',
];

/**
 * Starts a workflow for all open work that has none, from PostgreSQL alone. An order whose run is gone gets a new epoch, so
 * that a run that is only out of sight does nothing more; one that runs is left alone. What was done stays done: receipts,
 * intents and claims say so. Idempotent: after a crash it goes on with what has no run yet.
 */
export async function rebuildOpenWork(deps: RepairDeps, run: ReconciliationRun): Promise<void> {
  if (!run.dryRun) await redo(deps, run, ['order_without_run', ...OPEN_WORK]);
  await resumeOrders(deps, run);
  const now = deps.now();
  const looking = { now, graceMs: ANY_TIME_MS, eventsSince: now.toISOString(), onlyNew: false };
  for (const detector of OPEN_WORK) {
    for await (const page of suspects(deps.pool, { ...looking, detector })) {
      await assertLease(deps.pool, run.reconciliationId);
      await concurrently(page, AT_ONCE, (suspect) => dealWith(deps, run, { ...suspect, detector }));
    }
  }
}

async function resumeOrders(deps: RepairDeps, run: ReconciliationRun): Promise<void> {
  for await (const orders of pagesOf(deps.pool, deps.now())) {
    await assertLease(deps.pool, run.reconciliationId);
    await concurrently(orders, AT_ONCE, async ({ orderId, status, epoch }) => {
      const { isRunning, status: runStatus } = await deps.runs.describe(workflowIds.order(orderId));
      if (isRunning) return;
      const finding: Finding = {
        detector: 'order_without_run',
        subject: `order:${orderId}`,
        orderId,
        detail: { status, epoch, run: runStatus },
      };
      await dealWith(deps, run, finding);
    });
  }
}

async function* pagesOf(pool: Pool, now: Date): AsyncGenerator<OpenOrder[], void, undefined> {
  const olderThan = new Date(now.getTime() - ANY_TIME_MS).toISOString();
  for (let after: string | null = null; ;) {
    const orders: OpenOrder[] = await openOrders(pool, { olderThan, after, limit: PAGE });
    yield orders;
    if (orders.length < PAGE) return;
    after = orders.at(-1)!.orderId;
  }
}
