import type { Pool } from 'pg';
import { statement } from './transaction';

/** Puts a step where an operator sees it. Idempotent: a step is parked once at a time. */
export async function parkStep(
  pool: Pool,
  step: { orderId: string; step: string; reason: string; workflowId: string },
): Promise<void> {
  await statement(
    pool,
    `insert into aftercommit.parked_steps (order_id, step, reason, workflow_id) values ($1, $2, $3, $4)
     on conflict (order_id, step) where state = 'OPEN' do nothing`,
    [step.orderId, step.step, step.reason, step.workflowId],
  );
}

/** Closes a parked step. Idempotent. */
export async function unparkStep(pool: Pool, step: { orderId: string; step: string }): Promise<void> {
  await statement(
    pool,
    `update aftercommit.parked_steps set state = 'RESOLVED', resolved_at = now()
     where order_id = $1 and step = $2 and state = 'OPEN'`,
    [step.orderId, step.step],
  );
}
