import type { Pool } from 'pg';
import type { ShipmentState } from '../domain/fulfilment';
import { groupWorkflowId, type OrderStatus } from '../domain/orders';
import type { PaymentState, RefundState } from '../domain/payments';
import { isUuid } from './ids';
import { IS_PARKED } from './reconciliation-neglect';
import { statement } from './transaction';

/** What the database knows of things that others are asked about. Reads only. */

export interface OpenOrder {
  orderId: string;
  status: OrderStatus;
  epoch: number;
  /** RFC 3339: when it was handed to the run of this epoch; null when it was never handed over. */
  raisedAt: string | null;
}

/** The order `o` has something to do: its workflow must be running. The same rule as the workflow's own. */
const IS_OPEN = `(o.status in ('PENDING_PAYMENT', 'COMPENSATING') or (o.status in ('CONFIRMED', 'SHIPPED', 'COMPLETED') and (
  exists (select 1 from aftercommit.shipments s
          where s.order_id = o.order_id and s.state in ('INTENDED', 'BOOKED', 'SHIPPED', 'RETURNED', 'REFUSED', 'CANCELLED'))
  or exists (select 1 from aftercommit.points e where e.order_id = o.order_id and e.state = 'INTENDED')
  or exists (select 1 from aftercommit.carts c where c.order_id = o.order_id and c.state = 'INTENDED'))))`;

/** The order `o` is looked after by the workflow of its group: it has no run of its own, and needs none yet. */
const IS_IN_GROUP = `exists (
  select 1 from aftercommit.groups g
  where g.group_id = o.group_id and g.state <> 'ENDED' and o.workflow_id = '${groupWorkflowId('')}' || g.group_id)`;

/** Orders that need a run of their own, are not at their end and were not touched since `olderThan` (RFC 3339), by id, page by page. */
export async function openOrders(
  pool: Pool,
  page: { olderThan: string; after: string | null; limit: number },
): Promise<OpenOrder[]> {
  return statement<OpenOrder>(
    pool,
    `with candidates as (
       select order_id from aftercommit.orders where status in ('PENDING_PAYMENT', 'COMPENSATING')
       union select order_id from aftercommit.shipments where state in ('INTENDED', 'BOOKED', 'SHIPPED')
       -- What came back, was refused or cancelled belongs to an order that is undone, or is to be.
       union select order_id from aftercommit.shipments where state in ('RETURNED', 'REFUSED', 'CANCELLED')
       union select order_id from aftercommit.points where state = 'INTENDED'
       union select order_id from aftercommit.carts where state = 'INTENDED')
     select o.order_id as "orderId", o.status, o.epoch,
            (select e.raised_at from aftercommit.order_epochs e where e.order_id = o.order_id and e.epoch = o.epoch) as "raisedAt"
     from candidates join aftercommit.orders o using (order_id)
     where o.updated_at < $1 and ($2::uuid is null or o.order_id > $2) and ${IS_OPEN} and not ${IS_IN_GROUP}
     order by o.order_id limit $3`,
    [page.olderThan, page.after, page.limit],
  );
}

/** Null when there is no such order. */
export async function readEpoch(pool: Pool, orderId: string): Promise<number | null> {
  const [row] = await statement<{ epoch: number }>(
    pool,
    'select epoch from aftercommit.orders where order_id = $1',
    [orderId],
  );
  return row?.epoch ?? null;
}

/** What is known of orders that have a running workflow. */
export interface KnownOrder {
  orderId: string;
  /** Null when there is neither a request nor an order. */
  updatedAt: string | null;
  isOpen: boolean;
  isParked: boolean;
}

export async function knownOrders(pool: Pool, orderIds: readonly string[]): Promise<KnownOrder[]> {
  return statement<KnownOrder>(
    pool,
    `select a.order_id as "orderId", coalesce(o.updated_at, q.created_at, r.updated_at) as "updatedAt",
            coalesce(case when o.order_id is null then q.body is not null else ${IS_OPEN} end, false) as "isOpen",
            ${IS_PARKED.replaceAll('o.order_id', 'a.order_id')} as "isParked"
     from unnest($1::uuid[]) as a (order_id)
     left join aftercommit.orders o on o.order_id = a.order_id
     left join aftercommit.order_requests q on q.order_id = a.order_id
     left join aftercommit.step_receipts r on r.order_id = a.order_id and r.step = 'commit' and r.op = 'do'`,
    [orderIds],
  );
}

