import { readRequest, readRequestBody, type KnownRequest, type StoredAnswer } from '../database/requests';
import { readOrder } from '../database/order-views';
import { storeAnswer } from '../database/orders';
import {
  committedView,
  orderLinks,
  orderWorkflowId,
  type OrderRequest,
  type OrderView,
  type Places,
} from '../domain/orders';
import {
  CustomerLimitError,
  OutOfStockError,
  SaleClosedError,
  SaleNotOpenError,
  SoldOutError,
  TransactionClosedError,
  UnknownSaleError,
  UnknownSkuError,
  type AppError,
} from '../errors';
import type { HttpDeps } from './deps';
import type { StartableOrder } from './order-workflow';
import { problemOf } from './problems';
import { AmountMinor, Currency, CustomerId, Sku, Timestamp, Uuid } from './schemas';
import { z } from './zod';

/** An order before or instead of its row: what the request and its receipt tell. */
export interface RequestView
  extends
    Pick<OrderView, 'orderId' | 'createdAt' | 'updatedAt' | 'workflowId' | 'links'>,
    Partial<
      Pick<OrderView, 'customerId' | 'lines' | 'totalMinor' | 'currency' | 'payment' | 'shipment' | 'points'>
    > {
  status: 'ACCEPTED' | 'REJECTED';
  /** Why it was rejected. */
  code?: string;
}

interface Accepted {
  orderId: string;
  createdAt: string;
  /** Null once the request was decided: its body is erased then. */
  body: OrderRequest | null;
  places: Places;
}

/** Written down, and nothing decided yet. Holds what the caller sent but no personal data. */
export function acceptedView({ orderId, createdAt, body, places }: Accepted): RequestView {
  const head = headOf(orderId, createdAt, places);
  if (body === null) return { ...head, status: 'ACCEPTED' };
  return { ...committedView({ orderId, request: body, at: createdAt, places }), ...head, status: 'ACCEPTED' };
}

function rejectedView(orderId: string, known: KnownRequest, places: Places): RequestView {
  return {
    ...headOf(orderId, known.createdAt, places),
    status: 'REJECTED',
    code: rejectionOf(orderId, known).code,
  };
}

function headOf(orderId: string, at: string, places: Places): Omit<RequestView, 'status'> {
  return {
    orderId,
    createdAt: at,
    updatedAt: at,
    workflowId: orderWorkflowId(orderId),
    links: orderLinks(orderId, orderWorkflowId(orderId), places),
  };
}

/** An order as a caller sees it now, or null when nothing is known of the id. */
export async function readVisibleOrder(
  { pool, places }: Pick<HttpDeps, 'pool' | 'places'>,
  orderId: string,
): Promise<VisibleOrder | null> {
  const order = await readOrder(pool, orderId, places);
  if (order !== null) return order;
  const known = await readRequest(pool, orderId);
  if (known === null) return null;
  // Committed between the two reads: the row is there now.
  if (known.receipt?.state === 'done') return readOrder(pool, orderId, places);
  if (known.receipt !== null) return rejectedView(orderId, known, places);
  const body = (await readRequestBody(pool, orderId))?.body ?? null;
  return acceptedView({ orderId, createdAt: known.createdAt, body, places });
}

export type VisibleOrder = OrderView | RequestView;

/** What a start of the order's workflow shows of it. */
export function startable({ orderId, status, lines, currency }: VisibleOrder): StartableOrder {
  const contents = lines === undefined || currency === undefined ? null : { lines, currency };
  return { orderId, status, contents };
}

/** Why an order came to nothing. */
function rejectionOf(orderId: string, known: KnownRequest): AppError {
  const { state, outcome } = known.receipt!;
  const pointer = `/lines/${outcome.line ?? 0}/sku`;
  const extensions = { orderId };
  if (state === 'fenced') {
    return new TransactionClosedError('The transaction was closed before it committed.', { extensions });
  }
  if (outcome.code === 'unknown_sku') {
    const fields = [{ pointer, message: 'There is no such SKU.' }];
    return new UnknownSkuError('The inventory has no such SKU.', { fields, extensions });
  }
  const ofSale = saleRejectionOf(outcome.code, extensions);
  if (ofSale !== null) return ofSale;
  const fields = [{ pointer, message: 'Less is available than is asked for.' }];
  return new OutOfStockError('There is not enough in stock.', { fields, extensions });
}

