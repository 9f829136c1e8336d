import type { Pool } from '../database/pool';
import type { StoredEvidence } from './evidence-log';

/** What the report looks at: rows of the database, what buyers were told, and the logs of the simulated systems of others. */
export interface FlashSaleEvidence {
  pool: Pool;
  saleId: string;
  units: number;
  /** Ids of the orders that buyers were told are theirs. */
  accepted: readonly string[];
  payments: readonly StoredEvidence[];
  twilio: readonly StoredEvidence[];
  sink: readonly StoredEvidence[];
}

/** One line of the report. */
export interface Finding {
  name: string;
  value: number;
  /** What the value must be. */
  expected: number;
  /** What was counted, in words. */
  about: string;
  /** The queries and logs that it comes from. */
  sources: string[];
  /** What is wrong, one by one. */
  details: string[];
}

const rowsOf = async <Row extends object>(pool: Pool, text: string, values: unknown[]): Promise<Row[]> =>
  (await pool.query<Row>(text, values)).rows;

const SOLD = `
select coalesce(sum(l.quantity), 0)::int as units
from aftercommit.orders o join aftercommit.order_lines l using (order_id)
where o.sale_id = $1 and o.status in ('CONFIRMED', 'SHIPPED', 'COMPLETED')
  and exists (select 1 from aftercommit.outbox e where e.aggregate_id = o.order_id and e.type = 'order.confirmed')`;

/** All units are sold: counted from the orders, not from the sale's own counter. */
export async function findSold({ pool, saleId, units }: FlashSaleEvidence): Promise<Finding> {
  const [row] = await rowsOf<{ units: number }>(pool, SOLD, [saleId]);
  const value = row!.units;
  const details = value === units ? [] : [`confirmed orders have ${value} units of ${units}`];
  const about = 'units in confirmed orders';
  return { name: 'sold', value, expected: units, about, sources: [SOLD], details };
}

/** By the orders, by the stock of the product, and for each customer. */
const OVERSOLD = `
select 'the sale' as what, sum(l.quantity)::int - s.quantity as units
from aftercommit.sales s join aftercommit.orders o using (sale_id) join aftercommit.order_lines l using (order_id)
where s.sale_id = $1 and o.status not in ('CANCELLED', 'EXPIRED', 'FAILED')
group by s.sale_id having sum(l.quantity) > s.quantity
union all
select 'the stock of ' || i.sku, i.available + i.reserved + i.sold - p.units
from aftercommit.sales s join aftercommit.inventory i using (sku)
cross join lateral (select sum((detail ->> 'delta')::int)::int as units from aftercommit.audit
                    where action = 'inventory.set' and subject = i.sku) p
where s.sale_id = $1 and i.available + i.reserved + i.sold > p.units
union all
select 'the customer ' || o.customer_id, sum(l.quantity)::int - s.per_customer
from aftercommit.sales s join aftercommit.orders o using (sale_id) join aftercommit.order_lines l using (order_id)
where s.sale_id = $1 and o.status not in ('CANCELLED', 'EXPIRED', 'FAILED')
group by s.per_customer, o.customer_id having sum(l.quantity) > s.per_customer`;

/** No unit was promised that is not there, and nobody has more than one may have. */
export async function findOversold({ pool, saleId }: FlashSaleEvidence): Promise<Finding> {
  const rows = await rowsOf<{ what: string; units: number }>(pool, OVERSOLD, [saleId]);
  return {
    name: 'oversold',
    value: rows.reduce((sum, { units }) => sum + units, 0),
    expected: 0,
    about: 'units above the sale, the stock or the limit of a customer',
    sources: [OVERSOLD],
    details: rows.map(({ what, units }) => `${what}: ${units} too many`),
  };
}

/** Each order of $2 is there and has all its events; `last_seq` counts them. */
const LOST_ORDERS = `
select a.order_id || ': ' || case when o.order_id is null then 'answered 201, and there is no order'
    else 'has ' || e.events || ' of ' || o.last_seq || ' events' end as what
from unnest($2::uuid[]) as a (order_id)
left join aftercommit.orders o on o.order_id = a.order_id and o.sale_id = $1
cross join lateral (select count(*) as events from aftercommit.outbox where aggregate_id = a.order_id) e
where o.order_id is null or e.events <> o.last_seq
union all
select o.order_id || ': is still ' || o.status from aftercommit.orders o
where o.sale_id = $1 and o.status in ('PENDING_PAYMENT', 'COMPENSATING')`;

const LOST_EVENTS = `
select 'event ' || e.id || ' (' || e.type || '): not published' as what
from aftercommit.outbox e
where e.published_at is null or not exists (select 1 from aftercommit.deliveries d where d.event_id = e.id and d.state = 'DELIVERED')`;

