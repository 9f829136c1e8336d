import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities';
import { WORKFLOW_TYPES, type ReconciliationInput } from '../../src/workflows/messages';
import type { Scenario } from './scenario';

const RECONCILIATION_ID = '66666666-6666-4666-8666-666666666666';
const COUNTS = { state: 'COMPLETED', found: 3, repaired: 2, parked: 1 };

const begun = (isBegun: boolean) => () => Promise.resolve({ begun: isBegun });
const done = (): Promise<void> => Promise.resolve();
const counted = (): Promise<typeof COUNTS> => Promise.resolve(COUNTS);

function scenario(
  name: string,
  input: ReconciliationInput | undefined,
  activities: Partial<Activities>,
  asks: (keyof Activities)[],
  result: object,
): Scenario {
  const workflowType = WORKFLOW_TYPES.reconciliation;
  return { name, workflowType, input: input === undefined ? [] : [input], activities, asks, result };
}

const asked: ReconciliationInput = {
  reconciliationId: RECONCILIATION_ID,
  kind: 'full',
  dryRun: false,
  actor: 'test',
};

/** Every path of the reconciliation workflow. */
export function reconciliations(): Scenario[] {
  const full: Partial<Activities> = {
    beginReconciliation: begun(true),
    reconcileSource: done,
    finishReconciliation: counted,
  };
  const everySource = Array.from({ length: 5 }, (): keyof Activities => 'reconcileSource');
  const result = { reconciliationId: RECONCILIATION_ID, ...COUNTS };
  return [
    scenario(
      'reconciliation',
      undefined,
      full,
      ['beginReconciliation', 'reconcileSource', 'finishReconciliation'],
      expect.objectContaining(COUNTS) as object,
    ),
    scenario(
      'reconciliation-full',
      asked,
      full,
      ['beginReconciliation', ...everySource, 'finishReconciliation'],
      result,
    ),
    scenario(
      'reconciliation-with-a-gateway-that-does-not-answer',
      asked,
      {
        ...full,
        reconcileSource: ({ source }) =>
          source === 'payments'
            ? Promise.reject(ApplicationFailure.nonRetryable('no answer', 'gateway_unavailable'))
            : done(),
        finishReconciliation: ({ unread }) =>
          Promise.resolve({ ...COUNTS, state: unread.map(({ source, code }) => `${source} ${code}`).join() }),
      },
      ['beginReconciliation', ...everySource, 'finishReconciliation'],
      { ...result, state: 'payments gateway_unavailable' },
    ),
    scenario(
      'reconciliation-refused',
      asked,
      { beginReconciliation: begun(false) },
      ['beginReconciliation'],
      { reconciliationId: RECONCILIATION_ID, state: 'REFUSED', found: 0, repaired: 0, parked: 0 },
    ),
    scenario(
      'rebuild',
      { ...asked, kind: 'rebuild' },
      { ...full, rebuildOpenWork: done },
      ['beginReconciliation', 'rebuildOpenWork', 'finishReconciliation'],
      result,
    ),
  ];
}
