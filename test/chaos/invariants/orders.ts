import { grouped, nameBasedId, type Invariant } from '../evidence';

/** The units of each SKU add up to what was put in, none is below zero, and each state has what its orders account for. */
export const stock: Invariant = {
  name: 'INV-STOCK',
  async find({ database }) {
    const { rows } = await database.query<Record<string, number> & { sku: string }>(`
      with put_in as (
        select subject as sku, sum((detail ->> 'delta')::int)::int as units from aftercommit.audit
        where action = 'inventory.set' group by subject),
      held as (
        select l.sku,
          (sum(l.quantity) filter (where o.status in ('PENDING_PAYMENT', 'COMPENSATING')))::int as reserved,
          (sum(l.quantity) filter (where o.status in ('CONFIRMED', 'SHIPPED', 'COMPLETED') and not exists (
            select 1 from aftercommit.refunds f where f.order_id = o.order_id and f.restock and f.state = 'DONE')))::int as sold
        from aftercommit.order_lines l join aftercommit.orders o using (order_id) group by l.sku)
      select i.sku, i.available, i.reserved, i.sold, coalesce(p.units, 0) as initial,
             coalesce(h.reserved, 0) as held, coalesce(h.sold, 0) as gone
      from aftercommit.inventory i left join put_in p using (sku) left join held h using (sku) order by i.sku`);
    return rows
      .filter(
        (row) =>
          row['available']! + row['reserved']! + row['sold']! !== row['initial'] ||
          Math.min(row['available']!, row['reserved']!, row['sold']!) < 0 ||
          row['reserved'] !== row['held'] ||
          row['sold'] !== row['gone'],
      )
      .map((row) => JSON.stringify(row));
  },
};

/** One key, one order: each order has its request, its one commit, and an id that follows from a key that was sent. */
export const oneOrder: Invariant = {
  name: 'INV-ONE-ORDER',
  async find({ database, keys }) {
    const { rows } = await database.query<{ order_id: string; what: string }>(`
      select o.order_id, 'an order without its request' as what from aftercommit.orders o
        where not exists (select 1 from aftercommit.order_requests q where q.order_id = o.order_id)
      union all select o.order_id, 'an order without its commit' from aftercommit.orders o
        where not exists (select 1 from aftercommit.step_receipts r
                          where r.order_id = o.order_id and r.step = 'commit' and r.op = 'do' and r.state = 'done')
      union all select r.order_id, 'a commit without its order' from aftercommit.step_receipts r
        where r.step = 'commit' and r.op = 'do' and r.state = 'done'
          and not exists (select 1 from aftercommit.orders o where o.order_id = r.order_id)`);
    const found = rows.map((row) => `${row.order_id}: ${row.what}`);
    if (keys === undefined) return found;
    const installation = await database.query<{ namespace: string }>(
      'select namespace from aftercommit.installation',
    );
    const namespace = installation.rows[0]?.namespace ?? '';
    const known = new Set(keys.map(({ caller, key }) => nameBasedId(namespace, `${caller}\n${key}`)));
    const orders = await database.query<{ order_id: string }>('select order_id from aftercommit.orders');
    const strangers = orders.rows.filter((row) => !known.has(row.order_id));
    return [...found, ...strangers.map((row) => `${row.order_id}: an order that no key asked for`)];
  },
};

interface EventRow {
  id: string;
  order_id: string;
  seq: number;
  type: string;
  last_seq: number | null;
}

const EVENTS = `
  select e.id, e.aggregate_id as order_id, e.seq, e.type, o.last_seq
  from aftercommit.outbox e left join aftercommit.orders o on o.order_id = e.aggregate_id
  where e.aggregate_type = 'order' order by e.aggregate_id, e.seq`;

