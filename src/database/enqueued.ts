import type { Pool } from 'pg';
import { statement } from './transaction';

/** A workflow that a caller enqueued inside a transaction of its own. */
export interface WorkflowStart {
  workflowId: string;
  workflowType: string;
  taskQueue: string;
  input: unknown;
}

/** How long a start that failed is left alone, in seconds; doubled each time up to the maximum. */
const RETRY_SECONDS = { first: 1, maximum: 60 };

/**
 * Subjects of callers' own events with events that nobody has routed yet, by id: what the bridge finds when it begins.
 * @param page.after - the last one of the page before
 */
export async function unroutedSubjects(
  pool: Pool,
  page: { after: string | null; limit: number },
): Promise<string[]> {
  const rows = await statement<{ aggregate_id: string }>(
    pool,
    `select distinct aggregate_id from aftercommit.outbox
     where routed_at is null and aggregate_type = 'subject' and ($1::uuid is null or aggregate_id > $1)
     order by aggregate_id limit $2`,
    [page.after, page.limit],
  );
  return rows.map((row) => row.aggregate_id);
}

/** Workflows that are due to be started, oldest first. */
export async function dueWorkflowStarts(pool: Pool, limit: number): Promise<WorkflowStart[]> {
  return statement<WorkflowStart>(
    pool,
    `${START} where started_at is null and next_attempt_at <= now() order by created_at limit $1`,
    [limit],
  );
}

/** True when a start that failed waits for the time at which it is tried again. */
export async function hasPostponedStarts(pool: Pool): Promise<boolean> {
  const rows = await statement(
    pool,
    'select 1 from aftercommit.workflow_starts where started_at is null and next_attempt_at > now() limit 1',
    [],
  );
  return rows.length > 0;
}

/** @returns null when it is started, or was never enqueued */
export async function readWorkflowStart(pool: Pool, workflowId: string): Promise<WorkflowStart | null> {
  const [row] = await statement<WorkflowStart>(
    pool,
    `${START} where started_at is null and workflow_id = $1`,
    [workflowId],
  );
  return row ?? null;
}

const START = `select workflow_id as "workflowId", workflow_type as "workflowType", task_queue as "taskQueue", input
  from aftercommit.workflow_starts`;

/** Idempotent. The input is dropped: Temporal has it now. */
export async function recordWorkflowStarted(pool: Pool, workflowId: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.workflow_starts set started_at = coalesce(started_at, now()), error = null, input = '{}'
     where workflow_id = $1`,
    [workflowId],
  );
}

/** Remembers why a start failed, for operators, and when it is tried again. */
export async function recordStartFailed(pool: Pool, workflowId: string, message: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.workflow_starts
     set attempts = attempts + 1, error = $2,
         next_attempt_at = now() + least(${RETRY_SECONDS.maximum}, ${RETRY_SECONDS.first} * 2 ^ least(attempts, 10)) * interval '1 second'
     where workflow_id = $1 and started_at is null`,
    [workflowId, message.slice(0, 500)],
  );
}
