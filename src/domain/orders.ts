import type { OrderEventType } from './events';
import type { Fulfilment, PointsState, ShipmentState } from './fulfilment';
import { formatMoney } from './money';

/** Source of all names and meanings here: the HTTP contract, "States and events". */
export type PaymentMode = 'none' | 'charge' | 'wait';
export type OrderStatus =
  | 'PENDING_PAYMENT'
  | 'CONFIRMED'
  | 'SHIPPED'
  | 'COMPLETED'
  | 'COMPENSATING'
  | 'CANCELLED'
  | 'EXPIRED'
  | 'FAILED';
/** What a caller can see; the first two are read from the request and its receipt, before or instead of an order. */
export type VisibleStatus = OrderStatus | 'ACCEPTED' | 'REJECTED';
export type PaymentStatus = 'NONE' | 'PENDING' | 'PAID' | 'PARTIALLY_REFUNDED' | 'REFUNDED' | 'FAILED';

/** A sale that needs no further step by itself. CONFIRMED is the end for orders that don't ship. */
const TERMINAL: readonly OrderStatus[] = ['CONFIRMED', 'COMPLETED', 'CANCELLED', 'EXPIRED', 'FAILED'];

export function isTerminal(status: OrderStatus): boolean {
  return TERMINAL.includes(status);
}

/** Ended without a sale: no money of its payment is kept. */
const UNDONE: readonly VisibleStatus[] = ['CANCELLED', 'EXPIRED', 'FAILED'];

export function isUndone(status: VisibleStatus): boolean {
  return UNDONE.includes(status);
}

export interface OrderLine {
  sku: string;
  quantity: number;
  unitPriceMinor: number;
}

/** The body of `POST /v1/orders` after it was checked. The only place in memory where personal data is carried. */
export interface OrderRequest {
  customer: {
    id: string;
    phone: string;
    channels: string[];
    /** ISO 3166 of the number, as far as it can be told. */
    country?: string | null | undefined;
  };
  lines: OrderLine[];
  currency: string;
  payment: { mode: PaymentMode; method?: string | undefined; deadlineSeconds?: number | undefined };
  /** Where the goods go; without it the order does not ship. */
  shipping?: ShippingAddress | undefined;
  /** The shopping cart that becomes the order. */
  cartId?: string | undefined;
}

/** Personal data. */
export interface ShippingAddress {
  name: string;
  line1: string;
  line2?: string | undefined;
  postalCode: string;
  city: string;
  /** ISO 3166-1 alpha-2. */
  country: string;
}

/** How an order ends that is not to be: which event tells of it, and why. */
export interface Ending {
  event: Extract<OrderEventType, 'order.cancelled' | 'order.payment_failed' | 'order.expired'>;
  status: Extract<OrderStatus, 'CANCELLED' | 'FAILED' | 'EXPIRED'>;
  code: string;
}

/** Undone because somebody asked, or because a later step was refused: the code says which. */
export function cancelledBecause(code: string): Ending {
  return { event: 'order.cancelled', status: 'CANCELLED', code };
}

/** The customer has not paid in time. */
export const PAYMENT_EXPIRED: Ending = {
  event: 'order.expired',
  status: 'EXPIRED',
  code: 'payment_deadline',
};

/** How long a `wait` order waits when its caller does not say. Seconds. Source: the HTTP contract. */
export const DEADLINE_SECONDS_DEFAULT = 900;
/** Source: the HTTP contract: a week. */
export const DEADLINE_SECONDS_MAX = 604_800;

/** When a `wait` order placed at `at` (RFC 3339) gives its stock back. */
export function deadlineOf(at: string, deadlineSeconds = DEADLINE_SECONDS_DEFAULT): string {
  return new Date(Date.parse(at) + deadlineSeconds * 1_000).toISOString();
}

/** An order of the carrier's that ended: what an operator may still take back, and nobody else. */
export const LOST_SHIPMENT_CODES = ['returned', 'not_delivered'] as const;

/** Goods that never came back are not for sale again. */
export function isStockReturned(code: string): boolean {
  return code !== 'not_delivered';
}

/**
 * Whether an order in this state may still be undone.
 * @param order.ships - whether it has a shipment
 * @param code - why it is to be undone
 */
export function mayBeUndone(order: { status: OrderStatus; ships: boolean }, code: string): boolean {
  switch (order.status) {
    case 'PENDING_PAYMENT':
      return true;
    case 'CONFIRMED':
      return order.ships;
    case 'SHIPPED':
      return (LOST_SHIPMENT_CODES as readonly string[]).includes(code);
    default:
      return false;
  }
}

/** What is decided of an order and how far it is: the result of a commit and of every start, which is a resume. */
export interface OrderProgress {
  decision: 'committed' | 'rejected' | 'closed';
  /** Why it was rejected: `out_of_stock`, `unknown_sku` or `transaction_closed`. */
  code: string | null;
  status: OrderStatus | 'REJECTED';
  paymentStatus: PaymentStatus;
  paymentMode: PaymentMode;
  /** The payment that counts: the live one, or else the last. */
  paymentId: string | null;
  /** True while that payment may still pay for the order. */
  paymentIsLive: boolean;
  /** RFC 3339: until when a payment is waited for; null when none is. */
  deadline: string | null;
  fulfilment: Fulfilment;
  /** Which run may change the order. */
  epoch: number;
  ending: Ending | null;
}

