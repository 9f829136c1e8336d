import type { Pool } from 'pg';
import type { RefundState } from '../domain/payments';
import { pageOf, type Page } from './page';
import { statement, type Queryable } from './transaction';

/** What goes back for one line of the order, in minor units. An order has no SKU twice. */
export interface RefundLine {
  sku: string;
  amountMinor: number;
}

export interface Refund {
  refundId: string;
  orderId: string;
  paymentId: string;
  amountMinor: number;
  currency: string;
  /** Empty where the caller did not say what it is for. */
  lines: RefundLine[];
  reason: string | null;
  restock: boolean;
  state: RefundState;
  keyNumber: number;
  /** When this key was taken, RFC 3339. */
  keyAt: string;
  captureId: string;
  errorCode: string | null;
  /** Tells one request from another under the same id; null for a refund that no request asked for. */
  fingerprint: string | null;
  createdAt: string;
  updatedAt: string;
}

const COLUMNS = `
  f.refund_id as "refundId", f.order_id as "orderId", f.payment_id as "paymentId", f.amount_minor as "amountMinor",
  f.currency, f.reason, f.restock, f.state, f.key_number as "keyNumber", f.key_at as "keyAt", p.capture_id as "captureId",
  f.error_code as "errorCode", f.fingerprint, f.created_at as "createdAt", f.updated_at as "updatedAt",
  coalesce((select json_agg(json_build_object('sku', l.sku, 'amountMinor', r.amount_minor) order by l.line_number)
            from aftercommit.refund_lines r join aftercommit.order_lines l using (line_number)
            where r.refund_id = f.refund_id and l.order_id = f.order_id), '[]') as lines`;

const FROM = 'from aftercommit.refunds f join aftercommit.payments p using (payment_id)';

export async function readRefund(pool: Pool, refundId: string): Promise<Refund | null> {
  const [row] = await statement<Refund>(pool, `select ${COLUMNS} ${FROM} where f.refund_id = $1`, [refundId]);
  return row ?? null;
}

/** In the caller's transaction. */
export async function findRefund(client: Queryable, refundId: string): Promise<Refund | null> {
  const { rows } = await client.query<Refund>(`select ${COLUMNS} ${FROM} where f.refund_id = $1`, [refundId]);
  return rows[0] ?? null;
}

/** An order's refunds, newest first, those included that were part of its undo. */
export async function listRefunds(
  pool: Pool,
  filter: { orderId: string; limit: number; cursor?: string | undefined },
): Promise<Page<Refund>> {
  return pageOf<Refund, Refund & { page_id: string; page_at: string }>(pool, {
    text: `select ${COLUMNS}, f.refund_id as page_id, date_trunc('milliseconds', f.created_at) as page_at
           ${FROM} where f.order_id = $1`,
    values: [filter.orderId],
    page: filter,
    view: ({ page_id: _id, page_at: _at, ...refund }) => refund,
  });
}
