import { ActivityFailure, ApplicationFailure, setCurrentDetails, uuid4 } from '@temporalio/workflow';
import { sourcesOf, type Source } from '../domain/reconciliation';
import type { ReconciliationInput } from './messages';
import { beginReconciliation, finishReconciliation, rebuildOpenWork, reconcileSource } from './steps';

export interface ReconciliationResult {
  reconciliationId: string;
  state: string;
  found: number;
  repaired: number;
  parked: number;
}

/** What the schedule of the light run says; that of the full run says so. */
const LIGHT: ReconciliationInput = { kind: 'light', dryRun: false, actor: 'schedule' };

/**
 * Looks for what is wrong, repairs what has one right answer and parks the rest. `reconcile/{reconciliationId}`, or begun by
 * a schedule. One at a time: a second one says so and does nothing. Whoever does not answer leaves out what he was to be
 * asked, and nothing else.
 */
export async function reconciliationWorkflow(
  input: ReconciliationInput = LIGHT,
): Promise<ReconciliationResult> {
  const { kind, dryRun, actor } = input;
  const reconciliationId = input.reconciliationId ?? uuid4();
  const run = { reconciliationId, kind, dryRun };
  setCurrentDetails(`Reconciliation \`${reconciliationId}\`: **${kind}**${dryRun ? ', dry run' : ''}`);
  const { begun } = await beginReconciliation({ ...run, actor });
  if (!begun) return { reconciliationId, state: 'REFUSED', found: 0, repaired: 0, parked: 0 };

  const unread: { source: Source; code: string }[] = [];
  for (const source of sourcesOf(kind)) {
    const code = await codeOf(() =>
      kind === 'rebuild' ? rebuildOpenWork(run) : reconcileSource({ ...run, source }),
    );
    if (code !== null) unread.push({ source, code });
  }
  return { reconciliationId, ...(await finishReconciliation({ reconciliationId, unread })) };
}

/** Null when it was done; else why it could not be. */
async function codeOf(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    return error.cause instanceof ApplicationFailure
      ? (error.cause.type ?? 'activity_failed')
      : 'activity_failed';
  }
}
