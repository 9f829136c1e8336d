import type { Pool } from 'pg';
import type { PointsState, ShipmentState } from '../domain/fulfilment';
import {
  orderLinks,
  type OrderLine,
  type OrderStatus,
  type OrderView,
  type PaymentMode,
  type PaymentStatus,
  type Places,
} from '../domain/orders';
import { pageOf, type Page } from './page';
import { statement } from './transaction';

interface OrderRow {
  order_id: string;
  customer_id: string;
  status: OrderStatus;
  payment_mode: PaymentMode;
  payment_status: PaymentStatus;
  total_minor: number;
  currency: string;
  workflow_id: string;
  created_at: string;
  updated_at: string;
  lines: OrderLine[];
  captured_minor: number | null;
  refunded_minor: number | null;
  error_code: string | null;
  deadline: string | null;
  action_url: string | null;
  shipment: { state: ShipmentState; trackingId: string | null } | null;
  points: { points: number; state: PointsState } | null;
}

const ORDER = `
  select o.*, p.captured_minor, p.refunded_minor, p.error_code,
    case when p.state = 'REQUIRES_ACTION' and p.undone_at is null then p.action_url end as action_url,
    (select json_build_object('state', s.state, 'trackingId', s.tracking_id)
     from aftercommit.shipments s where s.order_id = o.order_id) as shipment,
    (select json_build_object('points', e.points, 'state', e.state)
     from aftercommit.points e where e.order_id = o.order_id) as points,
    (select json_agg(json_build_object('sku', l.sku, 'quantity', l.quantity, 'unitPriceMinor', l.unit_price_minor) order by l.line_number)
     from aftercommit.order_lines l where l.order_id = o.order_id) as lines`;

/** The payment is looked up per order: the view over all payments would be sorted as a whole. */
const FROM = `from aftercommit.orders o
  left join lateral (select * from aftercommit.order_payments where order_id = o.order_id) p on true`;

/** An order as callers see it now, or null. */
export async function readOrder(pool: Pool, orderId: string, places: Places): Promise<OrderView | null> {
  const [row] = await statement<OrderRow>(pool, `${ORDER} ${FROM} where o.order_id = $1`, [orderId]);
  return row === undefined ? null : viewOf(row, places);
}

export interface OrderFilter {
  status?: OrderStatus | undefined;
  customerId?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

/** Orders, newest first. */
export async function listOrders(pool: Pool, filter: OrderFilter, places: Places): Promise<Page<OrderView>> {
  return pageOf<OrderView, OrderRow>(pool, {
    text: `${ORDER}, o.order_id as page_id, o.created_at as page_at
           ${FROM}
           where ($1::text is null or o.status = $1) and ($2::text is null or o.customer_id = $2)
             and ($3::timestamptz is null or o.created_at >= $3) and ($4::timestamptz is null or o.created_at < $4)`,
    values: [filter.status ?? null, filter.customerId ?? null, filter.from ?? null, filter.to ?? null],
    page: filter,
    view: (row) => viewOf(row, places),
  });
}

function viewOf(row: OrderRow, places: Places): OrderView {
  return {
    orderId: row.order_id,
    status: row.status,
    customerId: row.customer_id,
    lines: row.lines,
    totalMinor: row.total_minor,
    currency: row.currency,
    payment: {
      mode: row.payment_mode,
      status: row.payment_status,
      capturedMinor: row.captured_minor ?? 0,
      refundedMinor: row.refunded_minor ?? 0,
      errorCode: row.error_code,
      deadline: row.status === 'PENDING_PAYMENT' ? row.deadline : null,
      actionUrl: row.action_url,
    },
    shipment: row.shipment,
    points: row.points,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    workflowId: row.workflow_id,
    links: orderLinks(row.order_id, row.workflow_id, places),
  };
}
