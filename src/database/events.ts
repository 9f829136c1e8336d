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
  const { eventId, orderId, at } = event;
  await client.query('select aftercommit.tell($1, $2, $3, $4)', [
    eventId,
    orderId,
    JSON.stringify(notification),
    at,
  ]);
}

/** The message that an event causes, or null, as `aftercommit.tell` takes it. Its ids follow from the event, so a repeat makes the same rows. */
export function notificationOf(event: {
  type: OrderEventType;
  eventId: string;
  customerId: string;
}): { notification_id: string; attempt_id: string; template: string } | null {
  const template = templateFor(event.type);
  if (template === null) return null;
  const notificationId = notificationIdOf(event.eventId, event.customerId, template);
  return { notification_id: notificationId, attempt_id: attemptIdOf(notificationId, 1), template };
}

/** What an envelope is made of. */
export interface OutboxRow {
  id: string;
  aggregate_type: 'order' | 'subject';
  aggregate_id: string;
  subject: string | null;
  seq: number;
  source: string;
  type: string;
  payload: Record<string, unknown>;
  created_at: string;
}

/** The columns of an OutboxRow, of the table `o`. */
export const OUTBOX_COLUMNS =
  'o.id, o.aggregate_type, o.aggregate_id, o.subject, o.seq, o.source, o.type, o.payload, o.created_at';

/**
 * A payload as PostgreSQL gives it back: jsonb keeps the members of an object by the length of their names, then by their bytes.
 * An event that is sent before it was read has to have the bytes that every repeat of it has.
 */
export function asStored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asStored);
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  // Our names are ASCII: characters are bytes.
  members.sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, asStored(member)]));
}

/** The envelope of a row. What it is about and `seq` come first, the rest in the row's own order: the same row, the same bytes. */
export function envelopeOf(row: OutboxRow): EventEnvelope {
  const about =
    row.aggregate_type === 'order'
      ? { orderId: row.aggregate_id }
      : row.subject === null
        ? {}
        : { subject: row.subject };
  return {
    id: row.id,
    source: row.source,
    'detail-type': row.type,
    time: row.created_at,
    detail: { ...about, seq: row.seq, ...row.payload },
  };
}

/** Events of one key arrive in order. */
export function orderingKeyOf(row: Pick<OutboxRow, 'subject' | 'aggregate_id'>): string {
  return row.subject ?? row.aggregate_id;
}

export interface EventView extends EventEnvelope {
  status: EventStatus;
  publishedAt: string | null;
  workflowId: string;
}

export interface EventFilter {
  status?: EventStatus | undefined;
  type?: string | undefined;
  source?: string | undefined;
  orderId?: string | undefined;
  subject?: string | undefined;
  eventId?: string | undefined;
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
                         where d.event_id = o.id and d.replay_id is null and d.state in ('READY', 'SENDING')) then 'DEAD'
                    else 'PENDING' end as status
             from aftercommit.outbox o
             where ($1::text is null or o.type = $1) and ($2::uuid is null or o.aggregate_id = $2)
               and ($4::text is null or o.source = $4) and ($5::text is null or o.subject = $5)
               and ($6::uuid is null or o.id = $6)
               -- Lets the planner take the index of what is not published.
               and ($3::text is null or $3 = 'PUBLISHED' or o.published_at is null)) e
           where ($3::text is null or e.status = $3)`,
    values: [
      filter.type ?? null,
      filter.orderId ?? null,
      filter.status ?? null,
      filter.source ?? null,
      filter.subject ?? null,
      filter.eventId ?? null,
    ],
    page: filter,
    view: (row) => ({
      ...envelopeOf(row),
      status: row.status,
      publishedAt: row.published_at,
      workflowId: row.workflow_id,
    }),
  });
}

export async function readEvent(pool: Pool, eventId: string): Promise<EventView | null> {
  const { data } = await listEvents(pool, { eventId, limit: 1 });
  return data[0] ?? null;
}

/**
 * Publishes a caller's own event. Idempotent by key: a repeat reads the event of the first call.
 * @param event.detail - no personal data; `seq` and `subject` are put before it
 * @returns the event's id, and the fingerprint of the request that published it
 */
export async function publishEvent(
  pool: Pool,
  event: {
    type: string;
    source: string;
    subject: string | null;
    detail: Record<string, unknown>;
    key: string;
    fingerprint: string;
  },
): Promise<{ eventId: string; fingerprint: string | null }> {
  const { type, detail, source, subject, key, fingerprint } = event;
  const [published] = await statement<{ id: string }>(
    pool,
    'select aftercommit.insert_event($1, $2, $3, $4, $5, $6) as id',
    [type, JSON.stringify(detail), source, subject, key, fingerprint],
  );
  // A statement of its own: the one before does not see the row that its function wrote.
  const [row] = await statement<{ fingerprint: string | null }>(
    pool,
    'select fingerprint from aftercommit.outbox where id = $1',
    [published!.id],
  );
  return { eventId: published!.id, fingerprint: row?.fingerprint ?? null };
}
