import { ApplicationFailure } from '@temporalio/common';
import type { Pool } from '../database/pool';
import type { ReconciliationRun } from '../database/reconciliation';
import { countRepairs, unrepairedFindings } from '../database/reconciliation-findings';
import {
  isMendedInDatabase,
  keepLease,
  mendInDatabase,
  noteFinding,
  openFinding,
  parkFinding,
} from '../database/reconciliation-repairs';
import { isTold } from '../database/reconciliation-detectors';
import {
  detectorOf,
  REPAIRS_MAX,
  type DetectorName,
  type Finding,
  type FindingAction,
} from '../domain/reconciliation';
import { repair, type RepairDeps } from './reconciliation-repairs';

/**
 * Goes on only while this run has the lock.
 * @throws a failure `reconciliation_superseded` (not retryable) when another run has taken it
 */
export async function assertLease(pool: Pool, reconciliationId: string): Promise<void> {
  if (await keepLease(pool, reconciliationId)) return;
  throw ApplicationFailure.nonRetryable(
    'another reconciliation has taken the lock',
    'reconciliation_superseded',
  );
}

/** Does what its detector says about a finding. Idempotent by run, detector and subject. */
export async function dealWith(deps: RepairDeps, run: ReconciliationRun, finding: Finding): Promise<void> {
  const { pool } = deps;
  const { reconciliationId, dryRun } = run;
  const { remedy, source } = detectorOf(finding.detector);
  const isTelling = remedy === 'park' || remedy === 'report';
  // The database's own detectors leave out what was told before; others are asked here.
  if (isTelling && source !== 'database' && (await isTold(pool, finding))) return;
  if (dryRun) return noteFinding(pool, reconciliationId, finding, 'none');
  if (remedy === 'report') return noteFinding(pool, reconciliationId, finding, 'reported');
  if (remedy === 'park') return void (await parkFinding(pool, reconciliationId, finding));
  if (isMendedInDatabase(finding.detector)) return mend(deps, run, finding);
  const done = await openFinding(pool, reconciliationId, finding);
  if (done === 'none') await carryOut(deps, run, finding);
}

/** Finishes what this run's earlier try left between finding and repair. */
export async function redo(
  deps: RepairDeps,
  run: ReconciliationRun,
  detectors: readonly DetectorName[],
): Promise<void> {
  for (const finding of await unrepairedFindings(deps.pool, run.reconciliationId, detectors)) {
    await dealWith(deps, run, finding);
  }
}

/** Detectors whose repair leaves an event to be delivered. */
const LEAVES_EVENTS = new Set<DetectorName>(['missing_event', 'early_published_event']);

async function mend(deps: RepairDeps, run: ReconciliationRun, finding: Finding): Promise<void> {
  const { reconciliationId } = run;
  const at = deps.now().toISOString();
  const done = await mendInDatabase(deps.pool, { reconciliationId, at }, finding);
  // A crash before this leaves an event that nobody delivers: the light run finds it.
  if (done === 'repaired' && LEAVES_EVENTS.has(finding.detector) && finding.orderId !== null) {
    await deps.successors.delivery(finding.orderId);
  }
}

async function carryOut(deps: RepairDeps, run: ReconciliationRun, finding: Finding): Promise<void> {
  await repair(deps, finding);
  const action = await actionAfter(deps, run, finding);
  if (action === 'parked') await parkFinding(deps.pool, run.reconciliationId, finding);
  else await noteFinding(deps.pool, run.reconciliationId, finding, action);
}

/** What is repaired again and again is not repaired: a person has to look. */
async function actionAfter(
  { pool }: RepairDeps,
  { kind }: ReconciliationRun,
  finding: Finding,
): Promise<FindingAction> {
  if (kind !== 'full') return 'repaired';
  const repairs = await countRepairs(pool, finding, REPAIRS_MAX);
  return repairs >= REPAIRS_MAX ? 'parked' : 'repaired';
}
