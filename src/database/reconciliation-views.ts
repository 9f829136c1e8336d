import type { Pool } from 'pg';
import {
  detectorOf,
  DETECTOR_NAMES,
  type DetectorName,
  type Finding,
  type FindingAction,
  type FindingClass,
  type ReconciliationKind,
  type Remedy,
  type Severity,
  type Source,
} from '../domain/reconciliation';
import { pageOf, type Page } from './page';
import { statement } from './transaction';

export type ReconciliationState = 'REQUESTED' | 'RUNNING' | 'COMPLETED' | 'REFUSED' | 'FAILED';

/** What a detector came to in a run. `open`: found, and nothing was done about it (a dry run, or not yet). */
export interface DetectorCount {
  class: FindingClass;
  severity: Severity;
  remedy: Remedy;
  found: number;
  repaired: number;
  parked: number;
  reported: number;
  open: number;
}

export interface ReconciliationView {
  reconciliationId: string;
  kind: ReconciliationKind;
  /** Reports only. */
  dryRun: boolean;
  state: ReconciliationState;
  actor: string;
  found: number;
  /** Of detectors that found something. */
  detectors: Partial<Record<DetectorName, DetectorCount>>;
  /** What could not be looked at, because it did not answer. */
  unread: { source: Source; code: string }[];
  /** Detectors with more than one run takes. */
  truncated: DetectorName[];
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
}

export interface FindingView extends Finding {
  class: FindingClass;
  severity: Severity;
  action: FindingAction;
  foundAt: string;
  repairedAt: string | null;
}

interface ReconciliationRow extends Omit<ReconciliationView, 'detectors' | 'found'> {
  counts: ({ detector: DetectorName } & Pick<DetectorCount, 'found' | 'repaired' | 'parked' | 'reported'>)[];
}

const VIEW = `
  select r.reconciliation_id as "reconciliationId", r.kind, r.dry_run as "dryRun", r.state, r.actor, r.unread, r.truncated,
         r.created_at as "createdAt", r.started_at as "startedAt", r.finished_at as "finishedAt",
         (select coalesce(json_agg(c), '[]') from (
            select f.detector, count(*)::int as found, (count(*) filter (where f.action = 'repaired'))::int as repaired,
                   (count(*) filter (where f.action = 'parked'))::int as parked,
                   (count(*) filter (where f.action = 'reported'))::int as reported
            from aftercommit.reconciliation_findings f where f.reconciliation_id = r.reconciliation_id group by f.detector) c) as counts
  from aftercommit.reconciliations r`;

export async function readReconciliation(
  pool: Pool,
  reconciliationId: string,
): Promise<ReconciliationView | null> {
  const [row] = await statement<ReconciliationRow>(pool, `${VIEW} where r.reconciliation_id = $1`, [
    reconciliationId,
  ]);
  return row === undefined ? null : viewOf(row);
}

/** Runs, newest first. */
export async function listReconciliations(
  pool: Pool,
  filter: { kind?: ReconciliationKind | undefined; limit: number; cursor?: string | undefined },
): Promise<Page<ReconciliationView>> {
  return pageOf<ReconciliationView, ReconciliationRow>(pool, {
    text: `select v.*, v."reconciliationId" as page_id, date_trunc('milliseconds', v."createdAt") as page_at from (${VIEW}) v
           where ($1::text is null or v.kind = $1)`,
    values: [filter.kind ?? null],
    page: filter,
    view: viewOf,
  });
}

/** What a run found, newest first. */
export async function listFindings(
  pool: Pool,
  filter: {
    reconciliationId: string;
    detector?: DetectorName | undefined;
    limit: number;
    cursor?: string | undefined;
  },
): Promise<Page<FindingView>> {
  return pageOf<FindingView, FindingView & { page_id: string; page_at: string }>(pool, {
    text: `select f.detector, f.class, f.severity, f.subject, f.order_id as "orderId", f.detail, f.action, f.found_at as "foundAt",
                  f.repaired_at as "repairedAt", f.finding_id as page_id, date_trunc('milliseconds', f.found_at) as page_at
           from aftercommit.reconciliation_findings f
           where f.reconciliation_id = $1 and ($2::text is null or f.detector = $2)`,
    values: [filter.reconciliationId, filter.detector ?? null],
    page: filter,
    view: ({ detector, class: of, severity, subject, orderId, detail, action, foundAt, repairedAt }) => ({
      detector,
      class: of,
      severity,
      subject,
      orderId,
      detail,
      action,
      foundAt,
      repairedAt,
    }),
  });
}

function viewOf(row: ReconciliationRow): ReconciliationView {
  const { reconciliationId, kind, dryRun, state, actor, unread, truncated } = row;
  const counted = row.counts.filter(({ detector }) => DETECTOR_NAMES.includes(detector));
  const detectors = Object.fromEntries(
    counted.map(({ detector, found, repaired, parked, reported }) => {
      const { class: of, severity, remedy } = detectorOf(detector);
      const open = found - repaired - parked - reported;
      return [detector, { class: of, severity, remedy, found, repaired, parked, reported, open }];
    }),
  );
  return {
    reconciliationId,
    kind,
    dryRun,
    state,
    actor,
    found: row.counts.reduce((sum, { found }) => sum + found, 0),
    detectors,
    unread,
    truncated,
    createdAt: row.createdAt,
    startedAt: row.startedAt,
    finishedAt: row.finishedAt,
  };
}
