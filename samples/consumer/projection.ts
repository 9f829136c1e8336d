import type { Queryable } from '../../src/consumer';

/** An event of an order, as far as the projection reads it. */
export interface OrderEvent {
  id: string;
  type: string;
  orderId: string;
  seq: number;
  /** What a refund gave back; 0 for all other events. */
  refundedMinor: number;
}

/** The view of orders that this consumer keeps. `status_seq` is the number of the event that set the status. */
export const PROJECTION_DDL = `create table if not exists order_projection (
  order_id       text   primary key,
  status         text,
  status_seq     bigint not null,
  refunded_minor bigint not null,
  last_seq       bigint not null
);
`;

/** Events that are not named here (refunds, and types that do not exist yet) leave the status as it is. */
const STATUS_BY_TYPE = new Map([
  ['order.placed', 'PENDING_PAYMENT'],
  ['order.confirmed', 'CONFIRMED'],
  ['order.payment_failed', 'PAYMENT_FAILED'],
  ['order.cancelled', 'CANCELLED'],
  ['order.expired', 'EXPIRED'],
  ['order.shipped', 'SHIPPED'],
  ['order.delivered', 'COMPLETED'],
]);

/** Not signed by the sender, or not an event of an order: no repeat will make it one. Messages hold nothing of the event. */
export class UnreadableEventError extends Error {
  override readonly name = 'UnreadableEventError';
}

/**
 * Reads the envelope. Members that it does not know are left alone, so that new ones break nothing.
 * @throws UnreadableEventError
 */
export function readOrderEvent(body: Buffer): OrderEvent {
  const { id, 'detail-type': type, detail } = membersOf(parse(body));
  const { orderId, seq, amountMinor } = membersOf(detail);
  if (!isText(id) || !isText(type) || !isText(orderId)) throw new UnreadableEventError('a text is missing');
  if (!isWhole(seq) || seq < 1) throw new UnreadableEventError('seq is not a whole number from 1');
  if (type !== 'order.refunded') return { id, type, orderId, seq, refundedMinor: 0 };
  if (!isWhole(amountMinor)) throw new UnreadableEventError('amountMinor is not a whole number');
  return { id, type, orderId, seq, refundedMinor: amountMinor };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new UnreadableEventError('the body is not JSON');
  }
}

function membersOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw new UnreadableEventError('an object is missing');
}

/** As long as the kit takes for a key; PostgreSQL cannot store NUL. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 255 && !value.includes('\0');
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/**
 * Both patterns in one statement. The status is state: it is the word of the event with the highest number, and an older
 * one that comes late does not change it. A refund is a change: it is added whenever it comes, which is right only because
 * processOnce lets each event through once.
 */
export async function applyOrderEvent(tx: Queryable, event: OrderEvent): Promise<void> {
  const status = STATUS_BY_TYPE.get(event.type) ?? null;
  await tx.query(
    `insert into order_projection as p (order_id, status, status_seq, refunded_minor, last_seq)
     values ($1, $2, $3, $4, $5)
     on conflict (order_id) do update set
       status = case when excluded.status_seq > p.status_seq then excluded.status else p.status end,
       status_seq = greatest(p.status_seq, excluded.status_seq),
       refunded_minor = p.refunded_minor + excluded.refunded_minor,
       last_seq = greatest(p.last_seq, excluded.last_seq)`,
    [event.orderId, status, status === null ? 0 : event.seq, event.refundedMinor, event.seq],
  );
}
