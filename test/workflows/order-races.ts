import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities';
import type { Fulfilment, ShipmentState } from '../../src/domain/fulfilment';
import type { OrderProgress, OrderStatus } from '../../src/domain/orders';
import { cancelOrder, orderChanged, parkedStepResolved, payOrder } from '../../src/workflows/messages';
import {
  begun,
  confirmed,
  done,
  gate,
  inTurn,
  nothing,
  order,
  ORDER_ID,
  PAYMENT_ID,
  placed,
  type Scenario,
} from './scenario';

/** Orders to which something happens while something else is under way. */

const SHIPMENT_ID = '66666666-6666-5666-8666-666666666666';
const ENTRY_ID = '77777777-7777-5777-8777-777777777777';
const STEP = `ship:${SHIPMENT_ID}`;
const PASSED = '2020-01-01T00:00:00.000Z';
const FAR = '2099-01-01T00:00:00.000Z';

const waiting: OrderProgress = {
  ...placed,
  paymentMode: 'wait',
  paymentId: null,
  paymentIsLive: false,
  deadline: FAR,
};
const paying: OrderProgress = { ...waiting, paymentId: PAYMENT_ID, paymentIsLive: true };
const declined: OrderProgress = { ...paying, paymentIsLive: false };
const expired: OrderProgress = {
  ...declined,
  status: 'EXPIRED',
  paymentStatus: 'FAILED',
  ending: { event: 'order.expired', status: 'EXPIRED', code: 'payment_deadline' },
};
const NONE: Fulfilment = { shipment: null, points: null, cart: null };
const ships = (state: ShipmentState): Fulfilment['shipment'] => ({
  shipmentId: SHIPMENT_ID,
  state,
  code: null,
});
const shipped = (
  state: ShipmentState,
  status: OrderStatus,
  more: Partial<Fulfilment> = {},
): OrderProgress => ({ ...confirmed, status, fulfilment: { ...NONE, shipment: ships(state), ...more } });
const points = (state: 'INTENDED' | 'AWARDED'): Partial<Fulfilment> => ({
  points: { entryId: ENTRY_ID, state },
});
const captured: Activities['chargePayment'] = () => Promise.resolve({ kind: 'captured' });
const parked: Activities['parkStep'] = () => Promise.resolve({ parkedId: ORDER_ID, decision: null });

/** The commit's answer was under way when the payment came: it tells nothing of it. */
function paidBeforeTheCommitWasHeard(): Scenario {
  const [asked, paid] = [gate(), gate()];
  return {
    ...order,
    name: 'order-wait-paid-before-its-commit-was-heard',
    activities: {
      commitOrder: async () => {
        await asked.opened;
        return waiting;
      },
      readProgress: () => Promise.resolve(paying),
      deliverEvents: async () => {
        await paid.opened;
        return { waitMs: null };
      },
      chargePayment: captured,
      settleOrder: () => Promise.resolve({ settled: true, fulfilment: NONE }),
    },
    meanwhile: {
      when: 'commitOrder',
      async act(handle) {
        const update = await handle.startUpdate(payOrder, {
          args: [{ paymentId: PAYMENT_ID }],
          waitForStage: 'ACCEPTED',
        });
        asked.open();
        expect(await update.result()).toBe('captured');
        paid.open();
      },
    },
    asks: [
      'commitOrder',
      // The request is heard once the first try of the commit, within the workflow's task, was given up.
      'commitOrder',
      'deliverEvents',
      'readProgress',
      'chargePayment',
      'settleOrder',
      'deliverEvents',
    ],
    result: { status: 'CONFIRMED' },
  };
}