/** @param code - of a refused order; null for what is no word of a sale */
export function saleRejectionOf(
  code: string | undefined,
  extensions: Record<string, string> = {},
): AppError | null {
  switch (code) {
    case 'unknown_sale':
      return new UnknownSaleError('There is no such sale.', { extensions });
    case 'sale_not_open':
      return new SaleNotOpenError('The sale is not open yet.', { extensions });
    case 'sale_closed':
      return new SaleClosedError('The sale is over.', { extensions });
    case 'sold_out':
      return new SoldOutError('Less of the sale is left than is asked for.', { extensions });
    case 'customer_limit':
      return new CustomerLimitError('The customer would have more units of the sale than one may have.', {
        extensions,
      });
    default:
      return null;
  }
}

/**
 * The first decided answer, which every repeat of the request gets byte for byte; null while nothing is decided. A
 * committed order's answer was stored with the commit. A rejected one's is stored here by whoever comes first; its
 * `requestId` is the order's id, so that all who come at once write the same bytes, whichever request they belong to.
 */
export async function decidedAnswer(
  { pool }: Pick<HttpDeps, 'pool'>,
  orderId: string,
  known: KnownRequest,
): Promise<StoredAnswer | null> {
  if (known.receipt === null) return null;
  if (known.receipt.answer !== null) return known.receipt.answer;
  const problem = problemOf(rejectionOf(orderId, known), orderId);
  return storeAnswer(pool, orderId, { status: problem.status, body: JSON.stringify(problem) });
}

const PaymentView = z.object({
  mode: z.enum(['none', 'charge', 'wait']),
  status: z.enum(['NONE', 'PENDING', 'PAID', 'PARTIALLY_REFUNDED', 'REFUNDED', 'FAILED']),
  capturedMinor: AmountMinor,
  refundedMinor: AmountMinor,
  errorCode: z.string().nullable(),
  deadline: Timestamp.nullable().openapi({ description: 'Until when a payment is waited for' }),
  actionUrl: z
    .string()
    .nullable()
    .openapi({ description: 'Where the customer confirms the payment, while the gateway waits for that' }),
});

const ShipmentView = z.object({
  state: z.enum(['INTENDED', 'BOOKED', 'REFUSED', 'SHIPPED', 'DELIVERED', 'RETURNED', 'CANCELLED']),
  trackingId: z.string().nullable(),
});

const PointsView = z.object({
  points: z.int(),
  state: z.enum(['INTENDED', 'AWARDED', 'REFUSED', 'REVERSED']),
});

const Links = z.object({
  self: z.string(),
  timeline: z.string(),
  temporalUi: z
    .string()
    .nullable()
    .openapi({ description: 'The workflow in the Temporal Web UI, where one is known' }),
});

const head = {
  orderId: Uuid,
  createdAt: Timestamp,
  updatedAt: Timestamp,
  workflowId: z.string(),
  links: Links,
};
const contents = {
  customerId: CustomerId,
  lines: z.array(z.object({ sku: Sku, quantity: z.int(), unitPriceMinor: AmountMinor })),
  totalMinor: AmountMinor,
  currency: Currency,
  payment: PaymentView,
  shipment: ShipmentView.nullable().openapi({ description: 'Of a confirmed order that ships' }),
  points: PointsView.nullable().openapi({ description: 'What a paid order earned' }),
};

export const ORDER_STATUSES = [
  'PENDING_PAYMENT',
  'CONFIRMED',
  'SHIPPED',
  'COMPLETED',
  'COMPENSATING',
  'CANCELLED',
  'EXPIRED',
  'FAILED',
] as const;

export const Order = z.object({ ...head, status: z.enum(ORDER_STATUSES), ...contents }).openapi('Order');

/** Answers of 202 and of reads before the order's row exists. */
export const UndecidedOrder = z
  .object({
    ...head,
    status: z.enum(['ACCEPTED', 'REJECTED']),
    code: z.string().optional().openapi({ description: 'Why it was rejected', example: 'out_of_stock' }),
    ...z.object(contents).partial().shape,
  })
  .openapi('UndecidedOrder', { description: 'Not decided yet, or decided against: there is no order.' });
