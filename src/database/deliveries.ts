import type { Pool } from 'pg';
import type { EventEnvelope } from '../domain/events';
import { IS_NEXT, IS_NOT_PAUSED, isOpen } from './delivery-order';
import { OWN_ORDERS } from './groups';
import { envelopeOf, orderingKeyOf, OUTBOX_COLUMNS, type OutboxRow } from './events';
import { keyed, prepared, statement } from './transaction';

/** Whose deliveries: the first ones of an order or a subject, of several, of a group's orders; or those of a replay. */
export type DeliveryScope =
  { aggregateId: string } | { aggregateIds: readonly string[] } | { groupId: string } | { replayId: string };

function inScope(scope: DeliveryScope): { condition: string; id: string | readonly string[] } {
  if ('replayId' in scope) return { condition: 'd.replay_id = $1', id: scope.replayId };
  if ('groupId' in scope)
    return { condition: `d.aggregate_id in (${OWN_ORDERS}) and d.replay_id is null`, id: scope.groupId };
  if ('aggregateIds' in scope)
    return { condition: 'd.aggregate_id = any ($1::uuid[]) and d.replay_id is null', id: scope.aggregateIds };
  return { condition: 'd.aggregate_id = $1 and d.replay_id is null', id: scope.aggregateId };
}

/** A delivery that this sender alone may make, until its claim is over. */
export interface ClaimedDelivery {
  deliveryId: string;
  event: EventEnvelope;
  orderingKey: string;
  ruleName: string;
  targetName: string;
  transformer: object | null;
  replayId: string | null;
  /** 1 for the first. */
  attempt: number;
  /** The same, counted from when an operator took it up again. */
  attemptOfBudget: number;
  firstAttemptAt: string;
}

/** Deliveries that one claim takes, unless more are asked for: the bound keeps one activity's work bounded. */
const CLAIM_MAX = 50;

/**
 * Claims what is due, in order: a delivery only when every lower seq of the same order and target is delivered or dead.
 * Claims that a dead sender left are taken over once their time is up, and at once by a later attempt of the same
 * activity, whose earlier one was given up. The attempt row is written in the same statement, so that an attempt that
 * vanished is seen.
 */
export async function claimDeliveries(
  pool: Pool,
  claim: {
    scope: DeliveryScope;
    claimedBy: string;
    sendForMs: number;
    limit?: number;
  },
): Promise<ClaimedDelivery[]> {
  const { condition, id } = inScope(claim.scope);
  // Of a group it is many orders: see `keyed`.
  const run = 'groupId' in claim.scope ? keyed : prepared;
  const rows = await run<
    OutboxRow & {
      delivery_id: string;
      rule_name: string;
      target_name: string;
      transformer: object | null;
      replay_id: string | null;
      attempts: number;
      attempts_before: number;
      first_attempt_at: string;
    }
  >(
    pool,
    `with due as (
       select d.delivery_id from aftercommit.deliveries d
       where ${condition}
         and ((d.state = 'READY' and d.next_attempt_at <= now()) or (d.state = 'SENDING' and (d.send_until < now() or d.claimed_by = $2)))
         and ${IS_NOT_PAUSED} and ${IS_NEXT}
       order by d.seq, d.delivery_id limit $4
       for no key update of d skip locked),
     claimed as (
       update aftercommit.deliveries d
       set state = 'SENDING', claimed_by = $2, send_until = now() + $3 * interval '1 millisecond', attempts = attempts + 1,
           first_attempt_at = coalesce(first_attempt_at, now())
       from due where d.delivery_id = due.delivery_id
       returning d.*),
     written as (
       insert into aftercommit.delivery_attempts (delivery_id, n, started_at)
       select delivery_id, attempts, clock_timestamp() from claimed
       union all
       -- The first one may have been claimed with its order's commit; then its row is written with its result, or here.
       select delivery_id, 1, first_attempt_at from claimed where attempts = 2
       on conflict do nothing)
     select c.delivery_id, c.rule_name, c.target_name, c.transformer, c.replay_id, c.attempts, c.attempts_before,
            c.first_attempt_at,
            ${OUTBOX_COLUMNS}
     from claimed c join aftercommit.outbox o on o.id = c.event_id
     order by o.position, c.delivery_id`,
    [id, claim.claimedBy, claim.sendForMs, claim.limit ?? CLAIM_MAX],
  );
  return rows.map((row) => ({
    deliveryId: row.delivery_id,
    event: envelopeOf(row),
    orderingKey: orderingKeyOf(row),
    ruleName: row.rule_name,
    targetName: row.target_name,
    transformer: row.transformer,
    replayId: row.replay_id,
    attempt: row.attempts,
    attemptOfBudget: row.attempts - row.attempts_before,
    firstAttemptAt: row.first_attempt_at,
  }));
}

