import type { Pool } from 'pg';
import { LONGEST_MANUAL_RETRY_DAYS } from '../domain/retention';
import type { SaleDifference, SaleReconciliation } from '../domain/sales';
import { isSold } from './order-settling';
import { insertParked } from './parked';
import { transaction } from './transaction';

/** Of the order `o`: its units are sold, and did not come back. */
const HOLDS_SOLD = `(${isSold('o')} and not exists (
  select 1 from aftercommit.step_receipts r
  where r.order_id = o.order_id and r.step = 'restock' and r.op = 'do' and r.state = 'done'))`;

/** Of the order `o`: it has no end yet. */
const IS_OPEN = `o.status in ('PENDING_PAYMENT', 'COMPENSATING')`;

/** Sales beside what their orders say: each number of the sale and the same counted. */
const counts = (condition: string): string => `
  select s.sale_id, s.quantity, s.reserved, s.sold, h.orders, h.open, h.held, h.counted, c.customers
  from aftercommit.sales s
  cross join lateral (
    select count(*)::int as orders, count(*) filter (where ${IS_OPEN})::int as open,
      coalesce(sum(l.units) filter (where ${IS_OPEN} and not ${isSold('o')}), 0)::int as held,
      coalesce(sum(l.units) filter (where ${HOLDS_SOLD}), 0)::int as counted
    from aftercommit.orders o
    cross join lateral (select sum(quantity) as units from aftercommit.order_lines where order_id = o.order_id) l
    where o.sale_id = s.sale_id) h
  cross join lateral (
    select count(*)::int as customers
    from (
      select o.customer_id, sum(l.units) as units
      from aftercommit.orders o
      cross join lateral (select sum(quantity) as units from aftercommit.order_lines where order_id = o.order_id) l
      where o.sale_id = s.sale_id and (${HOLDS_SOLD} or (${IS_OPEN} and not ${isSold('o')})) group by 1) w
    full join (select customer_id, units from aftercommit.sale_customers where sale_id = s.sale_id) k using (customer_id)
    where coalesce(w.units, 0) <> coalesce(k.units, 0)) c
  where ${condition}`;

/**
 * A sale whose numbers are not those of its orders. Orders are kept for so many days at least after their last change; of older
 * sales some may be gone. Its subject has the difference in it, so that a new one is
 * a new finding.
 */
export const SALE_COUNTERS = `
  select 'sale:' || sale_id || ':' || (reserved - held) || ':' || (sold - counted) || ':' || customers as subject,
         null::uuid as order_id,
         jsonb_build_object('quantity', quantity, 'reserved', reserved, 'held', held, 'sold', sold, 'orders', counted,
                            'customers', customers) as detail
  from (${counts(`s.created_at > $1::timestamptz - interval '${LONGEST_MANUAL_RETRY_DAYS} days'`)}) k
  where reserved <> held or sold <> counted or customers > 0 or held + counted > quantity`;

interface Counts {
  at: string;
  quantity: number;
  reserved: number;
  sold: number;
  orders: number;
  open: number;
  held: number;
  counted: number;
  customers: number;
}

/**
 * The end-of-sale reconciliation: counts the units of the sale's orders and of their customers anew and compares them with what
 * the sale says. A difference is parked for an operator. Under the sale's lock every transaction that moves its units is either
 * over or has not begun to. Idempotent: what was found first stays.
 * @returns null when there is no such sale, or it is not over
 */
export async function reconcileSale(pool: Pool, saleId: string): Promise<SaleReconciliation | null> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ reconciliation: SaleReconciliation | null }>(
      `select reconciliation from aftercommit.sales where sale_id = $1 and state = 'CLOSED' for no key update`,
      [saleId],
    );
    if (rows[0] === undefined || rows[0].reconciliation !== null) return rows[0]?.reconciliation ?? null;
    const counted = await client.query<Counts>(`select *, now() as at from (${counts('s.sale_id = $1')}) k`, [
      saleId,
    ]);
    const { at, orders, open, held, counted: sold, ...sale } = counted.rows[0]!;
    const differences = differencesOf({ ...sale, held, counted: sold });
    const reconciliation = { at, orders, open, reserved: held, sold, differences };
    await client.query(
      'update aftercommit.sales set reconciliation = $2, updated_at = now() where sale_id = $1',
      [saleId, JSON.stringify(reconciliation)],
    );
    if (differences.length > 0) {
      const step = `recon:sale:${saleId}:${sale.reserved - held}:${sale.sold - sold}:${sale.customers}`;
      await insertParked(client, { orderId: null, step, reason: 'sale_counters', workflowId: null });
    }
    return reconciliation;
  });
}

function differencesOf(found: Omit<Counts, 'at' | 'orders' | 'open'>): SaleDifference[] {
  const { quantity, reserved, sold, held, counted, customers } = found;
  const differences: SaleDifference[] = [];
  if (reserved !== held) differences.push({ of: 'reserved', sale: reserved, orders: held });
  if (sold !== counted) differences.push({ of: 'sold', sale: sold, orders: counted });
  if (customers > 0) differences.push({ of: 'customers', sale: customers, orders: 0 });
  if (held + counted > quantity) differences.push({ of: 'quantity', sale: quantity, orders: held + counted });
  return differences;
}
