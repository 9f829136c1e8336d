import type { Pool } from 'pg';
import { IS_NEXT, IS_NOT_PAUSED, isOpen } from './delivery-order';
import { OWN_ORDERS } from './groups';
import type { NotificationRef } from './notifications';
import { keyed, statement } from './transaction';

/** What is left to do of a closed group, by what has to be done for it. Orders with a workflow of their own are not in it. */

/**
 * Orders that need a workflow of their own: a payment is to be taken or was asked for, goods or a cart are to be seen to, or
 * they are being undone.
 */
export async function ordersInNeedOfRun(pool: Pool, groupId: string, limit: number): Promise<string[]> {
  const rows = await statement<{ order_id: string }>(
    pool,
    `select o.order_id from aftercommit.orders o
     where o.order_id in (${OWN_ORDERS})
       and (o.status = 'COMPENSATING'
            or (o.status = 'PENDING_PAYMENT'
                and exists (select 1 from aftercommit.payments p where p.order_id = o.order_id))
            or (o.status = 'CONFIRMED'
                and (exists (select 1 from aftercommit.shipments s where s.order_id = o.order_id and s.state = 'INTENDED')
                     or exists (select 1 from aftercommit.carts c where c.order_id = o.order_id and c.state = 'INTENDED'))))
     limit $2`,
    [groupId, limit],
  );
  return rows.map((row) => row.order_id);
}

/** Attempts of one delivery after which its target is asked whether it is the target or the event. */
const TROUBLE_ATTEMPTS = 3;

/**
 * Orders whose event keeps failing at a target that took others of the group meanwhile: the event is at fault, not the target.
 */
export async function ordersInTrouble(pool: Pool, groupId: string, limit: number): Promise<string[]> {
  const rows = await keyed<{ order_id: string }>(
    pool,
    `select distinct d.aggregate_id as order_id from aftercommit.deliveries d
     where d.aggregate_id in (${OWN_ORDERS}) and d.replay_id is null and d.state = 'READY' and d.attempts >= ${TROUBLE_ATTEMPTS}
       and exists (select 1 from aftercommit.deliveries e
                   where e.aggregate_id in (${OWN_ORDERS}) and e.target_name = d.target_name and e.state = 'DELIVERED'
                     and e.finished_at > d.first_attempt_at)
     limit $2`,
    [groupId, limit],
  );
  return rows.map((row) => row.order_id);
}

/** Orders with first messages that may be sent now. */
export async function ordersToTell(pool: Pool, groupId: string, limit: number): Promise<string[]> {
  const rows = await keyed<{ order_id: string }>(
    pool,
    `select distinct a.order_id from aftercommit.notification_attempts a
     join aftercommit.notifications t using (notification_id)
     where a.order_id in (${OWN_ORDERS}) and a.state = 'READY' and a.next_attempt_at <= now() and t.status = 'PENDING'
       and t.expires_at > now()
     limit $2`,
    [groupId, limit],
  );
  return rows.map((row) => row.order_id);
}

/**
 * Notifications that need a workflow of their own: an attempt whose outcome is unknown, and messages that are too old to be sent.
 * @param page.providerTimeoutMs - a call may last so long after its claim is over
 * @param page.after - the last notification of the page before: those of it are in nobody's count until their workflow runs
 */
export async function notificationsInNeedOfRun(
  pool: Pool,
  groupId: string,
  { providerTimeoutMs, after, limit }: { providerTimeoutMs: number; after: string | null; limit: number },
): Promise<NotificationRef[]> {
  return keyed<NotificationRef>(
    pool,
    `select distinct notification_id as "notificationId", a.order_id as "orderId"
     from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
     where a.order_id in (${OWN_ORDERS}) and not t.in_workflow
       and (a.state = 'AMBIGUOUS'
            or (a.state = 'SENDING' and a.send_until + $2 * interval '1 millisecond' < now())
            or (a.state = 'READY' and t.status = 'PENDING' and t.expires_at <= now()))
       and ($4::uuid is null or notification_id > $4)
     order by notification_id limit $3`,
    [groupId, providerTimeoutMs, limit, after],
  );
}

/** Of the attempt `a`: it is ready, on its way, or nobody knows. Said by what it is not, as `isOpen` is. */
const HAS_NO_OUTCOME = `a.state not in ('ACCEPTED', 'REJECTED', 'HELD')`;

/** How far a group is. */
export interface GroupCounts {
  orders: number;
  confirmed: number;
  waitingForPayment: number;
  /** Ended without a sale. */
  undone: number;
  /** That go on by a workflow of their own. */
  takenOver: number;
  deliveriesOpen: number;
  messagesOpen: number;
  /** True while deliveries or messages of it have no outcome: then somebody has to look after them. */
  hasRest: boolean;
  /**
   * In how many milliseconds there is something to do again; null when nothing is left. What waits for a lower seq is due when
   * that is; what is paused is not due: whoever resumes it wakes who goes on.
   */
  nextInMs: number | null;
}

/** @param providerTimeoutMs - as in `notificationsInNeedOfRun` */
export async function countGroup(
  pool: Pool,
  groupId: string,
  providerTimeoutMs: number,
): Promise<GroupCounts> {
  const [row] = await keyed<GroupCounts>(
    pool,
    `with own as materialized (${OWN_ORDERS}),
     orders as (
       select count(*)::int as orders,
              count(*) filter (where status in ('CONFIRMED', 'SHIPPED', 'COMPLETED'))::int as confirmed,
              count(*) filter (where status = 'PENDING_PAYMENT')::int as "waitingForPayment",
              count(*) filter (where status in ('CANCELLED', 'EXPIRED', 'FAILED'))::int as undone,
              count(*) filter (where order_id not in (select order_id from own))::int as "takenOver",
              min(deadline) filter (where status = 'PENDING_PAYMENT' and order_id in (select order_id from own)) as next
       from aftercommit.orders where group_id = $1),
     deliveries as (
       select count(*)::int as "deliveriesOpen",
              min(case when d.state = 'SENDING' then d.send_until else d.next_attempt_at end)
                filter (where ${IS_NOT_PAUSED} and ${IS_NEXT}) as next
       from own join aftercommit.deliveries d on d.aggregate_id = own.order_id
       where d.replay_id is null and ${isOpen('d')}),
     messages as (
       select count(*) filter (where a.state <> 'AMBIGUOUS')::int as "messagesOpen", count(*) > 0 as "anyMessage",
              min(case when a.state = 'SENDING' then a.send_until + $2 * interval '1 millisecond' else a.next_attempt_at end)
                filter (where a.state <> 'AMBIGUOUS') as next
       from own join aftercommit.notification_attempts a on a.order_id = own.order_id
       join aftercommit.notifications t using (notification_id)
       where not t.in_workflow and ${HAS_NO_OUTCOME} and (a.state <> 'READY' or t.status = 'PENDING'))
     select orders, confirmed, "waitingForPayment", undone, "takenOver", "deliveriesOpen", "messagesOpen",
            "deliveriesOpen" > 0 or "anyMessage" as "hasRest",
            -- Null stays null here; greatest() would make 0 of it.
            (extract(epoch from least(orders.next, deliveries.next, messages.next) - now()) * 1000)::float8 as "nextInMs"
     from orders, deliveries, messages`,
    [groupId, providerTimeoutMs],
  );
  return row!;
}
