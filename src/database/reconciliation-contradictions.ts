import { isSold } from './order-settling';
import { SALE_COUNTERS } from './sale-reconciliation';

/**
 * Where rows of the database contradict each other, by detector. Each query gives `subject`, `order_id` and `detail`, in one
 * statement: one snapshot, so that no transaction of running work is seen half. $1: what is younger is left alone.
 */

/** Of the order `o`. */
const IS_SOLD = isSold('o');

/** Units that open orders hold, and what the inventory says of them. */
export const RESERVATIONS = `
  select i.sku, i.reserved, coalesce(h.held, 0)::int as held
  from aftercommit.inventory i
  left join (
    select l.sku, sum(l.quantity) as held
    from aftercommit.orders o join aftercommit.order_lines l using (order_id)
    where o.status in ('PENDING_PAYMENT', 'COMPENSATING') and not ${IS_SOLD} group by l.sku) h using (sku)`;

/** Every event that an order `o` must have had, with what tells two of a kind apart. */
const TRANSITIONS = `
  select 1 as position, 'order.placed' as type, null::uuid as refund_id where o.payment_mode <> 'none'
  union all select 2, 'order.confirmed', null where ${IS_SOLD}
  union all select 3, 'order.shipped', null where o.status in ('SHIPPED', 'COMPLETED')
    and exists (select 1 from aftercommit.shipments s where s.order_id = o.order_id and s.state in ('SHIPPED', 'DELIVERED', 'RETURNED'))
  union all select 4, 'order.delivered', null where o.status = 'COMPLETED'
    and exists (select 1 from aftercommit.shipments s where s.order_id = o.order_id and s.state = 'DELIVERED')
  union all select 5, coalesce(o.ending ->> 'event', case o.status when 'CANCELLED' then 'order.cancelled'
                                when 'EXPIRED' then 'order.expired' else 'order.payment_failed' end), null
    where o.status in ('CANCELLED', 'EXPIRED', 'FAILED')
  union all select 6, 'order.refunded', f.refund_id from aftercommit.refunds f where f.order_id = o.order_id and f.state = 'DONE'`;

/** Orders with what is missing of their events: types that must be there, and numbers that are not. */
export const eventsOf = (condition: string): string => `
  select o.order_id, o.status, o.last_seq,
    (select coalesce(jsonb_agg(jsonb_build_object('type', t.type, 'refundId', t.refund_id) order by t.position, t.refund_id), '[]')
     from (${TRANSITIONS}) t
     where not exists (select 1 from aftercommit.outbox e where e.aggregate_id = o.order_id and e.type = t.type
                         and (t.refund_id is null or e.payload ->> 'refundId' = t.refund_id::text))) as missing,
    (select coalesce(jsonb_agg(n order by n), '[]') from generate_series(1, o.last_seq) n
     where not exists (select 1 from aftercommit.outbox e where e.aggregate_id = o.order_id and e.seq = n)) as gaps
  from aftercommit.orders o where ${condition}`;

/** A page of orders. $4: events of orders from before then may have been purged. */
const EVENTS = eventsOf('o.order_id > $2 and o.order_id <= $3 and o.created_at > $4 and o.updated_at < $1');

/** One way to write them: an event that never was comes last, and the only one that is gone has the only free number. */
const IS_PLAIN = `(jsonb_array_length(missing) > 0
  and (jsonb_array_length(gaps) = 0 or (jsonb_array_length(gaps) = 1 and jsonb_array_length(missing) = 1)))`;

/** Whole tables, page by page of their key. $2: the last key of the page before; $3: the last of this one. */
export const SCANS = {
  missing_event: {
    table: 'orders',
    sql: `
      select 'order:' || order_id as subject, order_id, jsonb_build_object('status', status, 'missing', missing, 'gaps', gaps) as detail
      from (${EVENTS}) e where ${IS_PLAIN}`,
  },
  event_gap: {
    table: 'orders',
    sql: `
      select 'order:' || order_id || ':' || last_seq as subject, order_id,
             jsonb_build_object('status', status, 'missing', missing, 'gaps', gaps) as detail
      from (${EVENTS}) e where jsonb_array_length(gaps) > 0 and not ${IS_PLAIN}`,
  },
  order_without_receipt: {
    table: 'orders',
    sql: `
      select 'order:' || o.order_id as subject, o.order_id, jsonb_build_object('status', o.status) as detail
      from aftercommit.orders o
      where o.order_id > $2 and o.order_id <= $3 and o.created_at < $1
        and not exists (select 1 from aftercommit.step_receipts r
                        where r.order_id = o.order_id and r.step = 'commit' and r.op = 'do' and r.state = 'done')`,
  },
  receipt_without_order: {
    table: 'step_receipts',
    sql: `
      select 'order:' || r.order_id as subject, r.order_id, jsonb_build_object('committedAt', r.created_at) as detail
      from aftercommit.step_receipts r
      where r.order_id > $2 and r.order_id <= $3 and r.step = 'commit' and r.op = 'do' and r.state = 'done' and r.updated_at < $1
        and not exists (select 1 from aftercommit.orders o where o.order_id = r.order_id)`,
  },
  refund_total_mismatch: {
    table: 'payments',
    sql: `
      select 'payment:' || p.payment_id as subject, p.order_id,
             jsonb_build_object('recordedMinor', p.refunded_minor, 'refundedMinor', d.done, 'capturedMinor', p.captured_minor) as detail
      from aftercommit.payments p
      cross join lateral (select coalesce(sum(f.amount_minor), 0)::bigint as done from aftercommit.refunds f
                          where f.payment_id = p.payment_id and f.state = 'DONE') d
      where p.payment_id > $2 and p.payment_id <= $3 and p.updated_at < $1 and p.refunded_minor <> d.done`,
  },
  capture_to_return: {
    table: 'payments',
    sql: `
      select 'payment:' || p.payment_id as subject, p.order_id,
             jsonb_build_object('status', o.status, 'capturedMinor', p.captured_minor, 'refundedMinor', p.refunded_minor) as detail
      from aftercommit.payments p join aftercommit.orders o using (order_id)
      cross join lateral (select coalesce(sum(f.amount_minor), 0) as asked, coalesce(bool_or(f.state = 'FAILED' and f.fingerprint is null), false) as given_up
                          from aftercommit.refunds f where f.payment_id = p.payment_id) f
      where p.payment_id > $2 and p.payment_id <= $3 and p.state = 'CAPTURED' and greatest(p.updated_at, p.undone_at) < $1
        and ((p.undone_at is not null and o.status <> 'COMPENSATING') or o.status in ('CANCELLED', 'EXPIRED', 'FAILED'))
        and f.asked < p.captured_minor and not f.given_up
        -- Given up: an operator said of the undo itself that it is not to be. Or decides about it, or has: done by hand, or not to be done.
        and not exists (select 1 from aftercommit.parked_steps k where k.order_id = p.order_id and k.step = 'pay:' || p.payment_id
                          and (k.state = 'OPEN' or k.decision in ('skip', 'fail')))`,
  },
} as const;