/** What came of one attempt, in terms of its row. */
export interface DeliveryResult {
  result: 'delivered' | 'retry' | 'dead';
  status: number | null;
  latencyMs: number;
  code: string | null;
  message: string | null;
  /** In how many milliseconds it is tried again; only for `retry`. The database's clock counts, here and for claims. */
  retryInMs: number | null;
  /** True when the receiver asked for that wait. */
  askedToWait?: boolean;
}

/** What came of one attempt, and who made it. */
export interface DeliveryRecord {
  claimedBy: string;
  delivery: ClaimedDelivery;
  result: DeliveryResult;
}

/**
 * Stores what came of attempts, and closes each event whose last delivery this was. A late result of an earlier sender
 * counts when it delivered, and changes nothing otherwise. Idempotent.
 */
export async function recordDeliveries(pool: Pool, records: readonly DeliveryRecord[]): Promise<void> {
  const rows = records.map(({ claimedBy, delivery, result }) => ({
    claimed_by: claimedBy,
    delivery_id: delivery.deliveryId,
    // A replay says nothing of whether its event is published.
    event_id: delivery.replayId === null ? delivery.event.id : null,
    n: delivery.attempt,
    started_at: delivery.firstAttemptAt,
    result: result.result,
    http_status: result.status,
    latency_ms: result.latencyMs,
    error_code: result.code,
    error: result.message,
    retry_in_ms: result.retryInMs,
    asked_to_wait: result.askedToWait ?? false,
  }));
  await prepared(pool, 'select aftercommit.record_deliveries($1)', [JSON.stringify(rows)]);
}

/** Gives claims back unsent, as if they had not been made: their target's rate is used up. Idempotent. */
export async function postponeDeliveries(
  pool: Pool,
  claimedBy: string,
  deliveries: readonly ClaimedDelivery[],
  waitMs: number,
): Promise<void> {
  await statement(
    pool,
    `with back as (
       update aftercommit.deliveries d
       set state = 'READY', send_until = null, next_attempt_at = now() + $3 * interval '1 millisecond',
           attempts = d.attempts - 1, first_attempt_at = case when d.attempts > 1 then d.first_attempt_at end
       where d.delivery_id = any($1) and d.state = 'SENDING' and d.claimed_by = $2
       returning d.delivery_id, d.attempts)
     delete from aftercommit.delivery_attempts a using back
     where a.delivery_id = back.delivery_id and a.n = back.attempts + 1`,
    [deliveries.map((delivery) => delivery.deliveryId), claimedBy, waitMs],
  );
}

/**
 * In how many milliseconds the next delivery is due, or null when none is. One that waits for a lower seq is due when that
 * one is; one whose rule or target is paused is not due: whoever resumes it wakes its workflow.
 */
export async function nextDeliveryInMs(pool: Pool, scope: DeliveryScope): Promise<number | null> {
  const { condition, id } = inScope(scope);
  const [row] = await prepared<{ in_ms: number | null }>(
    pool,
    `select (extract(epoch from min(case when d.state = 'SENDING' then d.send_until else d.next_attempt_at end) - now()) * 1000)::bigint as in_ms
     from aftercommit.deliveries d
     where ${condition} and ${isOpen('d')} and ${IS_NOT_PAUSED} and ${IS_NEXT}`,
    [id],
  );
  return row?.in_ms ?? null;
}
