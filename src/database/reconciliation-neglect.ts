import { OVER_RETRIED } from '../domain/reconciliation';
import { SALE_SETTLING_MS } from './sales';
import { IS_NEXT, IS_NOT_PAUSED } from './delivery-order';

/**
 * What nobody works on, by detector. Each query gives `subject`, `order_id` and `detail` of what is older than $1, from
 * an index of what is open.
 */

/** Somebody waits for an operator about the order `o`: it is no wonder that it does not go on. */
export const IS_PARKED = `exists (select 1 from aftercommit.parked_steps k where k.order_id = o.order_id and k.state = 'OPEN')`;

const ORDER = `'order:' || o.order_id as subject, o.order_id`;

/** Of a delivery `d`: its owner, and the order if it is one. */
const AGGREGATE = `'aggregate:' || d.aggregate_id as subject,
  (select e.aggregate_id from aftercommit.outbox e where e.aggregate_id = d.aggregate_id and e.aggregate_type = 'order' limit 1) as order_id`;

const deliveries = (condition: string): string => `
  select ${AGGREGATE}, jsonb_build_object('deliveries', count(*), 'targets', jsonb_agg(distinct d.target_name)) as detail
  from aftercommit.deliveries d
  where d.replay_id is null and ${condition} and ${IS_NOT_PAUSED} and ${IS_NEXT}
  group by d.aggregate_id`;

/** One select for each index of what is open. */
const notifications = (...conditions: string[]): string => `
  select 'notification:' || w.notification_id as subject, w.order_id,
         jsonb_build_object('attempts', count(*), 'states', jsonb_agg(distinct w.state)) as detail
  from (${conditions
    .map(
      (condition) => `
    select a.notification_id, a.order_id, a.state
    from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
    where ${condition}`,
    )
    .join(' union all ')}) w
  group by w.notification_id, w.order_id`;

export const NEGLECTED = {
  undecided_request: `
    select 'request:' || q.order_id as subject, q.order_id, jsonb_build_object('createdAt', q.created_at) as detail
    from aftercommit.order_requests q where q.body is not null and q.created_at < $1`,

  unrouted_event: `
    select 'aggregate:' || e.aggregate_id as subject, case e.aggregate_type when 'order' then e.aggregate_id end as order_id,
           jsonb_build_object('events', count(*), 'oldest', min(e.created_at)) as detail
    from aftercommit.outbox e where e.routed_at is null and e.published_at is null and e.created_at < $1
    group by e.aggregate_id, e.aggregate_type`,

  waiting_delivery: deliveries(`d.state = 'READY' and d.next_attempt_at < $1`),
  stale_delivery: deliveries(`d.state = 'SENDING' and d.send_until < $1`),

  neglected_notification: notifications(
    `a.state in ('READY', 'AMBIGUOUS') and (a.state = 'AMBIGUOUS' or t.status = 'PENDING') and a.created_at < $1
       and greatest(a.next_attempt_at, a.send_until, a.started_at, a.looked_up_at) < $1`,
    `a.state = 'ACCEPTED' and a.outcome is null and t.status = 'PENDING' and a.silent_at < $1`,
  ),
  stale_attempt: notifications(`a.state = 'SENDING' and a.send_until < $1`),

  pending_refund: `
    select 'refund:' || f.refund_id as subject, f.order_id,
           jsonb_build_object('amountMinor', f.amount_minor, 'currency', f.currency, 'createdAt', f.created_at) as detail
    from aftercommit.refunds f join aftercommit.orders o using (order_id)
    -- Of an order that is being undone, its own run makes it.
    where f.state = 'PENDING' and f.created_at < $1 and o.status <> 'COMPENSATING'`,

  stalled_replay: `
    select 'replay:' || r.replay_id as subject, null::uuid as order_id, jsonb_build_object('updatedAt', r.updated_at) as detail
    from aftercommit.replays r where r.state = 'RUNNING' and r.updated_at < $1`,

  // Not while a payment of it is waited for, or a delivery of it that failed is tried again.
  unfinished_group: `
    select 'group:' || g.group_id as subject, null::uuid as order_id,
           jsonb_build_object('state', g.state, 'openedAt', g.opened_at, 'closedAt', g.closed_at) as detail
    from aftercommit.groups g
    where g.state <> 'ENDED' and coalesce(g.closed_at, g.opened_at) < $1
      and not exists (select 1 from aftercommit.orders o where o.group_id = g.group_id and o.status = 'PENDING_PAYMENT' and o.deadline >= $1)
      and not exists (select 1 from aftercommit.orders o join aftercommit.deliveries d on d.aggregate_id = o.order_id
                      where o.group_id = g.group_id and d.replay_id is null and d.state = 'READY' and d.next_attempt_at >= $1)`,

  unfinished_sale: `
    select 'sale:' || s.sale_id as subject, null::uuid as order_id, jsonb_build_object('state', s.state) as detail
    from aftercommit.sales s
    where (s.state = 'SCHEDULED' and coalesce(s.opens_at, s.created_at) < $1)
       or (s.state = 'OPEN' and s.closes_at < $1)
       or (s.state = 'CLOSED' and s.reconciliation is null and $1 > ${SALE_SETTLING_MS} * interval '1 ms' + greatest(s.closes_at, (
             select max(o.deadline) from aftercommit.orders o where o.sale_id = s.sale_id and o.status in ('PENDING_PAYMENT', 'COMPENSATING'))))`,

  unstarted_workflow: `
    select 'workflow:' || w.workflow_id as subject, null::uuid as order_id,
           jsonb_build_object('attempts', w.attempts, 'createdAt', w.created_at) as detail
    from aftercommit.workflow_starts w where w.started_at is null and w.created_at < $1 and w.next_attempt_at < $1`,

  overdue_order: `
    select ${ORDER}, jsonb_build_object('deadline', o.deadline) as detail
    from aftercommit.orders o where o.status = 'PENDING_PAYMENT' and o.payment_mode = 'wait' and o.deadline < $1 and not ${IS_PARKED}`,

  unfinished_charge: `
    select ${ORDER}, jsonb_build_object('updatedAt', o.updated_at) as detail
    from aftercommit.orders o where o.status = 'PENDING_PAYMENT' and o.payment_mode = 'charge' and o.updated_at < $1 and not ${IS_PARKED}`,

  unsettled_capture: `
    select ${ORDER}, jsonb_build_object('paymentId', p.payment_id, 'capturedMinor', p.captured_minor) as detail
    from aftercommit.orders o join aftercommit.payments p using (order_id)
    where o.status = 'PENDING_PAYMENT' and p.state = 'CAPTURED' and p.undone_at is null and p.updated_at < $1 and not ${IS_PARKED}`,

  unfinished_undo: `
    select ${ORDER}, jsonb_build_object('code', o.ending ->> 'code', 'updatedAt', o.updated_at) as detail
    from aftercommit.orders o where o.status = 'COMPENSATING' and o.updated_at < $1 and not ${IS_PARKED}`,

  unfinished_fulfilment: `
    select ${ORDER}, jsonb_build_object('steps', jsonb_agg(w.step)) as detail
    from (
      select s.order_id, 'shipment' as step, s.created_at from aftercommit.shipments s where s.state = 'INTENDED'
      union all select e.order_id, 'points', e.created_at from aftercommit.points e where e.state = 'INTENDED'
      union all select c.order_id, 'cart', c.created_at from aftercommit.carts c where c.state = 'INTENDED') w
    join aftercommit.orders o using (order_id)
    where w.created_at < $1 and o.status in ('CONFIRMED', 'SHIPPED', 'COMPLETED') and not ${IS_PARKED}
    group by o.order_id`,

  unattended_refund: `
    select 'refund:' || f.refund_id as subject, f.order_id, jsonb_build_object('code', f.error_code) as detail
    from aftercommit.refunds f
    where f.state = 'PARKED' and f.updated_at < $1
      and not exists (select 1 from aftercommit.parked_steps k where k.order_id = f.order_id and k.step = 'refund:' || f.refund_id)`,

  unheard_decision: `
    select 'parked:' || k.parked_id as subject, k.order_id,
           jsonb_build_object('step', k.step, 'decision', k.decision, 'workflowId', k.workflow_id) as detail
    from aftercommit.parked_steps k
    where k.state = 'OPEN' and k.decided_at < $1 and k.workflow_id is not null and k.order_id is not null`,
} as const;