export const CONTRADICTIONS = {
  unmarked_event: `
    select 'event:' || e.id as subject, case e.aggregate_type when 'order' then e.aggregate_id end as order_id,
           jsonb_build_object('type', e.type, 'seq', e.seq) as detail
    from aftercommit.outbox e
    where e.published_at is null and e.routed_at < $1
      and not exists (select 1 from aftercommit.deliveries d where d.event_id = e.id and d.replay_id is null
                        and (d.state <> 'DELIVERED' or d.finished_at >= $1))`,

  early_published_event: `
    select distinct 'event:' || e.id as subject, case e.aggregate_type when 'order' then e.aggregate_id end as order_id,
           jsonb_build_object('type', e.type, 'seq', e.seq) as detail
    from aftercommit.deliveries d join aftercommit.outbox e on e.id = d.event_id
    where d.state in ('READY', 'SENDING') and d.replay_id is null and d.created_at < $1 and e.published_at is not null`,

  leaked_reservation: `
    select 'sku:' || sku as subject, null::uuid as order_id, jsonb_build_object('reserved', reserved, 'held', held) as detail
    from (${RESERVATIONS}) r where reserved > held and $1::timestamptz is not null`,

  reservation_short: `
    select 'sku:' || sku || ':' || (held - reserved) as subject, null::uuid as order_id,
           jsonb_build_object('reserved', reserved, 'held', held) as detail
    from (${RESERVATIONS}) r where reserved < held and $1::timestamptz is not null`,

  // Orders go with the purge and their units stay sold, so only too few can be told.
  sold_short: `
    select 'sku:' || i.sku || ':' || (h.sold - i.sold) as subject, null::uuid as order_id,
           jsonb_build_object('sold', i.sold, 'orders', h.sold) as detail
    from aftercommit.inventory i join (
      select l.sku, sum(l.quantity)::int as sold from aftercommit.orders o join aftercommit.order_lines l using (order_id)
      where ${IS_SOLD} and not exists (select 1 from aftercommit.step_receipts r
                                       where r.order_id = o.order_id and r.step = 'restock' and r.op = 'do' and r.state = 'done')
      group by l.sku) h using (sku)
    where i.sold < h.sold and $1::timestamptz is not null`,

  sale_counters: SALE_COUNTERS,

  doubled_message: `
    select 'notification:' || a.notification_id || ':' || a.channel as subject, a.order_id,
           jsonb_build_object('channel', a.channel, 'messages', count(*)) as detail
    from aftercommit.notifications t join aftercommit.notification_attempts a using (notification_id)
    where t.created_at > $1::timestamptz - interval '7 days' and a.message_sid is not null and a.n >= t.first_n
    group by a.notification_id, a.channel, a.order_id
    having count(*) > 1 and not bool_or(a.was_ambiguous) and max(a.accepted_at) < $1`,

  unowned_report: `
    select 'message:' || c.message_sid as subject, null::uuid as order_id,
           jsonb_build_object('statuses', jsonb_agg(c.status order by c.received_at)) as detail
    from aftercommit.provider_callbacks c where c.attempt_id is null and c.received_at < $1 group by c.message_sid`,

  parked_too_long: `
    select 'parked:' || k.parked_id as subject, k.order_id,
           jsonb_build_object('step', k.step, 'reason', k.reason, 'createdAt', k.created_at) as detail
    from aftercommit.parked_steps k where k.state = 'OPEN' and k.created_at < $1`,

  refused_fulfilment: `
    select w.step || ':' || w.order_id as subject, w.order_id, jsonb_build_object('step', w.step, 'code', w.error_code) as detail
    from (
      select 'shipment' as step, s.order_id, s.error_code, s.updated_at from aftercommit.shipments s where s.state = 'REFUSED'
      union all select 'points', e.order_id, e.error_code, e.updated_at from aftercommit.points e where e.state = 'REFUSED'
      union all select 'cart', c.order_id, c.error_code, c.updated_at from aftercommit.carts c where c.state = 'REFUSED') w
    where w.updated_at < $1 and w.updated_at > $1::timestamptz - interval '7 days'`,
} as const;
