import type { Pool } from 'pg';
import type { EventEnvelope } from '../domain/events';
import { envelopeOf, type OutboxRow } from './events';
import { deliveryIdOf } from './ids';
import { pageOf, type Page } from './page';
import { statement, transaction } from './transaction';

export type DeliveryState = 'READY' | 'SENDING' | 'DELIVERED' | 'DEAD';

/** Where an event goes. Made by the bus from the rules; frozen here. */
export interface FrozenRoute {
  ruleName: string;
  targetName: string;
  transformer: object | null;
}

/**
 * Evaluates the rules for an order's new events and freezes the deliveries, in one transaction. Idempotent: an event is
 * routed once, whoever gets there first; a later change of a rule changes nothing for it.
 * @param route - decides where one event goes; must not do I/O
 * @returns how many events were routed by this call
 */
export async function routeEvents(
  pool: Pool,
  order: { orderId: string; at: string },
  route: (event: EventEnvelope) => FrozenRoute[],
): Promise<number> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<OutboxRow>(
      `select id, aggregate_id, seq, source, type, payload, created_at from aftercommit.outbox
       where aggregate_id = $1 and routed_at is null order by seq for no key update`,
      [order.orderId],
    );
    if (rows.length === 0) return 0;
    const deliveries = rows.flatMap((row) =>
      route(envelopeOf(row)).map((to) => ({
        delivery_id: deliveryIdOf(row.id, to.ruleName, to.targetName),
        event_id: row.id,
        seq: row.seq,
        rule_name: to.ruleName,
        target_name: to.targetName,
        transformer: to.transformer,
      })),
    );
    if (deliveries.length > 0) {
      await client.query(
        `insert into aftercommit.deliveries (delivery_id, event_id, aggregate_id, seq, rule_name, target_name, transformer,
                                             created_at)
         select d.delivery_id, d.event_id, $2, d.seq, d.rule_name, d.target_name, d.transformer, $3
         from jsonb_to_recordset($1) as d (delivery_id uuid, event_id uuid, seq int, rule_name text, target_name text, transformer jsonb)
         on conflict do nothing`,
        [JSON.stringify(deliveries), order.orderId, order.at],
      );
    }
    // An event that no rule wants is done as soon as that is known.
    await client.query(
      `update aftercommit.outbox o
       set routed_at = $2,
           published_at = case when exists (select 1 from aftercommit.deliveries d where d.event_id = o.id) then null else $2::timestamptz end
       where o.id = any($1)`,
      [rows.map((row) => row.id), order.at],
    );
    return rows.length;
  });
}

/** A delivery that this sender alone may make, until `sendUntil`. */
export interface ClaimedDelivery {
  deliveryId: string;
  event: EventEnvelope;
  ruleName: string;
  targetName: string;
  transformer: Record<string, unknown> | null;
  /** 1 for the first. */
  attempt: number;
  firstAttemptAt: string;
}

/** Deliveries that one claim takes at most. An order has few; the bound keeps one activity's work bounded. */
const CLAIM_MAX = 50;

/**
 * Claims what is due of an order, in order: a delivery only when every lower seq of the same order and target is
 * delivered or dead. Claims that a dead sender left are taken over once their time is up, and at once by a later attempt of
 * the same activity, whose earlier one was given up. The attempt row is written in
 * the same statement, so that an attempt that vanished is seen.
 */
