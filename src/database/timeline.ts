import type { Pool } from 'pg';
import { NOT_NEEDED } from '../domain/notifications';
import { statement } from './transaction';

/** One thing that happened to an order. No personal data. */
export interface TimelineEntry {
  /** RFC 3339. */
  at: string;
  /** Dotted, past tense, for instance `order.committed` or `notification.accepted`. */
  type: string;
  summary: string;
  data: Record<string, unknown>;
}

/** Entries at most; an order has some tens. */
const ENTRIES_MAX = 1_000;

/** What the codes mean that tell why a person was not reached. Source: Twilio, "Error and warning dictionary". */
const CODES_IN_WORDS: Readonly<Record<string, string>> = {
  '21610': 'the person opted out',
  '30003': 'the phone cannot be reached',
  '30004': 'blocked by the person or the carrier',
  '30005': 'no such number',
  '30006': 'a landline, or a carrier that cannot be reached',
  '30007': 'filtered by the carrier',
  '30008': 'the carrier says no more',
  '63016': "outside WhatsApp's 24-hour window",
  silence: 'no report in time',
  answered_by_machine: 'a machine took the call',
};

/** The steps of a confirmed order, as their receipts and their tables are called. */
const FULFILMENT = [
  { noun: 'shipment', step: 'ship', table: 'shipments' },
  { noun: 'points', step: 'points', table: 'points' },
  { noun: 'cart', step: 'cart', table: 'carts' },
];

