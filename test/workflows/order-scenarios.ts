import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities';
import type { Fulfilment, ShipmentState } from '../../src/domain/fulfilment';
import type { OrderProgress } from '../../src/domain/orders';
import { cancelOrder, orderChanged, parkedStepResolved, payOrder } from '../../src/workflows/messages';
import {
  begun,
  cancelled,
  confirmed,
  done,
  gate,
  inTurn,
  neverAnswers,
  nothing,
  order,
  ORDER_ID,
  PAYMENT_ID,
  placed,
  REFUND_ID,
  type Scenario,
} from './scenario';

/** The whole life of an order: paid later, shipped, points, cart, and every way back. */

const SHIPMENT_ID = '66666666-6666-5666-8666-666666666666';
const ENTRY_ID = '77777777-7777-5777-8777-777777777777';
/** Long past, so that the deadline is over as soon as somebody looks. */
const PASSED = '2020-01-01T00:00:00.000Z';
const FAR = '2099-01-01T00:00:00.000Z';

const shipping = (state: ShipmentState, code: string | null = null): Fulfilment => ({
  shipment: { shipmentId: SHIPMENT_ID, state, code },
  points: null,
  cart: null,
});
const everything: Fulfilment = {
  shipment: { shipmentId: SHIPMENT_ID, state: 'INTENDED', code: null },
  points: { entryId: ENTRY_ID, state: 'INTENDED' },
  cart: { state: 'INTENDED' },
};
const everythingDone: Fulfilment = {
  shipment: { shipmentId: SHIPMENT_ID, state: 'BOOKED', code: null },
  points: { entryId: ENTRY_ID, state: 'AWARDED' },
  cart: { state: 'CLEARED' },
};

const waiting: OrderProgress = {
  ...placed,
  paymentMode: 'wait',
  paymentId: null,
  paymentIsLive: false,
  deadline: FAR,
};
const paying: OrderProgress = { ...waiting, paymentId: PAYMENT_ID, paymentIsLive: true };
const notPaid: OrderProgress = { ...waiting, paymentId: PAYMENT_ID, paymentIsLive: false };
const expired: OrderProgress = {
  ...waiting,
  status: 'EXPIRED',
  paymentStatus: 'FAILED',
  deadline: PASSED,
  ending: { event: 'order.expired', status: 'EXPIRED', code: 'payment_deadline' },
};
const shipped = (fulfilment: Fulfilment, status: OrderProgress['status'] = 'CONFIRMED'): OrderProgress => ({
  ...confirmed,
  status,
  fulfilment,
});
const ended: OrderProgress = { ...shipped(shipping('CANCELLED')), status: 'CANCELLED', ending: cancelled };

const booked: Activities['bookShipment'] = () => Promise.resolve({ kind: 'booked' });
const parked: Activities['parkStep'] = () => Promise.resolve({ parkedId: ORDER_ID, decision: null });
const captured: Activities['chargePayment'] = () => Promise.resolve({ kind: 'captured' });
const settledAs =
  (fulfilment: Fulfilment): Activities['settleOrder'] =>
  () =>
    Promise.resolve({ settled: true, fulfilment });
const NONE: Fulfilment = { shipment: null, points: null, cart: null };

/** The first delivery ends with the payment: until then time stands still, and the deadline stays far. */
function paidOnRequest(): Scenario {
  let paid = (): void => undefined;
  const isPaid = new Promise<void>((resolve) => {
    paid = resolve;
  });
  return {
    ...order,
    name: 'order-wait-paid-on-request',
    activities: {
      commitOrder: () => Promise.resolve(waiting),
      readProgress: () => Promise.resolve(paying),
      deliverEvents: async () => {
        await isPaid;
        return { waitMs: null };
      },
      chargePayment: captured,
      settleOrder: settledAs(NONE),
    },
    meanwhile: {
      when: 'deliverEvents',
      async act(handle) {
        const outcome = await handle.executeUpdate(payOrder, { args: [{ paymentId: PAYMENT_ID }] });
        expect(outcome).toBe('captured');
        paid();
      },
    },
    asks: ['commitOrder', 'deliverEvents', 'readProgress', 'chargePayment', 'settleOrder', 'deliverEvents'],
    result: { status: 'CONFIRMED', paymentStatus: 'PAID' },
  };
}

/** Orders that wait for their payment. */
const cancelHeard = gate();