/**
 * Takes an order away from any run that may still be about: from now on steps of an older epoch are refused. Of any number
 * of callers that saw the same epoch, one raises it.
 * @returns true when this call raised it
 */
export async function raiseEpoch(pool: Pool, order: Pick<OpenOrder, 'orderId' | 'epoch'>): Promise<boolean> {
  const rows = await statement(
    pool,
    'update aftercommit.orders set epoch = epoch + 1 where order_id = $1 and epoch = $2 returning 1',
    [order.orderId, order.epoch],
  );
  return rows.length > 0;
}

export interface KnownPayment {
  paymentId: string;
  orderId: string;
  orderStatus: OrderStatus;
  state: PaymentState;
  isUndone: boolean;
  amountMinor: number;
  capturedMinor: number;
  currency: string;
  authorizationId: string | null;
  captureId: string | null;
  keyNumber: number;
  /** RFC 3339. */
  updatedAt: string;
  refunds: { refundId: string; state: RefundState; amountMinor: number; updatedAt: string }[];
}

/** Payments by id; ids that are none of ours are missing. */
export async function knownPayments(
  pool: Pool,
  paymentIds: readonly string[],
): Promise<Map<string, KnownPayment>> {
  const rows = await statement<KnownPayment>(
    pool,
    `select p.payment_id as "paymentId", p.order_id as "orderId", o.status as "orderStatus", p.state,
            p.undone_at is not null as "isUndone", p.amount_minor as "amountMinor", p.captured_minor as "capturedMinor",
            p.currency, p.authorization_id as "authorizationId", p.capture_id as "captureId", p.key_number as "keyNumber",
            p.updated_at as "updatedAt",
            (select coalesce(json_agg(json_build_object('refundId', f.refund_id, 'state', f.state, 'amountMinor', f.amount_minor,
                                                        'updatedAt', f.updated_at)), '[]')
             from aftercommit.refunds f where f.payment_id = p.payment_id) as refunds
     from aftercommit.payments p join aftercommit.orders o using (order_id) where p.payment_id = any ($1)`,
    [paymentIds.filter(isUuid)],
  );
  return new Map(rows.map((row) => [row.paymentId, row]));
}

export interface KnownShipment {
  shipmentId: string;
  orderId: string;
  state: ShipmentState;
}

/** Shipments whose truth is with the carrier, not touched since `olderThan`; cancelled ones of the last week too. */
export async function shipmentsToCheck(
  pool: Pool,
  page: { olderThan: string; after: string | null; limit: number },
): Promise<KnownShipment[]> {
  return statement<KnownShipment>(
    pool,
    `select s.shipment_id as "shipmentId", s.order_id as "orderId", s.state from aftercommit.shipments s
     where s.updated_at < $1 and ($2::uuid is null or s.shipment_id > $2)
       and (s.state in ('BOOKED', 'SHIPPED') or (s.state = 'CANCELLED' and s.updated_at > $1::timestamptz - interval '7 days'))
     order by s.shipment_id limit $3`,
    [page.olderThan, page.after, page.limit],
  );
}

/**
 * Sids among these that no attempt owns, and that none may still come to own: an attempt of unknown outcome to the same
 * number is looked up by its own workflow, or waits for a person.
 */
export async function unownedMessages(
  pool: Pool,
  channel: string,
  messages: readonly { sid: string; phoneHash: string }[],
): Promise<string[]> {
  const rows = await statement<{ sid: string }>(
    pool,
    `select m.sid from jsonb_to_recordset($1) as m (sid text, "phoneHash" text)
     where not exists (select 1 from aftercommit.notification_attempts a where a.message_sid = m.sid)
       and not exists (select 1 from aftercommit.notification_attempts a
                       where a.phone_hash = m."phoneHash" and a.channel = $2 and a.message_sid is null
                         and a.state in ('SENDING', 'AMBIGUOUS', 'HELD'))`,
    [JSON.stringify(messages), channel],
  );
  return rows.map((row) => row.sid);
}
