import type { Pool } from 'pg';
import {
  assertMayBecome,
  availableOf,
  hasTerms,
  visibleStateOf,
  type Sale,
  type SaleReconciliation,
  type SaleState,
  type SaleTerms,
  type VisibleSaleState,
} from '../domain/sales';
import { UnknownSkuError } from '../errors';
import { appendAudit } from './audit';
import { ONCE, statement, transaction, type Queryable } from './transaction';

/** Told when units of a sale come back, or a sale changes; the payload is its id. */
export const SALES_CHANNEL = 'aftercommit_sales';

/** A sale as callers see it. `available`: units of it that can be ordered, by its cap and by the stock. */
export interface SaleView extends SaleTerms {
  available: number;
  reserved: number;
  sold: number;
  state: VisibleSaleState;
  /** RFC 3339: when the last unit was taken first. */
  soldOutAt: string | null;
  /** Null until the sale is over and its last payment deadline has passed. */
  reconciliation: SaleReconciliation | null;
  createdAt: string;
  updatedAt: string;
}

interface SaleRow extends Sale {
  soldOutAt: string | null;
  reconciliation: SaleReconciliation | null;
  createdAt: string;
  updatedAt: string;
  /** Units of the product that are free, and the database's clock. */
  inStock: number;
  at: string;
}

const READ = `
  select s.sale_id as "saleId", s.sku, s.quantity, s.reserved, s.sold, s.per_customer as "perCustomer",
    s.payment_deadline_seconds as "paymentDeadlineSeconds", s.opens_at as "opensAt", s.closes_at as "closesAt", s.state,
    s.sold_out_at as "soldOutAt", s.reconciliation, s.created_at as "createdAt", s.updated_at as "updatedAt",
    i.available as "inStock", now() as at
  from aftercommit.sales s join aftercommit.inventory i using (sku) where s.sale_id = $1`;

function viewOf({ inStock, at, ...sale }: SaleRow): SaleView {
  const available = availableOf(sale, inStock);
  return { ...sale, available, state: visibleStateOf({ ...sale, available }, at) };
}

/** Null when there is none. */
export async function readSale(pool: Pool, saleId: string): Promise<SaleView | null> {
  const [row] = await statement<SaleRow>(pool, READ, [saleId]);
  return row === undefined ? null : viewOf(row);
}

/**
 * Makes or changes a sale. It moves no stock: it is a cap. One that is to open at once is open when this returns. Repeated
 * with the same terms, it changes nothing.
 * @throws UnknownSkuError, QuantityAboveStockError, InvalidValueError, ConflictingStateError (not retryable)
 */
export async function putSale(pool: Pool, terms: SaleTerms, actor: string): Promise<SaleView> {
  return transaction(
    pool,
    async (client) => {
      for (let round = 1; round <= PUT_ROUNDS_MAX; round += 1) {
        // First: a sale whose time is over is judged as closed. It also takes the lock that commits of the sale wait for.
        await advance(client, terms.saleId);
        const before = await findSale(client, terms.saleId);
        if (before !== null && hasTerms(before, terms)) return viewOf(before);
        assertMayBecome(terms, before, await readStockOf(client, terms.sku));
        if (await writeSale(client, terms, before)) return finishPut(client, terms, actor);
      }
      throw new RangeError('a sale that is there was not found');
    },
    ONCE,
  );
}

/** A sale that somebody else made meanwhile is there in the second round; sales are never deleted. */
const PUT_ROUNDS_MAX = 2;

async function finishPut(client: Queryable, terms: SaleTerms, actor: string): Promise<SaleView> {
  const { saleId, ...detail } = terms;
  await advance(client, saleId);
  await appendAudit(client, { actor, action: 'sale.put', subject: saleId, detail });
  await client.query('select pg_notify($1, $2)', [SALES_CHANNEL, saleId]);
  return viewOf((await findSale(client, saleId))!);
}

async function advance(client: Queryable, saleId: string): Promise<void> {
  await client.query('select aftercommit.advance_sale($1)', [saleId]);
}

async function findSale(client: Queryable, saleId: string): Promise<SaleRow | null> {
  const { rows } = await client.query<SaleRow>(READ, [saleId]);
  return rows[0] ?? null;
}

