import type { Pool } from 'pg';
import type { Decision, ParkedState } from '../domain/parked';
import { pageOf, type Page } from './page';
import { statement, type Queryable } from './transaction';

export interface StepToPark {
  /** Null when nobody here knows the order. */
  orderId: string | null;
  /** Names its object, such as `refund:{refundId}`. */
  step: string;
  reason: string;
  /** Who waits for the decision; null when nobody does. */
  workflowId: string | null;
}

/** A step that waits, and what an operator has said about it already. */
export interface WaitingStep {
  parkedId: string;
  decision: Decision | null;
}

/**
 * Puts a step where an operator sees it. Idempotent: a step is parked once at a time, and belongs to who asked last. The
 * decision of an operator that nobody has carried out yet comes back with it.
 */
export async function parkStep(pool: Pool, step: StepToPark): Promise<WaitingStep> {
  const [row] = await statement<WaitingStep>(pool, PARK, valuesOf(step));
  return row!;
}

/** The same in the caller's transaction. */
export async function insertParked(client: Queryable, step: StepToPark): Promise<void> {
  await client.query(PARK, valuesOf(step));
}

const PARK = `
  insert into aftercommit.parked_steps as p (order_id, step, reason, workflow_id) values ($1, $2, $3, $4)
  on conflict (order_id, step) where state = 'OPEN'
  do update set workflow_id = excluded.workflow_id, reason = excluded.reason
  returning p.parked_id as "parkedId", p.decision`;

function valuesOf({ orderId, step, reason, workflowId }: StepToPark): unknown[] {
  return [orderId, step, reason, workflowId];
}

/**
 * Closes a parked step once its decision is carried out, or once it needs none any more. Idempotent.
 * @param step.parkedId - only this parking of the step: a repeat that comes late must not close the next one
 * @param step.decision - for one that reached the workflow without having been stored: a signal by hand
 */
export async function unparkStep(
  pool: Pool,
  step: {
    orderId: string;
    step: string;
    parkedId?: string | undefined;
    decision?: Decision | undefined;
  },
): Promise<void> {
  await statement(
    pool,
    `update aftercommit.parked_steps
     set state = 'RESOLVED', resolved_at = now(), decision = coalesce(decision, $4),
         decided_at = case when $4::text is null then decided_at else coalesce(decided_at, now()) end
     where order_id = $1 and step = $2 and state = 'OPEN' and ($3::uuid is null or parked_id = $3)`,
    [step.orderId, step.step, step.parkedId ?? null, step.decision ?? null],
  );
}

export interface ParkedStepView {
  parkedId: string;
  orderId: string | null;
  step: string;
  /** Why it waits. */
  reason: string;
  workflowId: string | null;
  state: ParkedState;
  /** Null while nobody has decided, and for one that came to need no decision. */
  decision: Decision | null;
  /** Null for a decision that came as a signal by hand. */
  decidedBy: string | null;
  decisionReason: string | null;
  decidedAt: string | null;
  createdAt: string;
  resolvedAt: string | null;
}

export const PARKED_STEP = `p.parked_id as "parkedId", p.order_id as "orderId", p.step, p.reason, p.workflow_id as "workflowId", p.state,
  p.decision, p.decided_by as "decidedBy", p.decision_reason as "decisionReason", p.decided_at as "decidedAt",
  p.created_at as "createdAt", p.resolved_at as "resolvedAt"`;

export async function readParked(client: Queryable, parkedId: string): Promise<ParkedStepView | null> {
  const { rows } = await client.query<ParkedStepView>(
    `select ${PARKED_STEP} from aftercommit.parked_steps p where p.parked_id = $1`,
    [parkedId],
  );
  return rows[0] ?? null;
}

/** Absent members take all. */
export interface ParkedFilter {
  reason?: string | undefined;
  /** What the step's name begins with: `refund:`, or the whole of it. */
  step?: string | undefined;
  orderId?: string | undefined;
  /** RFC 3339: parked before here. */
  olderThan?: string | undefined;
}

/** The condition of a filter, given as JSON in `$1`. */
export const MATCHES = `
  ($1::jsonb ->> 'reason' is null or p.reason = $1::jsonb ->> 'reason')
  and ($1::jsonb ->> 'step' is null or starts_with(p.step, $1::jsonb ->> 'step'))
  and ($1::jsonb ->> 'orderId' is null or p.order_id = ($1::jsonb ->> 'orderId')::uuid)
  and p.created_at < coalesce(($1::jsonb ->> 'olderThan')::timestamptz, 'infinity')`;

/** Parked steps, newest first. */
export async function listParked(
  pool: Pool,
  filter: ParkedFilter & { state?: ParkedState | undefined; limit: number; cursor?: string | undefined },
): Promise<Page<ParkedStepView>> {
  const { state, limit, cursor, ...matching } = filter;
  return pageOf<ParkedStepView, ParkedStepView & { page_id: string; page_at: string }>(pool, {
    text: `select ${PARKED_STEP}, p.parked_id as page_id, date_trunc('milliseconds', p.created_at) as page_at
           from aftercommit.parked_steps p where ${MATCHES} and ($2::text is null or p.state = $2)`,
    values: [JSON.stringify(matching), state ?? null],
    page: { limit, cursor },
    view: ({ page_id: _id, page_at: _at, ...view }) => view,
  });
}

/** What a decision is told to: the workflow that waits for it. */
export type DecidedStep = Pick<ParkedStepView, 'parkedId' | 'orderId' | 'step'> & {
  workflowId: string;
  decision: Decision;
};
