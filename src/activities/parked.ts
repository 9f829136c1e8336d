import * as parked from '../database/parked';
import type { Pool } from '../database/pool';
import type { Decision } from '../domain/parked';

export interface ParkedActivities {
  /** Puts a step where an operator sees it, and reads what one has said already. Idempotent: parked once at a time. */
  parkStep(input: {
    orderId: string;
    step: string;
    reason: string;
    workflowId: string;
  }): Promise<parked.WaitingStep>;
  /**
   * Closes a parked step. Idempotent.
   * @param input.parkedId - only this parking of it
   * @param input.decision - what was carried out
   */
  unparkStep(input: {
    orderId: string;
    step: string;
    parkedId?: string | undefined;
    decision?: Decision | undefined;
  }): Promise<void>;
}

export function createParkedActivities(deps: { pool: Pool }): ParkedActivities {
  return {
    parkStep: (step) => parked.parkStep(deps.pool, step),
    unparkStep: (step) => parked.unparkStep(deps.pool, step),
  };
}