async function readStockOf(client: Queryable, sku: string): Promise<{ at: string; inStock: number }> {
  const { rows } = await client.query<{ at: string; inStock: number }>(
    'select available as "inStock", now() as at from aftercommit.inventory where sku = $1',
    [sku],
  );
  if (rows[0] !== undefined) return rows[0];
  const message = 'The inventory has no such SKU.';
  throw new UnknownSkuError(message, { fields: [{ pointer: '/sku', message }] });
}

const valuesOf = (terms: SaleTerms): unknown[] => [
  terms.saleId,
  terms.sku,
  terms.quantity,
  terms.opensAt,
  terms.closesAt,
  terms.perCustomer,
  terms.paymentDeadlineSeconds,
];

/** @returns false when somebody else has made it meanwhile */
async function writeSale(client: Queryable, terms: SaleTerms, before: Sale | null): Promise<boolean> {
  const { rowCount } = await client.query(
    before === null
      ? `insert into aftercommit.sales (sale_id, sku, quantity, opens_at, closes_at, per_customer, payment_deadline_seconds)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`
      : `update aftercommit.sales
         set quantity = $3, opens_at = $4, closes_at = $5, per_customer = $6, payment_deadline_seconds = $7, updated_at = now()
         where sale_id = $1 and sku = $2`,
    valuesOf(terms),
  );
  return rowCount === 1;
}

/** What a sale is waiting for. */
export interface SaleStep {
  state: SaleState;
  /** `reconcile`: it is over, and no payment is waited for any more. `end`: nothing is left to do. */
  next: 'wait' | 'reconcile' | 'end';
  /** Milliseconds until something is due; null: until somebody changes the sale. */
  waitMs: number | null;
}

/**
 * How long after the last payment deadline the orders of a sale may take to come to their end. Milliseconds. A charge may take
 * five minutes; twice that. What is open even then is counted as it is.
 */
export const SALE_SETTLING_MS = 600_000;

/** Opens or closes a sale when its time has come, by the database's clock. Idempotent. Null when there is none. */
export async function advanceSale(pool: Pool, saleId: string): Promise<SaleStep | null> {
  return transaction(pool, async (client) => {
    await advance(client, saleId);
    const { rows } = await client.query<{ state: SaleState; isReconciled: boolean; waitMs: number | null }>(
      `select s.state, s.reconciliation is not null as "isReconciled",
         ceil(extract(epoch from case s.state
           when 'SCHEDULED' then s.opens_at
           when 'OPEN' then s.closes_at
           else greatest(s.closes_at, o.deadline) + case when o.open > 0 then $2 * interval '1 ms' else interval '0' end
         end - now()) * 1000)::float8 as "waitMs"
       from aftercommit.sales s
       cross join lateral (
         select count(*) as open, max(deadline) as deadline from aftercommit.orders
         where s.state = 'CLOSED' and sale_id = s.sale_id and status in ('PENDING_PAYMENT', 'COMPENSATING')) o
       where s.sale_id = $1`,
      [saleId, SALE_SETTLING_MS],
    );
    return rows[0] === undefined ? null : stepOf(rows[0]);
  });
}

function stepOf(row: { state: SaleState; isReconciled: boolean; waitMs: number | null }): SaleStep {
  const { state, isReconciled, waitMs } = row;
  if (state !== 'CLOSED')
    return { state, next: 'wait', waitMs: waitMs === null ? null : Math.max(waitMs, 1) };
  if (isReconciled) return { state, next: 'end', waitMs: null };
  return (waitMs ?? 0) > 0 ? { state, next: 'wait', waitMs } : { state, next: 'reconcile', waitMs: null };
}

/**
 * Ids of orders that a sale has accepted, whatever became of them, or null when they are more than `limit`.
 * @param limit - ids at most
 */
export async function acceptedOrderIds(pool: Pool, saleId: string, limit: number): Promise<string[] | null> {
  const rows = await statement<{ orderId: string }>(
    pool,
    'select order_id as "orderId" from aftercommit.orders where sale_id = $1 limit $2',
    [saleId, limit + 1],
  );
  return rows.length > limit ? null : rows.map(({ orderId }) => orderId);
}
