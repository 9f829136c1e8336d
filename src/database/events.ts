import type { Pool } from 'pg';
import { ORDER_SOURCE, type EventEnvelope, type OrderEventType } from '../domain/events';
import { templateFor } from '../domain/notifications';
import { attemptIdOf, eventIdOf, notificationIdOf } from './ids';
import { pageOf, type Page } from './page';
import { statement, type Queryable } from './transaction';

export type EventStatus = 'PENDING' | 'PUBLISHED' | 'DEAD';

/**
 * Writes an order's next event with the message that it causes, in the caller's transaction. The caller holds the
 * order's row: `seq` is dense because it is taken from there.
 * @param detail - without `seq`; no personal data
 * @returns the event's id and seq
 */
export async function appendEvent(
  client: Queryable,
  event: {
    orderId: string;
    type: OrderEventType;
    detail: Record<string, unknown>;
    at: string;
    workflowId: string;
  },
): Promise<{ eventId: string; seq: number }> {
  const { rows } = await client.query<{ last_seq: number; customer_id: string }>(
    'update aftercommit.orders set last_seq = last_seq + 1 where order_id = $1 returning last_seq, customer_id',
    [event.orderId],
  );
  const row = rows[0];
  if (row === undefined) throw new RangeError('an event needs an order');
  const seq = row.last_seq;
  const eventId = eventIdOf(event.orderId, event.type, seq);
  await client.query(
    `insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, workflow_id)
     values ($1, 'order', $2, $3, $4, $5, $6, $7, $8)`,
    [
      eventId,
      event.orderId,
      seq,
      ORDER_SOURCE,
      event.type,
      JSON.stringify({ ...event.detail, customerId: row.customer_id, seq }),
      event.at,
      event.workflowId,
    ],
  );
  await appendNotification(client, { ...event, eventId, customerId: row.customer_id });
  return { eventId, seq };
}

async function appendNotification(
  client: Queryable,
  event: { orderId: string; type: OrderEventType; at: string; eventId: string; customerId: string },
): Promise<void> {
  const notification = notificationOf(event);
  if (notification === null) return;
  await client.query(
    `with told as (
       insert into aftercommit.notifications (notification_id, event_id, order_id, customer_id, template, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $6) returning notification_id)
     insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, created_at)
     select $7, notification_id, $3, 1, $8, $6 from told`,
    [
      notification.notificationId,
      event.eventId,
      event.orderId,
      event.customerId,
      notification.template,
      event.at,
      notification.attemptId,
      notification.channel,
    ],
  );
}

/** Only text messages are sent for now, whatever the customer's channels say. */
const FIRST_CHANNEL = 'sms';

/** The message that an event causes, or null: its ids follow from the event, so a repeat makes the same rows. */
export function notificationOf(event: {
  type: OrderEventType;
  eventId: string;
  customerId: string;
}): { notificationId: string; attemptId: string; template: string; channel: string } | null {
  const template = templateFor(event.type);
  if (template === null) return null;
  const notificationId = notificationIdOf(event.eventId, event.customerId, template);
  return {
    notificationId,
    attemptId: attemptIdOf(notificationId, FIRST_CHANNEL, 1),
    template,
    channel: FIRST_CHANNEL,
  };
}

export interface OutboxRow {
  id: string;
  aggregate_id: string;
  seq: number;
  source: string;
  type: string;
  payload: Record<string, unknown>;
  created_at: string;
}

/** The envelope of a row. `orderId` and `seq` come first, the rest in the row's own order: the same row, the same bytes. */
export function envelopeOf(row: OutboxRow): EventEnvelope {
  return {
    id: row.id,
    source: row.source,
    'detail-type': row.type,
    time: row.created_at,
    detail: { orderId: row.aggregate_id, seq: row.seq, ...row.payload },
  };
}

export interface EventView extends EventEnvelope {
  status: EventStatus;
  publishedAt: string | null;
  workflowId: string;
}

export interface EventFilter {
  status?: EventStatus | undefined;
  type?: string | undefined;
  orderId?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** Events, newest first. PENDING: not every delivery is done; DEAD: at least one is a dead letter and none is open. */
export async function listEvents(pool: Pool, filter: EventFilter): Promise<Page<EventView>> {
  return pageOf<
    EventView,
    OutboxRow & { published_at: string | null; workflow_id: string; status: EventStatus }
  >(pool, {
    text: `select * from (
             select o.*, o.id as page_id, o.created_at as page_at,
               case when o.published_at is not null then 'PUBLISHED'
                    when o.routed_at is not null and not exists (select 1 from aftercommit.deliveries d
                         where d.event_id = o.id and d.state in ('READY', 'SENDING')) then 'DEAD'
                    else 'PENDING' end as status
             from aftercommit.outbox o
             where ($1::text is null or o.type = $1) and ($2::uuid is null or o.aggregate_id = $2)
               -- Lets the planner take the index of what is not published.
               and ($3::text is null or $3 = 'PUBLISHED' or o.published_at is null)) e
           where ($3::text is null or e.status = $3)`,
    values: [filter.type ?? null, filter.orderId ?? null, filter.status ?? null],
    page: filter,
    view: (row) => ({
      ...envelopeOf(row),
      status: row.status,
      publishedAt: row.published_at,
      workflowId: row.workflow_id,
    }),
  });
}

/**
 * Orders with events that nobody routed, or deliveries that were due, since before `olderThan` (RFC 3339): nobody works on
 * them. For reconciliation.
 */
export async function unpublishedOrders(pool: Pool, olderThan: string, limit: number): Promise<string[]> {
  const rows = await statement<{ aggregate_id: string }>(
    pool,
    `select distinct aggregate_id from (
       (select aggregate_id from aftercommit.outbox where published_at is null and routed_at is null and created_at < $1
        order by created_at limit $2)
       union all
       (select d.aggregate_id from aftercommit.deliveries d left join aftercommit.rules r on r.name = d.rule_name
        where d.state in ('READY', 'SENDING') and coalesce(d.send_until, d.next_attempt_at) < $1
          and r.state is distinct from 'PAUSED'
          and not exists (select 1 from aftercommit.deliveries e
                          where e.aggregate_id = d.aggregate_id and e.target_name = d.target_name and e.seq < d.seq
                            and e.state in ('READY', 'SENDING'))
        order by d.next_attempt_at limit $2)) as late
     limit $2`,
    [olderThan, limit],
  );
  return rows.map((row) => row.aggregate_id);
}