export async function claimDeliveries(
  pool: Pool,
  claim: { orderId: string; claimedBy: string; sendForMs: number },
): Promise<ClaimedDelivery[]> {
  const rows = await statement<
    OutboxRow & {
      delivery_id: string;
      rule_name: string;
      target_name: string;
      transformer: Record<string, unknown> | null;
      attempts: number;
      first_attempt_at: string;
    }
  >(
    pool,
    `with due as (
       select d.delivery_id from aftercommit.deliveries d
       left join aftercommit.rules r on r.name = d.rule_name
       where d.aggregate_id = $1
         and ((d.state = 'READY' and d.next_attempt_at <= now()) or (d.state = 'SENDING' and (d.send_until < now() or d.claimed_by = $2)))
         and r.state is distinct from 'PAUSED'
         and not exists (select 1 from aftercommit.deliveries e
                         where e.aggregate_id = d.aggregate_id and e.target_name = d.target_name and e.seq < d.seq
                           and e.state in ('READY', 'SENDING'))
       order by d.seq, d.delivery_id limit ${CLAIM_MAX}
       for no key update of d skip locked),
     claimed as (
       update aftercommit.deliveries d
       set state = 'SENDING', claimed_by = $2, send_until = now() + $3 * interval '1 millisecond', attempts = attempts + 1,
           first_attempt_at = coalesce(first_attempt_at, now())
       from due where d.delivery_id = due.delivery_id
       returning d.*),
     written as (
       insert into aftercommit.delivery_attempts (delivery_id, n, started_at)
       select delivery_id, attempts, clock_timestamp() from claimed)
     select c.delivery_id, c.rule_name, c.target_name, c.transformer, c.attempts, c.first_attempt_at,
            o.id, o.aggregate_id, o.seq, o.source, o.type, o.payload, o.created_at
     from claimed c join aftercommit.outbox o on o.id = c.event_id
     order by c.seq, c.delivery_id`,
    [claim.orderId, claim.claimedBy, claim.sendForMs],
  );
  return rows.map((row) => ({
    deliveryId: row.delivery_id,
    event: envelopeOf(row),
    ruleName: row.rule_name,
    targetName: row.target_name,
    transformer: row.transformer,
    attempt: row.attempts,
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
}

const STATE_AFTER: Record<DeliveryResult['result'], DeliveryState> = {
  delivered: 'DELIVERED',
  retry: 'READY',
  dead: 'DEAD',
};

/**
 * Stores what came of an attempt, and closes the event when it was the last. A late result of an earlier sender counts
 * when it delivered, and changes nothing otherwise. Idempotent.
 */
export async function recordDelivery(
  pool: Pool,
  delivery: ClaimedDelivery,
  claimedBy: string,
  result: DeliveryResult,
): Promise<void> {
  await transaction(pool, async (client) => {
    await client.query(
      `update aftercommit.delivery_attempts set latency_ms = $3, http_status = $4, result = $5, error_code = $6, error = $7
       where delivery_id = $1 and n = $2`,
      [
        delivery.deliveryId,
        delivery.attempt,
        result.latencyMs,
        result.status,
        result.result,
        result.code,
        result.message,
      ],
    );
    await client.query(
      `update aftercommit.deliveries
       set state = $3, error_code = $4, next_attempt_at = case when $5::float is null then next_attempt_at else now() + $5 * interval '1 millisecond' end,
           send_until = null,
           finished_at = case when $3 in ('DELIVERED', 'DEAD') then now() end
       where delivery_id = $1 and state <> 'DELIVERED'
         and ($3 = 'DELIVERED' or (state = 'SENDING' and claimed_by = $2))`,
      [delivery.deliveryId, claimedBy, STATE_AFTER[result.result], result.code, result.retryInMs],
    );
    if (result.result !== 'delivered') return;
    // Two last deliveries that end at once must not each miss the other: they take turns on the event's row.
    await client.query('select 1 from aftercommit.outbox where id = $1 for no key update', [
      delivery.event.id,
    ]);
    await client.query(
      `update aftercommit.outbox o set published_at = now()
       where o.id = $1 and o.published_at is null and o.routed_at is not null
         and not exists (select 1 from aftercommit.deliveries d where d.event_id = o.id and d.state <> 'DELIVERED')`,
      [delivery.event.id],
    );
  });
}

/** How long a paused rule's deliveries are left alone before they are looked at again, in seconds. */
const PAUSED_LOOK_SECONDS = 60;

/**
 * In how many milliseconds the next delivery of an order is due, or null when none is open. One that waits for a lower seq is
 * due when that one is; a paused one is looked at again after a minute.
 */
export async function nextDeliveryInMs(pool: Pool, orderId: string): Promise<number | null> {
  const [row] = await statement<{ in_ms: number | null }>(
    pool,
    `select (extract(epoch from min(case when r.state = 'PAUSED' then now() + interval '${PAUSED_LOOK_SECONDS} seconds'
                     when d.state = 'SENDING' then d.send_until else d.next_attempt_at end) - now()) * 1000)::bigint as in_ms
     from aftercommit.deliveries d left join aftercommit.rules r on r.name = d.rule_name
     where d.aggregate_id = $1 and d.state in ('READY', 'SENDING')
       and not exists (select 1 from aftercommit.deliveries e
                       where e.aggregate_id = d.aggregate_id and e.target_name = d.target_name and e.seq < d.seq
                         and e.state in ('READY', 'SENDING'))`,
    [orderId],
  );
  return row?.in_ms ?? null;
}

export interface DeliveryView {
  deliveryId: string;
  eventId: string;
  orderId: string;
  seq: number;
  type: string;
  rule: string;
  target: string;
  state: DeliveryState;
  attempts: {
    n: number;
    startedAt: string;
    latencyMs: number | null;
    status: number | null;
    result: string | null;
    code: string | null;
    error: string | null;
  }[];
  errorCode: string | null;
  nextAttemptAt: string | null;
  createdAt: string;
  finishedAt: string | null;
}

export interface DeliveryFilter {
  state?: DeliveryState | undefined;
  target?: string | undefined;
  rule?: string | undefined;
  orderId?: string | undefined;
  eventId?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** Deliveries with their attempts, newest first. */
export async function listDeliveries(pool: Pool, filter: DeliveryFilter): Promise<Page<DeliveryView>> {
  return pageOf<DeliveryView, DeliveryView>(pool, {
    text: `select d.delivery_id as "deliveryId", d.event_id as "eventId", d.aggregate_id as "orderId", d.seq, o.type,
             d.rule_name as rule, d.target_name as target, d.state, d.error_code as "errorCode",
             case when d.state = 'READY' then d.next_attempt_at end as "nextAttemptAt",
             d.created_at as "createdAt", d.finished_at as "finishedAt", d.delivery_id as page_id, d.created_at as page_at,
             (select coalesce(json_agg(json_build_object('n', a.n, 'startedAt', a.started_at, 'latencyMs', a.latency_ms,
                       'status', a.http_status, 'result', a.result, 'code', a.error_code, 'error', a.error) order by a.n), '[]')
              from aftercommit.delivery_attempts a where a.delivery_id = d.delivery_id) as attempts
           from aftercommit.deliveries d join aftercommit.outbox o on o.id = d.event_id
           where ($1::text is null or d.state = $1) and ($2::text is null or d.target_name = $2)
             and ($3::text is null or d.rule_name = $3) and ($4::uuid is null or d.aggregate_id = $4)
             and ($5::uuid is null or d.event_id = $5)`,
    values: [
      filter.state ?? null,
      filter.target ?? null,
      filter.rule ?? null,
      filter.orderId ?? null,
      filter.eventId ?? null,
    ],
    page: filter,
    view: (row) => {
      const { deliveryId, eventId, orderId, seq, type, rule, target, state, attempts } = row;
      const { errorCode, nextAttemptAt, createdAt, finishedAt } = row;
      return {
        deliveryId,
        eventId,
        orderId,
        seq,
        type,
        rule,
        target,
        state,
        attempts,
        errorCode,
        nextAttemptAt,
        createdAt,
        finishedAt,
      };
    },
  });
}
