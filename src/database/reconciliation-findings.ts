import type { Pool } from 'pg';
import { detectorOf, type DetectorName, type Finding, type FindingAction } from '../domain/reconciliation';
import { statement, type Queryable } from './transaction';

/**
 * Writes a finding, in the transaction of what is done about it where there is one. Idempotent by run, detector and
 * subject.
 * @returns what was done about it by then: a repeat of an activity must not do it again
 */
export async function recordFinding(
  client: Queryable,
  reconciliationId: string,
  finding: Finding,
): Promise<FindingAction> {
  const { class: of, severity } = detectorOf(finding.detector);
  const { rows } = await client.query<{ action: FindingAction }>(
    `insert into aftercommit.reconciliation_findings as f (reconciliation_id, detector, class, severity, subject, order_id, detail)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (reconciliation_id, detector, subject) do update set detail = f.detail returning action`,
    [
      reconciliationId,
      finding.detector,
      of,
      severity,
      finding.subject,
      finding.orderId,
      JSON.stringify(finding.detail),
    ],
  );
  return rows[0]!.action;
}

/** Writes what was done about a finding. Idempotent; the first thing done counts. */
export async function markFinding(
  client: Queryable,
  reconciliationId: string,
  finding: Pick<Finding, 'detector' | 'subject'>,
  action: Exclude<FindingAction, 'none'>,
): Promise<void> {
  await client.query(
    `update aftercommit.reconciliation_findings set action = $4, repaired_at = case when $4 = 'repaired' then now() end
     where reconciliation_id = $1 and detector = $2 and subject = $3 and action = 'none'`,
    [reconciliationId, finding.detector, finding.subject, action],
  );
}

/** Findings of a run about which nothing was done yet: whoever wrote them died before the repair, or before he said so. */
export async function unrepairedFindings(
  pool: Pool,
  reconciliationId: string,
  detectors: readonly DetectorName[],
): Promise<Finding[]> {
  return statement<Finding>(
    pool,
    `select detector, subject, order_id as "orderId", detail from aftercommit.reconciliation_findings
     where reconciliation_id = $1 and detector = any ($2) and action = 'none' order by found_at, finding_id`,
    [reconciliationId, detectors],
  );
}

/** In how many of the last full runs the same thing was repaired already. */
export async function countRepairs(
  pool: Pool,
  finding: Pick<Finding, 'detector' | 'subject'>,
  runs: number,
): Promise<number> {
  const [row] = await statement<{ repairs: number }>(
    pool,
    `select count(*)::int as repairs from aftercommit.reconciliation_findings f
     where f.detector = $1 and f.subject = $2 and f.action = 'repaired' and f.reconciliation_id in (
       select r.reconciliation_id from aftercommit.reconciliations r
       where r.kind = 'full' and not r.dry_run and r.state = 'COMPLETED' order by r.created_at desc limit $3)`,
    [finding.detector, finding.subject, runs],
  );
  return row!.repairs;
}