/** The sum of an order. Safe: the request's limits keep it far below 2^53. */
export function totalMinor(lines: readonly OrderLine[]): number {
  return lines.reduce((sum, line) => sum + line.quantity * line.unitPriceMinor, 0);
}

/** What the Temporal Web UI shows as a run's summary, for instance `3 lines, EUR 59.90`. No personal data. */
export function orderSummary(order: { lines: readonly OrderLine[]; currency: string }): string {
  const count = order.lines.length;
  return `${count} ${count === 1 ? 'line' : 'lines'}, ${formatMoney(totalMinor(order.lines), order.currency)}`;
}

/** The state that a commit puts an order in, and where it puts the stock. Source: the HTTP contract, "States and events". */
export function statesAfterCommit(mode: PaymentMode): {
  status: OrderStatus;
  paymentStatus: PaymentStatus;
  take: 'sold' | 'reserved';
  event: OrderEventType;
} {
  return mode === 'none'
    ? { status: 'CONFIRMED', paymentStatus: 'NONE', take: 'sold', event: 'order.confirmed' }
    : { status: 'PENDING_PAYMENT', paymentStatus: 'PENDING', take: 'reserved', event: 'order.placed' };
}

/** The detail of `order.placed` and `order.confirmed`, without `seq`, which the transaction gives. */
export function orderDetail(order: {
  orderId: string;
  customerId: string;
  lines: readonly OrderLine[];
  currency: string;
  paymentMode: PaymentMode;
}): Record<string, unknown> {
  return {
    orderId: order.orderId,
    customerId: order.customerId,
    paymentMode: order.paymentMode,
    lines: order.lines.map(({ sku, quantity, unitPriceMinor }) => ({ sku, quantity, unitPriceMinor })),
    totalMinor: totalMinor(order.lines),
    currency: order.currency,
  };
}

/** An order as callers see it. No personal data: the customer is known by the caller's own id. */
export interface OrderView {
  orderId: string;
  status: VisibleStatus;
  customerId?: string;
  lines: OrderLine[];
  totalMinor: number;
  currency: string;
  payment: {
    mode: PaymentMode;
    status: PaymentStatus;
    capturedMinor: number;
    refundedMinor: number;
    errorCode: string | null;
    /** RFC 3339: until when a payment is waited for; null when none is. */
    deadline: string | null;
    /** Where the customer confirms the payment, while the gateway waits for that. */
    actionUrl: string | null;
  };
  /** Null for an order that does not ship, or is not confirmed yet. */
  shipment: { state: ShipmentState; trackingId: string | null } | null;
  /** Null when it earns none, or is not confirmed yet. */
  points: { points: number; state: PointsState } | null;
  createdAt: string;
  updatedAt: string;
  workflowId: string;
  links: { self: string; timeline: string; temporalUi: string | null };
}

/** Where things are seen: the Web UI's address (null when none is known) and the Temporal namespace. */
export interface Places {
  temporalUiUrl: string | null;
  namespace: string;
}

export function orderWorkflowId(orderId: string): string {
  return `order/${orderId}`;
}

/** In the flash lane an order is looked after by the workflow of its group, until it needs one of its own. */
export function groupWorkflowId(groupId: string): string {
  return `group/${groupId}`;
}

/** @param workflowId - of the workflow that looks after the order */
export function orderLinks(orderId: string, workflowId: string, places: Places): OrderView['links'] {
  return {
    self: `/v1/orders/${orderId}`,
    timeline: `/v1/orders/${orderId}/timeline`,
    temporalUi: workflowPage(workflowId, places),
  };
}

/** A workflow's page in the Web UI. Without a run id, the UI lists the runs of this id. */
export function workflowPage(workflowId: string, places: Places): string | null {
  if (places.temporalUiUrl === null) return null;
  return `${places.temporalUiUrl}/namespaces/${encodeURIComponent(places.namespace)}/workflows/${encodeURIComponent(workflowId)}`;
}

/** The answer to a commit, made before it so that it can be stored with it and replayed byte for byte. */
export function committedView(order: {
  orderId: string;
  request: OrderRequest;
  at: string;
  places: Places;
  workflowId?: string;
}): OrderView {
  const { orderId, request, at, places, workflowId = orderWorkflowId(orderId) } = order;
  const after = statesAfterCommit(request.payment.mode);
  return {
    orderId,
    status: after.status,
    customerId: request.customer.id,
    lines: request.lines.map(({ sku, quantity, unitPriceMinor }) => ({ sku, quantity, unitPriceMinor })),
    totalMinor: totalMinor(request.lines),
    currency: request.currency,
    payment: {
      mode: request.payment.mode,
      status: after.paymentStatus,
      capturedMinor: 0,
      refundedMinor: 0,
      errorCode: null,
      deadline: request.payment.mode === 'wait' ? deadlineOf(at, request.payment.deadlineSeconds) : null,
      actionUrl: null,
    },
    shipment:
      request.shipping !== undefined && after.status === 'CONFIRMED'
        ? { state: 'INTENDED', trackingId: null }
        : null,
    points: null,
    createdAt: at,
    updatedAt: at,
    workflowId,
    links: orderLinks(orderId, workflowId, places),
  };
}
