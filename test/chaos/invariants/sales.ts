import type { Invariant } from '../evidence';

interface SaleRow {
  sale_id: string;
  quantity: number;
  per_customer: number | null;
  reserved: number;
  sold: number;
  /** The same, as its orders have it. */
  held: number;
  gone: number;
  /** Customers of whom the sale says other units than they have, and the most units that one has. */
  customers: number;
  most: number;
}

const SALES = `
  with units as (
    select o.sale_id, o.customer_id,
      coalesce(sum(l.quantity) filter (where o.status = 'PENDING_PAYMENT' or o.status = 'COMPENSATING' and not c.is_sold), 0) as held,
      coalesce(sum(l.quantity) filter (where c.is_sold and not c.is_back
        and (o.status in ('CONFIRMED', 'SHIPPED', 'COMPLETED', 'COMPENSATING') or c.is_lost)), 0) as gone
    from aftercommit.orders o join aftercommit.order_lines l using (order_id)
    cross join lateral (select
      exists (select 1 from aftercommit.outbox e where e.aggregate_id = o.order_id and e.type = 'order.confirmed') as is_sold,
      exists (select 1 from aftercommit.refunds f where f.order_id = o.order_id and f.restock and f.state = 'DONE') as is_back,
      o.status = 'CANCELLED' and o.ending ->> 'code' = 'not_delivered' as is_lost) c
    where o.sale_id is not null group by 1, 2)
  select s.sale_id, s.quantity, s.per_customer, s.reserved, s.sold,
    coalesce((select sum(u.held) from units u where u.sale_id = s.sale_id), 0)::int as held,
    coalesce((select sum(u.gone) from units u where u.sale_id = s.sale_id), 0)::int as gone,
    (select count(*)::int from (select * from units u where u.sale_id = s.sale_id) u
     full join (select * from aftercommit.sale_customers c where c.sale_id = s.sale_id) c using (customer_id)
     where coalesce(u.held + u.gone, 0) <> coalesce(c.units, 0)) as customers,
    coalesce((select max(u.held + u.gone) from units u where u.sale_id = s.sale_id), 0)::int as most
  from aftercommit.sales s order by s.sale_id`;

/**
 * No sale has sold more than it offers, or more to a customer than one may have, and its counters are what its orders have:
 * one that leaked would sell too little.
 */
export const oversell: Invariant = {
  name: 'INV-OVERSELL',
  async find({ database }) {
    const { rows } = await database.query<SaleRow>(SALES);
    return rows
      .filter(
        (row) =>
          row.held + row.gone > row.quantity ||
          row.reserved !== row.held ||
          row.sold !== row.gone ||
          row.customers > 0 ||
          (row.per_customer !== null && row.most > row.per_customer),
      )
      .map((row) => JSON.stringify(row));
  },
};