/** One event for each committed transition and no other, dense by seq, each with the id that follows from it. */
export const outbox: Invariant = {
  name: 'INV-OUTBOX',
  async find({ database }) {
    const { rows: events } = await database.query<EventRow>(EVENTS);
    const { rows: transitions } = await database.query<{ order_id: string; type: string }>(`
      select order_id, case payment_mode when 'none' then 'order.confirmed' else 'order.placed' end as type from aftercommit.orders
      union all select order_id, 'order.confirmed' from aftercommit.step_receipts
        where step = 'settle' and op = 'do' and state = 'done'
      union all select order_id, outcome ->> 'event' from aftercommit.step_receipts
        where step = 'commit' and op = 'undo' and state = 'done'
      union all select order_id, 'order.refunded' from aftercommit.refunds where state = 'DONE'`);
    const wrongIds = events
      .filter((event) => event.id !== nameBasedId(event.order_id, `${event.type}\n${event.seq}`))
      .map((event) => `event ${event.id} has not the id of ${event.order_id} ${event.type} ${event.seq}`);
    const gaps = [...grouped(events, (event) => event.order_id)]
      .filter(([, own]) => own.some((event, i) => event.seq !== i + 1) || own.length !== own[0]?.last_seq)
      .map(
        ([orderId, own]) =>
          `${orderId}: seq ${own.map((event) => event.seq).join()}, last ${own[0]?.last_seq}`,
      );
    return [...wrongIds, ...gaps, ...unmatched(events, transitions)];
  },
};

type Transition = { order_id: string; type: string };

function unmatched(events: readonly Transition[], transitions: readonly Transition[]): string[] {
  const keyOf = (one: Transition): string => `${one.order_id} ${one.type}`;
  const written = grouped(events, keyOf);
  const made = grouped(transitions, keyOf);
  const keys = new Set([...written.keys(), ...made.keys()]);
  return [...keys].flatMap((key) => {
    const counts = [made.get(key)?.length ?? 0, written.get(key)?.length ?? 0];
    return counts[0] === counts[1] ? [] : [`${key}: ${counts[0]} transitions, ${counts[1]} events`];
  });
}

/** What an order's status must be after its last event that is not a refund. */
const STATUS_AFTER: Record<string, string[]> = {
  'order.placed': ['PENDING_PAYMENT', 'COMPENSATING'],
  'order.confirmed': ['CONFIRMED'],
  'order.payment_failed': ['FAILED'],
  'order.cancelled': ['CANCELLED'],
};

/** Nothing follows an end but refunds, and the status is what the events say. */
export const terminal: Invariant = {
  name: 'INV-TERMINAL',
  async find({ database }) {
    const { rows } = await database.query<EventRow & { status: string }>(
      `select e.*, s.status from (${EVENTS}) e join aftercommit.orders s using (order_id) order by e.order_id, e.seq`,
    );
    return [...grouped(rows, (row) => row.order_id)].flatMap(([orderId, own]) => {
      const states = own.filter((event) => event.type !== 'order.refunded');
      const isAfterEnd = states.slice(0, -1).some((event) => event.type !== 'order.placed');
      const last = states.at(-1);
      const fits = last !== undefined && STATUS_AFTER[last.type]?.includes(last.status) === true;
      if (!isAfterEnd && fits) return [];
      return [`${orderId}: ${states.map((event) => event.type).join(', ')} and status ${own[0]?.status}`];
    });
  },
};

/** At rest, nothing waits for anybody. */
export const live: Invariant = {
  name: 'INV-LIVE',
  async find({ database }) {
    const { rows } = await database.query<{ id: string; what: string }>(`
      select order_id as id, 'order is ' || status as what from aftercommit.orders
        where status in ('PENDING_PAYMENT', 'COMPENSATING')
      union all select q.order_id, 'request is undecided' from aftercommit.order_requests q
        where not exists (select 1 from aftercommit.step_receipts r
                          where r.order_id = q.order_id and r.step = 'commit' and r.op = 'do')
      union all select refund_id, 'refund is pending' from aftercommit.refunds where state = 'PENDING'
      union all select attempt_id, 'message is ' || state from aftercommit.notification_attempts
        where state in ('READY', 'SENDING', 'AMBIGUOUS')
      union all select t.notification_id, 'notification is PENDING' from aftercommit.notifications t
        where t.status = 'PENDING' and not exists (select 1 from aftercommit.notification_attempts a
                                                   where a.notification_id = t.notification_id and a.state = 'HELD')`);
    return rows.map((row) => `${row.id}: ${row.what}`);
  },
};
