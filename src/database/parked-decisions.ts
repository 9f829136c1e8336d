import type { Pool } from 'pg';
import { heldAttemptOf, type Decision } from '../domain/parked';
import { AppError, ConflictingStateError, StepResolvedError } from '../errors';
import { appendAudit } from './audit';
import { decideHeldAttempt, lockNotificationOf, type DecidedAttempt } from './held-attempts';
import type { LockedNotification } from './notification-settling';
import { MATCHES, readParked, type ParkedFilter, type ParkedStepView } from './parked';
import { ONCE, statement, transaction, type Queryable } from './transaction';

/** What an operator says. */
export interface Verdict {
  decision: Decision;
  reason: string | null;
  actor: string;
}

/** A decision that is stored. */
export interface ResolvedStep {
  step: ParkedStepView;
  /** What it made of a message to a person; null for every other step. */
  attempt: DecidedAttempt | null;
}

/**
 * Stores a decision with who took it and why, and an audit row, in one transaction. Nothing is decided twice: a repeat of
 * the same words by the same person, while the workflow has not carried them out, changes nothing and is no failure, so
 * that a lost signal can be sent again. A step that no workflow waits for is RESOLVED at once.
 * @returns null when there is no such step
 * @throws StepResolvedError, ConflictingStateError, NotificationInProgressError, ContactErasedError (none retryable)
 */
export async function resolveParked(
  pool: Pool,
  parkedId: string,
  verdict: Verdict,
): Promise<ResolvedStep | null> {
  return transaction(
    pool,
    async (client) => {
      // Before the step's own row: whoever settles a message holds them in this order too.
      const notification = await lockNotification(client, parkedId);
      await client.query('select 1 from aftercommit.parked_steps where parked_id = $1 for update', [
        parkedId,
      ]);
      const step = await readParked(client, parkedId);
      if (step === null) return null;
      if (isDecided(step)) {
        if (!isSame(step, verdict)) throw alreadyResolved(step);
        return { step, attempt: null };
      }
      refuseUselessRetry(step, verdict, notification);
      await store(client, step, { ...verdict, isDone: notification !== null || step.workflowId === null });
      const attempt = notification === null ? null : await decideHeldAttempt(client, notification, verdict);
      return { step: (await readParked(client, parkedId))!, attempt };
    },
    ONCE,
  );
}

/** Of a step that is about a message, the message is held first. */
async function lockNotification(client: Queryable, parkedId: string): Promise<LockedNotification | null> {
  const attemptId = heldAttemptOf((await readParked(client, parkedId))?.step ?? '');
  return attemptId === null ? null : lockNotificationOf(client, attemptId);
}

function isDecided({ state, decision }: ParkedStepView): boolean {
  return state === 'RESOLVED' || decision !== null;
}

/** Said before in the same words by the same person, and not carried out yet. */
function isSame(step: ParkedStepView, { decision, reason, actor }: Verdict): boolean {
  return (
    step.state === 'OPEN' &&
    step.decision === decision &&
    step.decisionReason === reason &&
    step.decidedBy === actor
  );
}

function alreadyResolved({ state, decision }: ParkedStepView): StepResolvedError {
  return decision === null
    ? new StepResolvedError('It needs no decision any more.', { extensions: { state } })
    : new StepResolvedError('It was decided before.', { extensions: { state, decision } });
}

/** There is nothing to try where nobody waits: such a step tells of something that has happened. */
function refuseUselessRetry(
  { state, workflowId }: ParkedStepView,
  { decision }: Verdict,
  notification: LockedNotification | null,
): void {
  if (decision !== 'retry' || workflowId !== null || notification !== null) return;
  throw new ConflictingStateError('There is nothing to be tried again: say skip, or fail.', {
    extensions: { state },
  });
}

async function store(
  client: Queryable,
  { parkedId, orderId, step }: ParkedStepView,
  { decision, reason, actor, isDone }: Verdict & { isDone: boolean },
): Promise<void> {
  await client.query(
    `update aftercommit.parked_steps
     set decision = $2, decided_by = $3, decision_reason = $4, decided_at = now(),
         state = case when $5 then 'RESOLVED' else state end, resolved_at = case when $5 then now() end
     where parked_id = $1`,
    [parkedId, decision, actor, reason, isDone],
  );
  const detail = { orderId, step, decision, reason };
  await appendAudit(client, { actor, action: 'parked.resolve', subject: `parked/${parkedId}`, detail });
}

/** Steps that one request decides about: some seconds of short transactions and signals. */
export const RESOLVE_MAX = 500;

export interface ResolvedSteps {
  resolved: ResolvedStep[];
  /** Steps for which the decision was refused, and why. */
  refused: { parkedId: string; code: string }[];
  /** Steps that match and that nobody has decided about yet: more than one request decides about, or parked meanwhile. */
  remaining: number;
}

/**
 * The same for the steps that a filter finds, oldest first, each in its own transaction, at most `RESOLVE_MAX` of them.
 * Steps for which this was said before and not carried out yet come last, so that a repeat sends lost signals again.
 */
export async function resolveParkedByFilter(
  pool: Pool,
  filter: ParkedFilter,
  verdict: Verdict,
): Promise<ResolvedSteps> {
  const resolved: ResolvedStep[] = [];
  const refused: ResolvedSteps['refused'] = [];
  for (const parkedId of await matching(pool, filter, verdict)) {
    try {
      const one = await resolveParked(pool, parkedId, verdict);
      if (one !== null) resolved.push(one);
    } catch (error) {
      // Somebody else decided meanwhile, or the message cannot be sent. Whatever may succeed later ends the request.
      if (!(error instanceof AppError) || error.retryable) throw error;
      refused.push({ parkedId, code: error.code });
    }
  }
  const remaining = await countUndecided(pool, filter, verdict);
  const stillOpen = refused.filter(({ code }) => code !== StepResolvedError.code).length;
  return { resolved, refused, remaining: Math.max(0, remaining - stillOpen) };
}

/** What can be decided so: to try again what nobody waits for is left out. */
const DECIDABLE = `p.state = 'OPEN' and ${MATCHES} and ($2 <> 'retry' or p.workflow_id is not null)`;

async function matching(pool: Pool, filter: ParkedFilter, verdict: Verdict): Promise<string[]> {
  const { decision, actor, reason } = verdict;
  const rows = await statement<{ parked_id: string }>(
    pool,
    `select p.parked_id from aftercommit.parked_steps p
     where ${DECIDABLE}
       and (p.decision is null or (p.decision = $2 and p.decided_by = $3 and p.decision_reason is not distinct from $4))
     order by p.decision is not null, p.created_at, p.parked_id limit ${RESOLVE_MAX}`,
    [JSON.stringify(filter), decision, actor, reason],
  );
  return rows.map((row) => row.parked_id);
}

async function countUndecided(pool: Pool, filter: ParkedFilter, { decision }: Verdict): Promise<number> {
  const [row] = await statement<{ count: number }>(
    pool,
    `select count(*)::int as count from aftercommit.parked_steps p where ${DECIDABLE} and p.decision is null`,
    [JSON.stringify(filter), decision],
  );
  return row!.count;
}
