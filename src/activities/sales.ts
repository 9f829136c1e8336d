import { ApplicationFailure } from '@temporalio/common';
import type { Pool } from '../database/pool';
import * as reconciliation from '../database/sale-reconciliation';
import * as sales from '../database/sales';
import type { Logger } from '../log';

export interface SaleActivities {
  /** Opens or closes a sale when its time has come, with its event, and says what is next. Idempotent. */
  advanceSale(input: { saleId: string }): Promise<sales.SaleStep>;
  /** Compares a closed sale with its orders; what differs is parked for an operator. Idempotent: the first count stays. */
  reconcileSale(input: { saleId: string }): Promise<{ differences: number }>;
}

export function createSaleActivities(deps: { pool: Pool; log: Pick<Logger, 'warn'> }): SaleActivities {
  const { pool, log } = deps;
  return {
    async advanceSale({ saleId }) {
      const step = await sales.advanceSale(pool, saleId);
      if (step === null) throw ApplicationFailure.nonRetryable('there is no such sale', 'unknown_sale');
      return step;
    },
    async reconcileSale({ saleId }) {
      const counted = await reconciliation.reconcileSale(pool, saleId);
      if (counted === null)
        throw ApplicationFailure.nonRetryable('the sale is not over', 'conflicting_state');
      const { differences } = counted;
      if (differences.length > 0) log.warn({ saleId, differences }, 'a sale differs from its orders');
      return { differences: differences.length };
    },
  };
}
