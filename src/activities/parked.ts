import * as parked from '../database/parked';
import type { Pool } from '../database/pool';

export interface ParkedActivities {
  /** Puts a step where an operator sees it. Idempotent. */
  parkStep(input: { orderId: string; step: string; reason: string; workflowId: string }): Promise<void>;
  /** Closes a parked step. Idempotent. */
  unparkStep(input: { orderId: string; step: string }): Promise<void>;
}

export function createParkedActivities(deps: { pool: Pool }): ParkedActivities {
  return {
    parkStep: (step) => parked.parkStep(deps.pool, step),
    unparkStep: (step) => parked.unparkStep(deps.pool, step),
  };
}