const paidLater: Scenario[] = [
  paidOnRequest(),
  {
    ...order,
    name: 'order-wait-paid-after-the-customer-acted',
    activities: {
      commitOrder: () => Promise.resolve(paying),
      readProgress: () => Promise.resolve(paying),
      deliverEvents: done,
      chargePayment: inTurn<Awaited<ReturnType<Activities['chargePayment']>>>(
        { kind: 'requires_action' },
        { kind: 'captured' },
      ),
      settleOrder: settledAs(NONE),
    },
    meanwhile: { when: 'chargePayment', act: (handle) => handle.signal(orderChanged) },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'readProgress',
      'chargePayment',
      'settleOrder',
      'deliverEvents',
    ],
    result: { status: 'CONFIRMED' },
  },
  {
    ...order,
    name: 'order-wait-declined-then-expired',
    activities: {
      commitOrder: () => Promise.resolve(paying),
      readProgress: inTurn({ ...notPaid, deadline: PASSED }, { ...notPaid, deadline: PASSED }, expired),
      deliverEvents: done,
      chargePayment: () => Promise.resolve({ kind: 'declined', code: 'card_declined' }),
      undoPayment: () => Promise.resolve({ refundId: null }),
      announceDecline: nothing,
      beginEnding: begun(PAYMENT_ID),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'undoPayment',
      'announceDecline',
      'readProgress',
      'deliverEvents',
      'readProgress',
      'beginEnding',
      'undoPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'EXPIRED' },
  },
  {
    ...order,
    name: 'order-wait-expired',
    activities: {
      commitOrder: () => Promise.resolve({ ...waiting, deadline: PASSED }),
      readProgress: inTurn({ ...waiting, deadline: PASSED }, expired),
      deliverEvents: done,
      beginEnding: begun(),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'readProgress',
      'beginEnding',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'EXPIRED' },
  },
  {
    ...order,
    name: 'order-wait-paid-just-before-it-expired',
    activities: {
      commitOrder: () => Promise.resolve({ ...waiting, deadline: PASSED }),
      readProgress: inTurn({ ...waiting, deadline: PASSED }, { ...paying, deadline: PASSED }),
      deliverEvents: done,
      beginEnding: () => Promise.resolve({ outcome: 'paid', paymentId: PAYMENT_ID }),
      chargePayment: captured,
      settleOrder: settledAs(NONE),
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'readProgress',
      'beginEnding',
      'readProgress',
      'chargePayment',
      'settleOrder',
      'deliverEvents',
    ],
    result: { status: 'CONFIRMED' },
  },
  {
    ...order,
    name: 'order-wait-not-expired-by-the-clock-of-the-database',
    activities: {
      commitOrder: () => Promise.resolve({ ...waiting, deadline: PASSED }),
      readProgress: inTurn(
        { ...waiting, deadline: PASSED },
        { ...waiting, deadline: PASSED },
        { ...waiting, deadline: PASSED },
        expired,
      ),
      deliverEvents: done,
      beginEnding: inTurn<Awaited<ReturnType<Activities['beginEnding']>>>(
        { outcome: 'not_yet', paymentId: null },
        { outcome: 'begun', paymentId: null },
      ),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'readProgress',
      'beginEnding',
      'readProgress',
      'readProgress',
      'beginEnding',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'EXPIRED' },
  },
  {
    ...order,
    name: 'order-wait-paid-with-another-amount-then-cancelled',
    activities: {
      commitOrder: () => Promise.resolve(paying),
      readProgress: inTurn(notPaid, { ...notPaid, status: 'CANCELLED', ending: cancelled }),
      deliverEvents: done,
      chargePayment: captured,
      settleOrder: () => Promise.resolve({ settled: false, code: 'amount_mismatch' }),
      undoPayment: () => Promise.resolve({ refundId: REFUND_ID }),
      refundPayment: () => Promise.resolve({ kind: 'refunded' }),
      // Until the cancel is heard: otherwise time would be skipped to the deadline.
      announceDecline: () => cancelHeard.opened,
      beginEnding: begun(PAYMENT_ID),
      endOrder: nothing,
    },
    meanwhile: {
      when: 'announceDecline',
      async act(handle) {
        const cancel = await handle.startUpdate(cancelOrder, { waitForStage: 'ACCEPTED' });
        cancelHeard.open();
        expect(await cancel.result()).toEqual({ status: 'CANCELLED' });
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'settleOrder',
      'undoPayment',
      'announceDecline',
      'readProgress',
      'deliverEvents',
      'beginEnding',
      'undoPayment',
      'refundPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED' },
  },
  {
    ...order,
    name: 'order-paid-and-stock-found-short',
    activities: {
      commitOrder: () => Promise.resolve(placed),
      readProgress: () => Promise.resolve({ ...placed, status: 'CANCELLED', paymentStatus: 'REFUNDED' }),
      deliverEvents: done,
      chargePayment: captured,
      settleOrder: () => Promise.resolve({ settled: false, code: 'stock_short' }),
      beginEnding: begun(PAYMENT_ID),
      undoPayment: () => Promise.resolve({ refundId: REFUND_ID }),
      refundPayment: () => Promise.resolve({ kind: 'refunded' }),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'settleOrder',
      'beginEnding',
      'undoPayment',
      'refundPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED', paymentStatus: 'REFUNDED' },
  },
];

/** Orders that ship. */
const shippedOrders: Scenario[] = [
  {
    ...order,
    name: 'order-shipped-and-delivered',
    activities: {
      commitOrder: () => Promise.resolve(placed),
      readProgress: inTurn(
        shipped(everythingDone),
        shipped({ ...everythingDone, ...shipping('SHIPPED') }, 'SHIPPED'),
        shipped({ ...everythingDone, ...shipping('DELIVERED') }, 'COMPLETED'),
      ),
      deliverEvents: done,
      chargePayment: captured,
      settleOrder: settledAs(everything),
      bookShipment: booked,
      awardPoints: nothing,
      clearCart: nothing,
      lookUpShipment: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'settleOrder',
      'deliverEvents',
      'bookShipment',
      'awardPoints',
      'clearCart',
      'readProgress',
      'lookUpShipment',
      'readProgress',
      'deliverEvents',
      'lookUpShipment',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'COMPLETED' },
  },
  {
    ...order,
    name: 'order-cancelled-before-it-shipped',
    activities: {
      commitOrder: () => Promise.resolve(shipped(shipping('BOOKED'))),
      readProgress: () => Promise.resolve(ended),
      deliverEvents: done,
      cancelShipment: () => Promise.resolve({ kind: 'cancelled' }),
      beginEnding: begun(),
      endOrder: nothing,
    },
    meanwhile: {
      when: 'deliverEvents',
      async act(handle) {
        expect(await handle.executeUpdate(cancelOrder)).toEqual({ status: 'CANCELLED' });
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'cancelShipment',
      'beginEnding',
      'cancelShipment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED' },
  },
  {
    ...order,
    name: 'order-cancelled-too-late-then-delivered',
    activities: {
      commitOrder: () => Promise.resolve(shipped(shipping('BOOKED'))),
      readProgress: inTurn(
        shipped(shipping('SHIPPED'), 'SHIPPED'),
        shipped(shipping('DELIVERED'), 'COMPLETED'),
      ),
      deliverEvents: done,
      cancelShipment: () => Promise.resolve({ kind: 'too_late' }),
      lookUpShipment: nothing,
    },
    meanwhile: {
      when: 'deliverEvents',
      async act(handle) {
        const { status } = await handle.executeUpdate(cancelOrder);
        expect(['SHIPPED', 'COMPLETED']).toContain(status);
        await handle.signal(orderChanged);
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'cancelShipment',
      'lookUpShipment',
      'readProgress',
      'deliverEvents',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'COMPLETED' },
  },
  {
    ...order,
    name: 'order-booked-by-hand-after-it-was-parked',
    activities: {
      commitOrder: () => Promise.resolve(shipped(shipping('INTENDED'))),
      readProgress: inTurn(shipped(shipping('BOOKED')), shipped(shipping('DELIVERED'), 'COMPLETED')),
      deliverEvents: done,
      bookShipment: () =>
        Promise.reject(ApplicationFailure.nonRetryable('another order came back', 'gateway_mismatch')),
      parkStep: parked,
      unparkStep: nothing,
      closeStep: nothing,
      lookUpShipment: nothing,
    },
    meanwhile: {
      when: 'parkStep',
      act: (handle) => handle.signal(parkedStepResolved, { step: `ship:${SHIPMENT_ID}`, decision: 'skip' }),
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'bookShipment',
      'parkStep',
      'unparkStep',
      'closeStep',
      'readProgress',
      'lookUpShipment',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'COMPLETED' },
  },
  {
    ...order,
    name: 'order-returned-and-refunded',
    activities: {
      commitOrder: () => Promise.resolve(shipped(shipping('RETURNED'), 'SHIPPED')),
      readProgress: () => Promise.resolve(ended),
      deliverEvents: done,
      parkStep: parked,
      unparkStep: nothing,
      beginEnding: begun(),
      cancelShipment: () => Promise.resolve({ kind: 'cancelled' }),
      endOrder: nothing,
    },
    meanwhile: {
      when: 'parkStep',
      act: (handle) => handle.signal(parkedStepResolved, { step: `ship:${SHIPMENT_ID}`, decision: 'fail' }),
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'parkStep',
      'unparkStep',
      'beginEnding',
      'cancelShipment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED' },
  },
  {
    ...order,
    name: 'order-returned-then-delivered-after-all',
    activities: {
      commitOrder: () => Promise.resolve(shipped(shipping('RETURNED'), 'SHIPPED')),
      readProgress: () => Promise.resolve(shipped(shipping('DELIVERED'), 'COMPLETED')),
      deliverEvents: done,
      parkStep: parked,
      unparkStep: nothing,
    },
    meanwhile: { when: 'parkStep', act: (handle) => handle.signal(orderChanged) },
    asks: ['commitOrder', 'deliverEvents', 'parkStep', 'readProgress', 'deliverEvents', 'unparkStep'],
    result: { status: 'COMPLETED' },
  },
  {
    ...order,
    name: 'order-never-delivered-then-completed-by-hand',
    activities: {
      commitOrder: () => Promise.resolve(shipped(shipping('SHIPPED'), 'SHIPPED')),
      readProgress: inTurn(
        ...Array.from({ length: 8 }, () => shipped(shipping('SHIPPED'), 'SHIPPED')),
        shipped(shipping('DELIVERED'), 'COMPLETED'),
      ),
      deliverEvents: done,
      lookUpShipment: nothing,
      parkStep: parked,
      unparkStep: nothing,
      completeShipment: nothing,
    },
    meanwhile: {
      when: 'parkStep',
      act: (handle) => handle.signal(parkedStepResolved, { step: `ship:${SHIPMENT_ID}`, decision: 'skip' }),
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      ...Array.from({ length: 8 }, () => ['lookUpShipment', 'readProgress'] as const).flat(),
      'parkStep',
      'unparkStep',
      'completeShipment',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'COMPLETED' },
  },
];

export const ordersInFull: Scenario[] = [...paidLater, ...shippedOrders];

/**
 * The carrier answers once both others are under way: the test server loses a task that gives up what no worker has taken
 * yet.
 */
function refusedByTheCarrier(): Scenario {
  let toBegin = 2;
  let begin = (): void => undefined;
  const othersBegan = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const begins = (): void => {
    toBegin -= 1;
    if (toBegin === 0) begin();
  };
  return {
    ...order,
    name: 'order-refused-by-the-carrier',
    activities: {
      commitOrder: () =>
        Promise.resolve({
          ...shipped(everything),
          paymentMode: 'charge',
          paymentId: PAYMENT_ID,
          paymentIsLive: true,
        }),
      readProgress: inTurn(
        {
          ...shipped({ ...everythingDone, ...shipping('REFUSED', 'address_refused') }),
          fulfilment: {
            ...everythingDone,
            shipment: { shipmentId: SHIPMENT_ID, state: 'REFUSED', code: 'address_refused' },
          },
          paymentMode: 'charge',
          paymentId: PAYMENT_ID,
          paymentIsLive: true,
        },
        { ...ended, paymentStatus: 'REFUNDED' },
      ),
      deliverEvents: done,
      bookShipment: async () => {
        await othersBegan;
        return { kind: 'refused', code: 'address_refused' };
      },
      awardPoints: () => {
        begins();
        return neverAnswers();
      },
      clearCart: () => {
        begins();
        return nothing();
      },
      beginEnding: begun(PAYMENT_ID),
      cancelShipment: () => Promise.resolve({ kind: 'cancelled' }),
      reversePoints: nothing,
      restoreCart: nothing,
      undoPayment: () => Promise.resolve({ refundId: REFUND_ID }),
      refundPayment: () => Promise.resolve({ kind: 'refunded' }),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'bookShipment',
      'awardPoints',
      'clearCart',
      'readProgress',
      'beginEnding',
      'cancelShipment',
      'reversePoints',
      'restoreCart',
      'undoPayment',
      'refundPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED', paymentStatus: 'REFUNDED' },
  };
}

/** Runs that end while somebody whom they gave up still does not answer: the server skips no time after them. */
export const givenUp: Scenario[] = [
  refusedByTheCarrier(),
  {
    ...order,
    name: 'order-cancelled-while-the-carrier-hangs',
    activities: {
      commitOrder: () => Promise.resolve(shipped(shipping('INTENDED'))),
      readProgress: () => Promise.resolve(ended),
      deliverEvents: done,
      bookShipment: neverAnswers,
      cancelShipment: () => Promise.resolve({ kind: 'cancelled' }),
      beginEnding: begun(),
      endOrder: nothing,
    },
    meanwhile: {
      when: 'bookShipment',
      async act(handle) {
        expect(await handle.executeUpdate(cancelOrder)).toEqual({ status: 'CANCELLED' });
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'bookShipment',
      'cancelShipment',
      'beginEnding',
      'cancelShipment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'CANCELLED' },
  },
];
