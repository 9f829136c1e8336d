import type { OrderEventType } from './events';
import type { OrderLine, OrderStatus, PaymentMode, PaymentStatus } from './orders';
import { statusAfterRefund } from './payments';

/** An event of an order, as it is told to everybody. */
export interface OrderEvent {
  type: string;
  seq: number;
  /** RFC 3339: when it happened. */
  time: string;
  detail: Record<string, unknown>;
}

/** An order as it was at a time, as far as its events tell. No personal data. */
export interface OrderAsOf {
  orderId: string;
  /** RFC 3339: the time that was asked for. */
  asOf: string;
  /** Of the last event until then. */
  seq: number;
  status: OrderStatus;
  customerId: string;
  lines: OrderLine[];
  totalMinor: number;
  currency: string;
  payment: {
    mode: PaymentMode;
    status: PaymentStatus;
    capturedMinor: number;
    refundedMinor: number;
    /** Why the last payment was refused. */
    errorCode: string | null;
  };
  /** Null until the goods are on their way. */
  shipment: { state: 'SHIPPED' | 'DELIVERED'; trackingId: string | null } | null;
  createdAt: string;
  /** When the last event until then happened. */
  updatedAt: string;
}

/**
 * Rebuilds an order from its events. `seq` is the order in which things happened; clocks of different processes may
 * disagree, so the events are taken one after another until the first that is later than `at`: what comes out is always a
 * state that the order was in.
 *
 * COMPENSATING is no fact that anybody was told of: while an order is being undone, this shows what it was before.
 * @param events - of one order, by seq
 * @param at - RFC 3339
 * @returns null when the order was not there yet, or when its first events are not there any more
 */
export function orderAsOf(events: readonly OrderEvent[], at: string): OrderAsOf | null {
  const firstLater = events.findIndex((event) => Date.parse(event.time) > Date.parse(at));
  const told = firstLater < 0 ? events : events.slice(0, firstLater);
  const [first, ...rest] = told;
  if (first?.seq !== 1) return null;
  return rest.reduce(after, after(placed(first, at), first));
}

/** What is known from the first event, whichever it is. */
function placed({ seq, time, detail }: OrderEvent, at: string): OrderAsOf {
  const { orderId, customerId, lines, totalMinor, currency, paymentMode } = detail as unknown as OrderFacts;
  return {
    orderId,
    asOf: at,
    seq,
    status: 'PENDING_PAYMENT',
    customerId,
    lines,
    totalMinor,
    currency,
    payment: {
      mode: paymentMode,
      status: paymentMode === 'none' ? 'NONE' : 'PENDING',
      capturedMinor: 0,
      refundedMinor: 0,
      errorCode: null,
    },
    shipment: null,
    createdAt: time,
    updatedAt: time,
  };
}

/** Of `order.placed` and `order.confirmed`. */
interface OrderFacts {
  orderId: string;
  customerId: string;
  lines: OrderLine[];
  totalMinor: number;
  currency: string;
  paymentMode: PaymentMode;
}

/** The order after one more event. A type that is not known changes nothing but the number. */
function after(order: OrderAsOf, event: OrderEvent): OrderAsOf {
  const change = CHANGES[event.type as OrderEventType] as Change | undefined;
  return { ...order, ...change?.(order, event.detail), seq: event.seq, updatedAt: event.time };
}

type Change = (order: OrderAsOf, detail: Record<string, unknown>) => Partial<OrderAsOf>;

/** What each event says of its order. Source: the HTTP contract, "States and events". */
const CHANGES: Readonly<Record<OrderEventType, Change>> = {
  'order.placed': () => ({}),
  'order.confirmed': (order, detail) => ({ status: 'CONFIRMED', payment: paid(order, detail) }),
  // The order goes on waiting for another payment, or is over; the event says which.
  'order.payment_failed': (order, detail) => ({
    ...ended(order, detail, detail['status'] === 'PENDING_PAYMENT' ? 'PENDING_PAYMENT' : 'FAILED'),
  }),
  'order.cancelled': (order, detail) => ended(order, detail, 'CANCELLED'),
  'order.expired': (order, detail) => ended(order, detail, 'EXPIRED'),
  'order.shipped': (_order, detail) => ({ status: 'SHIPPED', shipment: shipment('SHIPPED', detail) }),
  'order.delivered': (_order, detail) => ({ status: 'COMPLETED', shipment: shipment('DELIVERED', detail) }),
  'order.refunded': (order, detail) => ({ payment: refunded(order, detail) }),
};

function paid({ payment, totalMinor }: OrderAsOf, detail: Record<string, unknown>): OrderAsOf['payment'] {
  if (payment.mode === 'none') return payment;
  const capturedMinor = (detail['capturedMinor'] as number | undefined) ?? totalMinor;
  // Another payment may have come and gone before: from here on it is this one.
  return { ...payment, status: 'PAID', capturedMinor, refundedMinor: 0, errorCode: null };
}

function ended(
  { payment }: OrderAsOf,
  detail: Record<string, unknown>,
  status: OrderStatus,
): Pick<OrderAsOf, 'status' | 'payment'> {
  const isOver = status !== 'PENDING_PAYMENT';
  const paymentStatus = isOver && payment.status === 'PENDING' ? 'FAILED' : payment.status;
  const errorCode = status === 'FAILED' || !isOver ? String(detail['code']) : payment.errorCode;
  return { status, payment: { ...payment, status: paymentStatus, errorCode } };
}

function shipment(
  state: 'SHIPPED' | 'DELIVERED',
  detail: Record<string, unknown>,
): NonNullable<OrderAsOf['shipment']> {
  return { state, trackingId: (detail['trackingId'] as string | null | undefined) ?? null };
}

/**
 * The event says what the payment that counts is now: the refund of one that never counted, because it came late or second,
 * moves none of it. One that reconciliation had to write anew knows its own amount only, which is then added.
 */
function refunded({ payment }: OrderAsOf, detail: Record<string, unknown>): OrderAsOf['payment'] {
  const { amountMinor, paymentStatus, ...now } = detail as {
    amountMinor: number;
    paymentStatus?: PaymentStatus;
    capturedMinor?: number;
    refundedMinor?: number;
  };
  const refundedMinor = now.refundedMinor ?? payment.refundedMinor + amountMinor;
  const capturedMinor = now.capturedMinor ?? Math.max(payment.capturedMinor, refundedMinor);
  const status = paymentStatus ?? statusAfterRefund(capturedMinor, refundedMinor);
  return { ...payment, status, capturedMinor, refundedMinor };
}