/** Each part gives at, type, summary, data for the order $1. */
const PARTS = [
  `select created_at as at, 'request.accepted' as type, 'request written' as summary,
     jsonb_build_object('caller', caller) as data
   from aftercommit.order_requests where order_id = $1`,
  `select created_at, 'transaction.' || case when state = 'done' then 'committed' when state = 'refused' then 'rejected' else 'closed' end,
     case when state = 'done' then 'order, stock and event committed together' else coalesce(outcome ->> 'code', state) end,
     outcome
   from aftercommit.step_receipts where order_id = $1 and step = 'commit' and op = 'do'`,
  `select created_at, 'transaction.undone', 'stock released: ' || (outcome ->> 'code'), outcome
   from aftercommit.step_receipts where order_id = $1 and step = 'commit' and op = 'undo'`,
  `select created_at, 'event.committed', type || ' (seq ' || seq || ')', jsonb_build_object('eventId', id, 'type', type, 'seq', seq)
   from aftercommit.outbox where aggregate_id = $1`,
  `select a.started_at, 'delivery.' || coalesce(a.result, 'attempted'),
     o.type || ' to ' || d.target_name || case when a.result = 'delivered' then '' else ': ' || coalesce(a.error_code, 'no result yet') end,
     jsonb_build_object('deliveryId', d.delivery_id, 'target', d.target_name, 'rule', d.rule_name, 'attempt', a.n,
                        'status', a.http_status, 'latencyMs', a.latency_ms, 'code', a.error_code)
   from aftercommit.delivery_attempts a join aftercommit.deliveries d using (delivery_id) join aftercommit.outbox o on o.id = d.event_id
   where d.aggregate_id = $1`,
  // One line for what came of the call, one for what became of the message.
  `select coalesce(a.accepted_at, a.finished_at, a.started_at, a.created_at), 'notification.' || lower(a.state),
     t.template || ' by ' || a.channel || coalesce(' (' || a.message_sid || ')', '')
       || case when a.state = 'ACCEPTED' or a.error_code is null then '' else ': ' || a.error_code || coalesce(', ' || a.error, '') end,
     jsonb_build_object('notificationId', t.notification_id, 'attempt', a.n, 'channel', a.channel, 'messageSid', a.message_sid,
                        'code', case when a.state = 'ACCEPTED' then null else a.error_code end, 'latencyMs', a.latency_ms,
                        'wasAmbiguous', a.was_ambiguous, 'resolvedBy', a.resolved_by)
   from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
   where a.order_id = $1 and a.error_code is distinct from '${NOT_NEEDED}'`,
  `select a.outcome_at, 'notification.' || a.outcome,
     t.template || ' by ' || a.channel || coalesce(': ' || a.error_code || coalesce(' (' || ($2::jsonb ->> a.error_code) || ')', ''), ''),
     jsonb_build_object('notificationId', t.notification_id, 'attempt', a.n, 'channel', a.channel, 'messageSid', a.message_sid,
                        'status', a.provider_status, 'answeredBy', a.answered_by, 'code', a.error_code)
   from aftercommit.notification_attempts a join aftercommit.notifications t using (notification_id)
   where a.order_id = $1 and a.state = 'ACCEPTED' and a.outcome is not null`,
  `select (s ->> 'at')::timestamptz, 'notification.skipped', t.template || ' not by ' || (s ->> 'channel') || ': ' || (s ->> 'code'),
     jsonb_build_object('notificationId', t.notification_id, 'channel', s ->> 'channel', 'code', s ->> 'code')
   from aftercommit.notifications t, jsonb_array_elements(t.skipped) as s where t.order_id = $1`,
  `select t.ended_at, 'notification.ended', t.template || ': ' || t.status || coalesce(', ' || t.reason, ''),
     jsonb_build_object('notificationId', t.notification_id, 'status', t.status, 'reason', t.reason)
   from aftercommit.notifications t where t.order_id = $1 and t.ended_at is not null`,
  // Money: when it was asked for, and when the answer was definite. The receipts never change after that.
  `select r.created_at, 'payment.intended', p.amount_minor || ' ' || p.currency, jsonb_build_object('paymentId', p.payment_id)
   from aftercommit.step_receipts r join aftercommit.payments p on p.order_id = r.order_id and r.step = 'pay:' || p.payment_id
   where r.order_id = $1 and r.op = 'do' and r.state <> 'fenced'`,
  `select r.updated_at, 'payment.' || case when r.state = 'done' then 'captured' else lower(p.state) end,
     p.amount_minor || ' ' || p.currency || coalesce(': ' || (r.outcome ->> 'code'), ''),
     jsonb_build_object('paymentId', p.payment_id, 'amountMinor', p.amount_minor, 'currency', p.currency, 'code', r.outcome ->> 'code')
   from aftercommit.step_receipts r join aftercommit.payments p on p.order_id = r.order_id and r.step = 'pay:' || p.payment_id
   where r.order_id = $1 and r.op = 'do' and r.state <> 'intended'`,
  `select p.updated_at, 'payment.requires_action', p.amount_minor || ' ' || p.currency || ': waits for the customer',
     jsonb_build_object('paymentId', p.payment_id)
   from aftercommit.payments p where p.order_id = $1 and p.state = 'REQUIRES_ACTION'`,
  `select created_at, 'refund.intended', amount_minor || ' ' || currency || coalesce(': ' || reason, ''),
     jsonb_build_object('refundId', refund_id, 'amountMinor', amount_minor, 'currency', currency, 'actor', actor)
   from aftercommit.refunds where order_id = $1`,
  `select updated_at, 'refund.' || lower(state), amount_minor || ' ' || currency || coalesce(': ' || error_code, ''),
     jsonb_build_object('refundId', refund_id, 'amountMinor', amount_minor, 'currency', currency, 'code', error_code)
   from aftercommit.refunds where order_id = $1 and state <> 'PENDING'`,
  // What follows a confirmed order: each asked for with its receipt, and how it ended.
  ...FULFILMENT.map(
    ({ noun, step, table }) => `select r.created_at, '${noun}.intended', '${noun} asked for', '{}'::jsonb
   from aftercommit.step_receipts r
   where r.order_id = $1 and r.step like '${step}:%' and r.op = 'do' and r.state <> 'fenced'
   union all
   select f.updated_at, '${noun}.' || lower(f.state), '${noun} ' || lower(f.state) || coalesce(': ' || f.error_code, ''),
     jsonb_build_object('code', f.error_code)
   from aftercommit.${table} f where f.order_id = $1 and f.state <> 'INTENDED'`,
  ),
  `select created_at, 'step.parked', step || ': ' || reason, jsonb_build_object('step', step, 'state', state)
   from aftercommit.parked_steps where order_id = $1`,
  `select decided_at, 'step.decided', step || ': ' || decision,
     jsonb_build_object('step', step, 'decision', decision, 'actor', decided_by)
   from aftercommit.parked_steps where order_id = $1 and decided_at is not null`,
];

/** What one transaction did has one time: then the parts' order tells what led to what. */
const ENTRIES = PARTS.map(
  (part, position) => `select p.*, ${position} as part from (${part}) as p (at, type, summary, data)`,
).join(' union all ');

/** What happened to an order, oldest first. */
export async function readTimeline(pool: Pool, orderId: string): Promise<TimelineEntry[]> {
  return statement<TimelineEntry>(
    pool,
    `select at, type, summary, data from (${ENTRIES}) as entries order by at, part limit ${ENTRIES_MAX}`,
    [orderId, JSON.stringify(CODES_IN_WORDS)],
  );
}