/** The same for a read: the first payment's wake-up is being looked at when the second one comes. */
function paidWhileTheProgressWasRead(): Scenario {
  const [read, told, paid] = [gate(), gate(), gate()];
  let reads = 0;
  return {
    ...order,
    name: 'order-wait-paid-while-its-progress-was-read',
    activities: {
      commitOrder: () => Promise.resolve(waiting),
      readProgress: async () => {
        reads += 1;
        if (reads > 2) return paying;
        // Nothing is heard during the first try, within the workflow's task; the second one is an activity.
        if (reads === 2) read.open();
        await told.opened;
        return waiting;
      },
      deliverEvents: async () => {
        await paid.opened;
        return { waitMs: null };
      },
      chargePayment: captured,
      settleOrder: () => Promise.resolve({ settled: true, fulfilment: NONE }),
    },
    meanwhile: {
      when: 'deliverEvents',
      async act(handle) {
        await handle.signal(orderChanged);
        await read.opened;
        const update = await handle.startUpdate(payOrder, {
          args: [{ paymentId: PAYMENT_ID }],
          waitForStage: 'ACCEPTED',
        });
        told.open();
        expect(await update.result()).toBe('captured');
        paid.open();
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'readProgress',
      'readProgress',
      'readProgress',
      'chargePayment',
      'settleOrder',
      'deliverEvents',
    ],
    result: { status: 'CONFIRMED' },
  };
}

function declinedByItsReport(): Scenario {
  const told = gate();
  let charges = 0;
  return {
    ...order,
    name: 'order-wait-declined-by-a-report-then-expired',
    activities: {
      commitOrder: () => Promise.resolve(paying),
      readProgress: inTurn(
        declined,
        { ...declined, deadline: PASSED },
        { ...declined, deadline: PASSED },
        expired,
      ),
      deliverEvents: done,
      chargePayment: async () => {
        charges += 1;
        if (charges > 1) return { kind: 'declined', code: 'authentication_failed' };
        await told.opened;
        return { kind: 'requires_action' };
      },
      undoPayment: () => Promise.resolve({ refundId: null }),
      announceDecline: nothing,
      beginEnding: begun(PAYMENT_ID),
      endOrder: nothing,
    },
    meanwhile: {
      when: 'chargePayment',
      async act(handle) {
        await handle.signal(orderChanged);
        told.open();
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'readProgress',
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
  };
}

/** The carrier is quicker than the ledger of points: its news does not wait for that. */
function shippedWhilePointsWait(): Scenario {
  const delivered = gate();
  let deliveries = 0;
  return {
    ...order,
    name: 'order-shipped-while-points-wait',
    activities: {
      commitOrder: () => Promise.resolve(shipped('INTENDED', 'CONFIRMED', points('INTENDED'))),
      readProgress: inTurn(
        shipped('SHIPPED', 'SHIPPED', points('INTENDED')),
        shipped('SHIPPED', 'SHIPPED', points('AWARDED')),
        shipped('DELIVERED', 'COMPLETED', points('AWARDED')),
      ),
      deliverEvents: () => {
        deliveries += 1;
        if (deliveries === 2) delivered.open();
        return done();
      },
      bookShipment: () => Promise.resolve({ kind: 'booked' }),
      awardPoints: () => delivered.opened,
      lookUpShipment: nothing,
    },
    meanwhile: { when: 'awardPoints', act: (handle) => handle.signal(orderChanged) },
    asks: [
      'commitOrder',
      'deliverEvents',
      'bookShipment',
      'awardPoints',
      'readProgress',
      'deliverEvents',
      'readProgress',
      'lookUpShipment',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'COMPLETED' },
  };
}

/** An old report again: nothing has changed, and the operator's decision is still waited for. */
function wokenForNothingWhileParked(): Scenario {
  const read = gate();
  const states = inTurn(shipped('RETURNED', 'SHIPPED'), shipped('DELIVERED', 'COMPLETED'));
  return {
    ...order,
    name: 'order-returned-and-woken-for-nothing',
    activities: {
      commitOrder: () => Promise.resolve(shipped('RETURNED', 'SHIPPED')),
      readProgress: () => {
        read.open();
        return states();
      },
      deliverEvents: done,
      parkStep: parked,
      unparkStep: nothing,
      completeShipment: nothing,
    },
    meanwhile: {
      when: 'parkStep',
      async act(handle) {
        await handle.signal(orderChanged);
        await read.opened;
        await handle.signal(parkedStepResolved, { step: STEP, decision: 'skip' });
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'parkStep',
      'readProgress',
      'unparkStep',
      'completeShipment',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'COMPLETED' },
  };
}

/** The carrier was taken away: an operator says whether the parcel was stopped. */
function cancelledWithoutACarrier(): Scenario {
  const [asked, reached] = [gate(), gate()];
  const gone = (): Promise<never> =>
    Promise.reject(ApplicationFailure.nonRetryable('no carrier is configured', 'participant_missing'));
  return {
    ...order,
    name: 'order-cancelled-without-a-carrier',
    activities: {
      commitOrder: () => Promise.resolve(shipped('BOOKED', 'CONFIRMED')),
      readProgress: inTurn(shipped('BOOKED', 'CONFIRMED'), shipped('DELIVERED', 'COMPLETED')),
      deliverEvents: async () => {
        await asked.opened;
        return { waitMs: null };
      },
      cancelShipment: gone,
      lookUpShipment: gone,
      parkStep: (step) => {
        reached.open();
        return parked(step);
      },
      unparkStep: nothing,
    },
    meanwhile: {
      when: 'deliverEvents',
      async act(handle) {
        const update = await handle.startUpdate(cancelOrder, { waitForStage: 'ACCEPTED' });
        asked.open();
        await reached.opened;
        await handle.signal(parkedStepResolved, { step: STEP, decision: 'fail' });
        expect(await update.result()).toEqual({ status: 'CONFIRMED' });
      },
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'cancelShipment',
      'parkStep',
      'unparkStep',
      'lookUpShipment',
      'readProgress',
      'lookUpShipment',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'COMPLETED' },
  };
}

export const orderRaces: Scenario[] = [
  paidBeforeTheCommitWasHeard(),
  paidWhileTheProgressWasRead(),
  declinedByItsReport(),
  {
    ...order,
    name: 'order-expired-with-a-payment-that-came-meanwhile',
    activities: {
      commitOrder: () => Promise.resolve({ ...waiting, deadline: PASSED }),
      readProgress: inTurn({ ...waiting, deadline: PASSED }, expired),
      deliverEvents: done,
      beginEnding: begun(PAYMENT_ID),
      undoPayment: () => Promise.resolve({ refundId: null }),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
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
    name: 'order-resumed-after-its-payment-was-declined',
    activities: {
      commitOrder: () => Promise.resolve({ ...placed, paymentIsLive: false }),
      readProgress: () => Promise.resolve({ ...placed, status: 'FAILED', paymentStatus: 'FAILED' }),
      deliverEvents: done,
      chargePayment: () => Promise.resolve({ kind: 'declined', code: 'card_declined' }),
      beginEnding: begun(PAYMENT_ID),
      undoPayment: () => Promise.resolve({ refundId: null }),
      endOrder: nothing,
    },
    asks: [
      'commitOrder',
      'deliverEvents',
      'chargePayment',
      'beginEnding',
      'undoPayment',
      'endOrder',
      'readProgress',
      'deliverEvents',
    ],
    result: { status: 'FAILED' },
  },
  shippedWhilePointsWait(),
  {
    ...order,
    name: 'order-resumed-before-its-points',
    activities: {
      commitOrder: () => Promise.resolve(shipped('DELIVERED', 'COMPLETED', points('INTENDED'))),
      readProgress: () => Promise.resolve(shipped('DELIVERED', 'COMPLETED', points('AWARDED'))),
      deliverEvents: done,
      awardPoints: nothing,
    },
    asks: ['commitOrder', 'deliverEvents', 'awardPoints', 'readProgress'],
    result: { status: 'COMPLETED' },
  },
  wokenForNothingWhileParked(),
  cancelledWithoutACarrier(),
];
