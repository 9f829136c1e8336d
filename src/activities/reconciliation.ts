import type { Channel } from '../channels/channel';
import type { PhoneHash } from '../database/phone-hash';
import type { Pool } from '../database/pool';
import * as runs from '../database/reconciliation';
import { suspects } from '../database/reconciliation-detectors';
import type { ChannelName } from '../domain/message-status';
import type { Participants } from '../domain/participants';
import { detectorsOf, type DetectorName, type Finding, type Source } from '../domain/reconciliation';
import { keptFrom, type Retention } from '../domain/retention';
import type { Carrier } from '../gateways/carrier';
import type { PaymentGateway } from '../gateways/payments';
import type { Logger } from '../log';
import { concurrently } from './concurrently';
import { withHeartbeat } from './heartbeat';
import { findParcels } from './reconciliation-carrier';
import { findMessages } from './reconciliation-messages';
import { findMoney } from './reconciliation-payments';
import { assertLease, dealWith, redo } from './reconciliation-remedies';
import type { WorkflowRuns } from './reconciliation-runs';
import { findSplits } from './reconciliation-temporal';
import { rebuildOpenWork } from './rebuild';
import type { Successors } from './successors';

/** Findings of one detector that one run deals with; the next run goes on. A number that means an outage anyway. */
const FINDINGS_MAX = 10_000;
/** Repairs at once: each is a call to Temporal or a short transaction. */
const REPAIRED_AT_ONCE = 10;

export type ReconciliationRun = runs.ReconciliationRun;

export interface ReconciliationActivities {
  /** Takes the lock. Idempotent. @returns not begun when another run has it: this one does nothing */
  beginReconciliation(input: ReconciliationRun & { actor: string }): Promise<{ begun: boolean }>;
  /**
   * Looks with every detector of a run that asks this source, and does what each says about what it found. Idempotent: a
   * repeat finishes what it finds begun.
   * @throws a failure `reconciliation_superseded` (not retryable) when another run has taken the lock
   */
  reconcileSource(input: ReconciliationRun & { source: Source }): Promise<void>;
  /** Starts a workflow for all open work that has none: Temporal's data may be gone. Idempotent. */
  rebuildOpenWork(input: ReconciliationRun): Promise<void>;
  /** Frees the lock and counts. Idempotent. */
  finishReconciliation(input: {
    reconciliationId: string;
    unread: { source: Source; code: string }[];
  }): Promise<{ state: string; found: number; repaired: number; parked: number }>;
}

export interface ReconciliationDeps {
  pool: Pool;
  successors: Successors;
  gateway: PaymentGateway;
  carrier: Carrier;
  participants: Participants;
  channels: Partial<Record<ChannelName, Channel>>;
  phoneHash: PhoneHash;
  log: Pick<Logger, 'info' | 'warn'>;
  retention: Retention;
  now: () => Date;
  runs: WorkflowRuns;
}

export function createReconciliationActivities(deps: ReconciliationDeps): ReconciliationActivities {
  const { pool } = deps;
  return {
    async beginReconciliation(run) {
      return { begun: await runs.beginReconciliation(pool, run) };
    },
    reconcileSource: (run) => withHeartbeat(() => reconcileSource(deps, run)),
    rebuildOpenWork: (run) => withHeartbeat(() => rebuildOpenWork(deps, run)),
    async finishReconciliation(end) {
      const { state, found, detectors } = await runs.finishReconciliation(pool, end);
      const counts = Object.values(detectors);
      const [repaired, parked] = (['repaired', 'parked'] as const).map((action) =>
        counts.reduce((sum, count) => sum + count[action], 0),
      ) as [number, number];
      if (found > 0) deps.log.warn({ ...end, found, repaired, parked }, 'reconciliation found something');
      return { state, found, repaired, parked };
    },
  };
}

async function reconcileSource(
  deps: ReconciliationDeps,
  run: ReconciliationRun & { source: Source },
): Promise<void> {
  const { pool } = deps;
  const { reconciliationId, kind, source } = run;
  if (kind === 'rebuild') throw new RangeError('a rebuild looks for nothing');
  const detectors = detectorsOf(kind, source);
  await assertLease(pool, reconciliationId);
  if (!run.dryRun) await redo(deps, run, detectors);
  const counts = new Map<DetectorName, number>();
  for await (const findings of findingsOf(deps, source, detectors)) {
    await assertLease(pool, reconciliationId);
    const taken = findings.filter((finding) => isWithinLimit(counts, finding.detector));
    await concurrently(taken, REPAIRED_AT_ONCE, (finding) => dealWith(deps, run, finding));
  }
  for (const [detector, count] of counts) {
    if (count > FINDINGS_MAX) await runs.noteTruncated(pool, reconciliationId, detector);
  }
}

function isWithinLimit(counts: Map<DetectorName, number>, detector: DetectorName): boolean {
  const count = (counts.get(detector) ?? 0) + 1;
  counts.set(detector, count);
  return count <= FINDINGS_MAX;
}

/** Everything that the detectors of one source find. Reads only. */
async function* findingsOf(
  deps: ReconciliationDeps,
  source: Source,
  detectors: readonly DetectorName[],
): AsyncGenerator<Finding[], void, undefined> {
  const { pool } = deps;
  const now = deps.now();
  switch (source) {
    case 'database': {
      const eventsSince = keptFrom('events', deps.retention, now) ?? new Date(0).toISOString();
      for (const detector of detectors) {
        for await (const page of suspects(pool, { detector, now, eventsSince, onlyNew: true })) {
          yield page.map((suspect) => ({ ...suspect, detector }));
        }
      }
      return;
    }
    case 'temporal':
      return yield* findSplits(deps, now);
    case 'payments':
      return yield* findMoney(deps, { now, since: await lookBack(pool, source, now) });
    case 'carrier':
      if (deps.participants.carrier) yield* findParcels(deps, now);
      return;
    case 'messages':
      return yield* findMessages(deps, { now, since: await lookBack(pool, source, now) });
  }
}

const DAY_MS = 24 * 60 * 60 * 1_000;
/** What was young in the last run is looked at again, and a late success may be a day late. */
const OVERLAP_MS = 2 * DAY_MS;
/** The first run looks back this far. */
const FIRST_LOOK_MS = 30 * DAY_MS;

/** Since when a list of somebody else's is read, RFC 3339: the last complete run, and some days more. */
async function lookBack(pool: Pool, source: Source, now: Date): Promise<string> {
  const last = await runs.lastFullRunAt(pool, source);
  const since = last === null ? now.getTime() - FIRST_LOOK_MS : Date.parse(last) - OVERLAP_MS;
  return new Date(Math.max(since, now.getTime() - FIRST_LOOK_MS)).toISOString();
}
