import type { Pool } from 'pg';
import { pageOf, type Page } from './page';
import { statement } from './transaction';

export type DeliveryState = 'READY' | 'SENDING' | 'DELIVERED' | 'DEAD';

export interface DeliveryView {
  deliveryId: string;
  eventId: string;
  /** Null for a caller's own event. */
  orderId: string | null;
  /** Null for an order's event, and for one that has none. */
  subject: string | null;
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
  /** The replay that sent it, or null for the first delivery. */
  replayId: string | null;
  nextAttemptAt: string | null;
  createdAt: string;
  firstAttemptAt: string | null;
  finishedAt: string | null;
  /** When an operator took it up again. */
  redrivenAt: string | null;
}

export interface DeliveryFilter {
  state?: DeliveryState | undefined;
  target?: string | undefined;
  rule?: string | undefined;
  code?: string | undefined;
  orderId?: string | undefined;
  replayId?: string | undefined;
  eventId?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

const VIEW = `d.delivery_id as "deliveryId", d.event_id as "eventId",
  case when o.aggregate_type = 'order' then d.aggregate_id end as "orderId", o.subject, d.seq, o.type,
  d.rule_name as rule, d.target_name as target, d.state, d.error_code as "errorCode", d.replay_id as "replayId",
  case when d.state = 'READY' then d.next_attempt_at end as "nextAttemptAt", d.created_at as "createdAt",
  d.first_attempt_at as "firstAttemptAt", d.finished_at as "finishedAt", d.redriven_at as "redrivenAt",
  (select coalesce(json_agg(json_build_object('n', a.n, 'startedAt', a.started_at, 'latencyMs', a.latency_ms,
            'status', a.http_status, 'result', a.result, 'code', a.error_code, 'error', a.error) order by a.n), '[]')
   from aftercommit.delivery_attempts a where a.delivery_id = d.delivery_id) as attempts`;

/** Deliveries with their attempts, newest first. */
export async function listDeliveries(pool: Pool, filter: DeliveryFilter): Promise<Page<DeliveryView>> {
  return pageOf<DeliveryView, DeliveryView & { page_id: string; page_at: string }>(pool, {
    text: `select ${VIEW}, d.delivery_id as page_id, d.created_at as page_at
           from aftercommit.deliveries d join aftercommit.outbox o on o.id = d.event_id
           where ($1::text is null or d.state = $1) and ($2::text is null or d.target_name = $2)
             and ($3::text is null or d.rule_name = $3) and ($4::uuid is null or d.aggregate_id = $4)
             and ($5::uuid is null or d.event_id = $5) and ($6::uuid is null or d.replay_id = $6)
             and ($7::text is null or d.error_code = $7)`,
    values: [
      filter.state ?? null,
      filter.target ?? null,
      filter.rule ?? null,
      filter.orderId ?? null,
      filter.eventId ?? null,
      filter.replayId ?? null,
      filter.code ?? null,
    ],
    page: filter,
    view: ({ page_id: _id, page_at: _at, ...view }) => view,
  });
}

export async function readDelivery(pool: Pool, deliveryId: string): Promise<DeliveryView | null> {
  const [row] = await statement<DeliveryView>(
    pool,
    `select ${VIEW} from aftercommit.deliveries d join aftercommit.outbox o on o.id = d.event_id where d.delivery_id = $1`,
    [deliveryId],
  );
  return row ?? null;
}