/** What is tried again and again. Nothing is given up for that; somebody should know. */
export const OVER_TRIED = {
  over_retried_delivery: `
    select 'delivery:' || d.delivery_id as subject, null::uuid as order_id,
           jsonb_build_object('target', d.target_name, 'attempts', d.attempts - d.attempts_before, 'code', d.error_code) as detail
    from aftercommit.deliveries d
    where d.state in ('READY', 'SENDING') and d.attempts - d.attempts_before >= ${OVER_RETRIED.delivery} and d.created_at < $1`,

  over_retried_payment: `
    select 'payment:' || p.payment_id as subject, p.order_id, jsonb_build_object('keys', p.key_number) as detail
    from aftercommit.payments p
    where p.state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED') and p.key_number >= ${OVER_RETRIED.paymentKeys} and p.created_at < $1`,

  over_retried_refund: `
    select 'refund:' || f.refund_id as subject, f.order_id, jsonb_build_object('keys', f.key_number, 'code', f.error_code) as detail
    from aftercommit.refunds f where f.state = 'PENDING' and f.key_number >= ${OVER_RETRIED.refundKeys} and f.created_at < $1`,

  over_retried_message: `
    select 'attempt:' || a.attempt_id as subject, a.order_id,
           jsonb_build_object('channel', a.channel, 'sends', a.sends, 'code', a.error_code) as detail
    from aftercommit.notification_attempts a
    where a.state in ('READY', 'SENDING', 'AMBIGUOUS') and a.sends >= ${OVER_RETRIED.message} and a.created_at < $1`,

  over_retried_start: `
    select 'workflow:' || w.workflow_id as subject, null::uuid as order_id, jsonb_build_object('attempts', w.attempts) as detail
    from aftercommit.workflow_starts w where w.started_at is null and w.attempts >= ${OVER_RETRIED.start} and w.created_at < $1`,
} as const;