const LOST_MESSAGES = `
select 'event ' || e.id || ' (' || e.type || '): ' || coalesce('the message is ' || n.status, 'no message') as what
from aftercommit.outbox e left join aftercommit.notifications n on n.event_id = e.id
where e.aggregate_type = 'order' and e.type <> 'order.placed' and n.status is distinct from 'DELIVERED'`;

const EVENT_IDS = 'select id from aftercommit.outbox';

const MESSAGE_IDS = `select message_sid as id from aftercommit.notification_attempts where state = 'ACCEPTED'`;

/** What was answered 201 is there, and everybody heard of it: by the database, and by the logs of those who were told. */
export async function findLost(evidence: FlashSaleEvidence): Promise<Finding> {
  const { pool, saleId, accepted, sink, twilio } = evidence;
  const orders = await rowsOf<{ what: string }>(pool, LOST_ORDERS, [saleId, accepted]);
  const events = await rowsOf<{ what: string }>(pool, LOST_EVENTS, []);
  const messages = await rowsOf<{ what: string }>(pool, LOST_MESSAGES, []);
  const received = new Set(sink.filter(({ answer }) => answer === 200).map(eventIdOf));
  const sent = acceptedSids(twilio);
  const unheard = (await rowsOf<{ id: string }>(pool, EVENT_IDS, [])).filter(({ id }) => !received.has(id));
  const unsent = (await rowsOf<{ id: string }>(pool, MESSAGE_IDS, [])).filter(({ id }) => !sent.has(id));
  const details = [
    ...[...orders, ...events, ...messages].map(({ what }) => what),
    ...unheard.map(({ id }) => `event ${id}: the target never got it`),
    ...unsent.map(({ id }) => `message ${id}: the provider never took it`),
  ];
  return {
    name: 'lost',
    value: details.length,
    expected: 0,
    about: 'orders answered 201, events and messages that are missing or did not arrive',
    sources: [
      LOST_ORDERS,
      LOST_EVENTS,
      LOST_MESSAGES,
      EVENT_IDS,
      MESSAGE_IDS,
      'log of the target',
      'log of Twilio',
    ],
    details,
  };
}

function eventIdOf({ headers }: StoredEvidence): string {
  return (headers as Record<string, string | undefined>)['webhook-id'] ?? 'none';
}

const acceptedSids = (twilio: readonly StoredEvidence[]): Set<string> =>
  new Set(twilio.filter(({ type }) => type === 'accepted').map(({ sid }) => String(sid)));

const OWED = `
select order_id as "orderId",
  case when payment_mode <> 'none' and status in ('CONFIRMED', 'SHIPPED', 'COMPLETED') then total_minor else 0 end as owed
from aftercommit.orders`;

/** The gateway keeps the price once for each order that stands, and nothing for any other: by its own log. */
export async function findDoubleCharged({ pool, payments }: FlashSaleEvidence): Promise<Finding> {
  const owed = new Map(
    (await rowsOf<{ orderId: string; owed: number }>(pool, OWED, [])).map((row) => [row.orderId, row.owed]),
  );
  const kept = keptByOrder(payments);
  const details = [...new Set([...owed.keys(), ...kept.keys()])].flatMap((orderId) => {
    const [is, should] = [kept.get(orderId) ?? 0, owed.get(orderId) ?? 0];
    return is === should ? [] : [`${orderId}: the gateway keeps ${is}, the order comes to ${should}`];
  });
  return {
    name: 'double-charged',
    value: details.length,
    expected: 0,
    about: 'orders of which the gateway keeps other than their price, once, or nothing',
    sources: [OWED, 'log of the payment gateway'],
    details,
  };
}

/** Captured and not given back, in minor units. */
function keptByOrder(payments: readonly StoredEvidence[]): Map<string, number> {
  const kept = new Map<string, number>();
  const signs: Record<string, number> = { captured: 1, refunded: -1 };
  for (const { type, orderId, amountMinor } of payments) {
    const sign = signs[type];
    if (sign === undefined) continue;
    const id = String(orderId);
    kept.set(id, (kept.get(id) ?? 0) + sign * Number(amountMinor));
  }
  return kept;
}

const OWNERS = `
select message_sid as sid, count(*)::int as owners from aftercommit.notification_attempts
where message_sid is not null group by message_sid`;

/** Each message that the provider took belongs to one attempt of ours. */
export async function findUnownedMessages({ pool, twilio }: FlashSaleEvidence): Promise<Finding> {
  const rows = await rowsOf<{ sid: string; owners: number }>(pool, OWNERS, []);
  const owners = new Map(rows.map(({ sid, owners: count }) => [sid, count]));
  const unowned = [...acceptedSids(twilio)].filter((sid) => owners.get(sid) !== 1);
  return {
    name: 'unowned messages',
    value: unowned.length,
    expected: 0,
    about: 'messages that the provider took and no attempt has',
    sources: [OWNERS, 'log of Twilio'],
    details: unowned.map((sid) => `${sid} has ${owners.get(sid) ?? 0} attempts`),
  };
}
