import { recordStep, type FulfilmentStep } from '../database/fulfilment';
import type { Pool } from '../database/pool';

export interface FulfilmentActivities {
  /**
   * Closes a step as an operator decided: `skip`, it was done by hand; `fail`, it never will be. Idempotent; a step that has
   * an outcome keeps it.
   */
  closeStep(input: { orderId: string; step: FulfilmentStep; decision: 'skip' | 'fail' }): Promise<void>;
}

export function createFulfilmentActivities({ pool }: { pool: Pool }): FulfilmentActivities {
  return {
    closeStep: ({ orderId, step, decision }) =>
      recordStep(
        pool,
        step,
        orderId,
        decision === 'skip' ? { kind: 'done' } : { kind: 'refused', code: 'failed_by_operator' },
      ),
  };
}
