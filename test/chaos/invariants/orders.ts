import { nameBasedId, type Invariant } from '../evidence';

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
          (sum(l.quantity) filter (where o.status = 'PENDING_PAYMENT' or o.status = 'COMPENSATING' and not c.is_sold))::int as reserved,
          (sum(l.quantity) filter (where c.is_sold and not c.is_back
            and (o.status in ('CONFIRMED', 'SHIPPED', 'COMPLETED', 'COMPENSATING') or c.is_lost)))::int as sold
        from aftercommit.order_lines l join aftercommit.orders o using (order_id)
        cross join lateral (select
          exists (select 1 from aftercommit.outbox e where e.aggregate_id = o.order_id and e.type = 'order.confirmed') as is_sold,
          exists (select 1 from aftercommit.refunds f where f.order_id = o.order_id and f.restock and f.state = 'DONE') as is_back,
          -- Goods that never came back are gone, whatever became of the order.
          o.status = 'CANCELLED' and o.ending ->> 'code' = 'not_delivered' as is_lost) c
        group by l.sku)
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
      -- A window that was opened and not used yet waits for orders.
      union all select group_id, 'group is ' || state from aftercommit.groups g
        where state = 'CLOSED' or state = 'OPEN' and exists (select 1 from aftercommit.orders o where o.group_id = g.group_id)
      union all select refund_id, 'refund is pending' from aftercommit.refunds where state = 'PENDING'
      union all select payment_id, 'payment is ' || state from aftercommit.payments
        where state in ('INTENDED', 'REQUIRES_ACTION', 'AUTHORIZED')
      union all select shipment_id, 'shipment is INTENDED' from aftercommit.shipments where state = 'INTENDED'
      union all select entry_id, 'points are INTENDED' from aftercommit.points where state = 'INTENDED'
      union all select order_id, 'cart is INTENDED' from aftercommit.carts where state = 'INTENDED'
      union all select parked_id, 'a decision about ' || step || ' was not carried out' from aftercommit.parked_steps
        where state = 'OPEN' and decision is not null
      union all select attempt_id, 'message is ' || state from aftercommit.notification_attempts
        where state in ('READY', 'SENDING', 'AMBIGUOUS')
      union all select t.notification_id, 'notification is PENDING' from aftercommit.notifications t
        where t.status = 'PENDING' and not exists (select 1 from aftercommit.notification_attempts a
                                                   where a.notification_id = t.notification_id and a.state = 'HELD')`);
    return rows.map((row) => `${row.id}: ${row.what}`);
  },
};
