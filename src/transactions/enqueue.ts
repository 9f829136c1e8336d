import type { Queryable } from '../database/transaction';

/** An event of your own, published once after your commit and not at all after a rollback. See docs/events.md. */
export interface EnqueuedEvent {
  /** Becomes `detail-type`: 1 to 128 visible ASCII characters, `flight.booked`. */
  type: string;
  /** A JSON object of at most 256 KB, without members `seq` and `subject`. No personal data: it is kept and replayed. */
  detail: object;
  /** Who says it. Default: `app`. */
  source?: string;
  /**
   * What it is about. Events of one subject are numbered and delivered in order; the subject is locked until you commit,
   * so enqueue late. Without one the event stands alone.
   */
  subject?: string;
  /** Under one key an event is written once. Not needed inside `doStep`, which runs once. */
  key?: string;
}

/** A Temporal workflow of your own, started once after your commit, in the service's namespace. */
export interface EnqueuedWorkflow {
  workflowType: string;
  /** The key: enqueued twice, it is started once. Not `order/…` nor another that the service uses itself. */
  workflowId: string;
  /** A task queue of your own workers. */
  taskQueue: string;
  /** Its one argument, as JSON of at most 256 KB. Default: `{}`. */
  input?: unknown;
}

/**
 * Writes an event in the caller's transaction, into the database that has the service's schema.
 * @returns the event's id; of the first event when there was one with this key
 * @throws what PostgreSQL says of a wrong argument (22023) or a missing right (42501): roll back
 */
export async function enqueueEvent(tx: Queryable, event: EnqueuedEvent): Promise<string> {
  const { type, detail, source = 'app', subject = null, key = null } = event;
  const { rows } = await tx.query<{ id: string }>('select aftercommit.enqueue($1, $2, $3, $4, $5) as id', [
    type,
    JSON.stringify(detail),
    source,
    subject,
    key,
  ]);
  return rows[0]!.id;
}

/**
 * Asks for a workflow in the caller's transaction.
 * @throws as `enqueueEvent`
 */
export async function enqueueWorkflow(tx: Queryable, workflow: EnqueuedWorkflow): Promise<void> {
  const { workflowType, workflowId, taskQueue, input = {} } = workflow;
  await tx.query('select aftercommit.enqueue_workflow($1, $2, $3, $4)', [
    workflowType,
    workflowId,
    taskQueue,
    JSON.stringify(input),
  ]);
}
