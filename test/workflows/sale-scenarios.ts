import type { Activities } from '../../src/activities';
import { saleChanged, WORKFLOW_TYPES } from '../../src/workflows/messages';
import { inTurn, type Scenario } from './scenario';

type SaleStep = Awaited<ReturnType<Activities['advanceSale']>>;

const sale = { workflowType: WORKFLOW_TYPES.sale, input: [{ saleId: 'friday' }] };
const HOUR_MS = 3_600_000;
const reconciled = (differences: number) => () => Promise.resolve({ differences });
const waiting = (state: SaleStep['state'], waitMs: number | null): SaleStep => ({
  state,
  next: 'wait',
  waitMs,
});
const due: SaleStep = { state: 'CLOSED', next: 'reconcile', waitMs: null };

/** Every path of the sale workflow. */
export const sales: Scenario[] = [
  {
    ...sale,
    name: 'sale-opened-and-closed-at-its-times',
    activities: {
      advanceSale: inTurn<SaleStep>(
        waiting('SCHEDULED', HOUR_MS),
        waiting('OPEN', HOUR_MS),
        waiting('CLOSED', 25 * 60_000),
        due,
      ),
      reconcileSale: reconciled(0),
    },
    asks: ['advanceSale', 'advanceSale', 'advanceSale', 'advanceSale', 'reconcileSale'],
    result: undefined,
  },
  {
    ...sale,
    name: 'sale-without-an-end-then-given-one',
    activities: {
      advanceSale: inTurn<SaleStep>(waiting('OPEN', null), waiting('OPEN', HOUR_MS), due),
      reconcileSale: reconciled(2),
    },
    meanwhile: { when: 'advanceSale', act: (handle) => handle.signal(saleChanged) },
    asks: ['advanceSale', 'advanceSale', 'advanceSale', 'reconcileSale'],
    result: undefined,
  },
  {
    ...sale,
    name: 'sale-woken-after-its-end',
    activities: {
      advanceSale: () => Promise.resolve({ state: 'CLOSED', next: 'end', waitMs: null }),
    },
    asks: ['advanceSale'],
    result: undefined,
  },
];
