import { condition, continueAsNew, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { saleChanged, type SaleInput } from './messages';
import { advanceSale, reconcileSale } from './steps';

/**
 * Opens a sale and closes it, each at its time, and when no payment is waited for any more it has the sale compared with its
 * orders. `sale/{saleId}`. Where the sale is stands in PostgreSQL, so that every start is a resume. One that never closes
 * waits until somebody says when.
 */
export async function saleWorkflow({ saleId }: SaleInput): Promise<void> {
  let changed = false;
  setHandler(saleChanged, () => {
    changed = true;
  });
  for (;;) {
    changed = false;
    const { state, next, waitMs } = await advanceSale({ saleId });
    setCurrentDetails(`Sale \`${saleId}\`: **${state.toLowerCase()}**`);
    if (changed) continue;
    if (next === 'end') return;
    if (next === 'reconcile') {
      const { differences } = await reconcileSale({ saleId });
      setCurrentDetails(`Sale \`${saleId}\`: **closed**, ${differences} differences from its orders`);
      if (!changed) return;
    } else if (waitMs === null) await condition(() => changed);
    else await condition(() => changed, waitMs, { summary: WAITS_FOR[state] });
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof saleWorkflow>({ saleId });
  }
}

const WAITS_FOR = {
  SCHEDULED: 'until the sale opens',
  OPEN: 'until the sale closes',
  CLOSED: 'until the last payment deadline',
} as const;
