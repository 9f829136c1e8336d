import { ApplicationFailure } from '@temporalio/common';
import type { Decisions } from '../domain/decisions';
import { NOTHING_TO_FULFIL, type Fulfilment } from '../domain/fulfilment';
import {
  deadlineOf,
  statesAfterCommit,
  type Ending,
  type OrderProgress,
  type OrderRequest,
  type Places,
} from '../domain/orders';
import type { Participants } from '../domain/participants';
import { paymentIdOf, shipmentIdOf } from '../database/ids';
import { takeOver } from '../database/groups';
import { beginEnding, endOrder, type BeginOutcome } from '../database/order-endings';
import { settleOrder, type SettleOutcome } from '../database/order-settling';
import * as orders from '../database/orders';
import type { PhoneHash } from '../database/phone-hash';
import type { Pool } from '../database/pool';
import { readRequestBody } from '../database/requests';

export interface OrderActivities {
  /** Commits the order with stock, event and message; a repeat reads what was decided. Idempotent by order id. */
  commitOrder(input: { orderId: string }): Promise<OrderProgress>;
  /** What is decided and how far the order is. Reads only. */
  readProgress(input: { orderId: string }): Promise<OrderProgress>;
  /** Makes the commit impossible unless it has happened. Final. Idempotent. */
  closeTransaction(input: { orderId: string }): Promise<OrderProgress>;
  /** Confirms what is paid, or says why not: the payment must be undone then. Idempotent by the `settle` receipt. */
  settleOrder(input: { orderId: string; epoch: number }): Promise<SettleOutcome>;
  /**
   * Keeps the order from being settled, or says why it cannot be ended. Idempotent.
   * @returns with it the payment that counts now
   */
  beginEnding(input: {
    orderId: string;
    epoch: number;
    ending: Ending;
  }): Promise<{ outcome: BeginOutcome; paymentId: string | null }>;
  /** Releases the stock and closes the order with its counter-event. Idempotent by the `commit` undo receipt. */
  endOrder(input: { orderId: string; epoch: number; ending: Ending }): Promise<void>;
}

export function createOrderActivities(deps: {
  pool: Pool;
  places: Places;
  phoneHash: PhoneHash;
  participants: Participants;
  /** Tells whoever waits for a decision in this process. */
  decisions: Decisions;
  now: () => Date;
}): OrderActivities {
  const { pool, places, phoneHash, decisions } = deps;
  const at = (): string => deps.now().toISOString();
  const readDecided = async (orderId: string): Promise<OrderProgress> => {
    const progress = await orders.readProgress(pool, orderId);
    if (progress !== null) return progress;
    throw ApplicationFailure.nonRetryable('there is no request for this order id', 'unknown_order');
  };
  return {
    async commitOrder({ orderId }) {
      const asked = decisions.requestOf(orderId) ?? (await readRequestBody(pool, orderId));
      if (asked !== null && asked.body !== null) {
        const request = asked.body;
        const placedAt = at();
        const order = { orderId, caller: asked.caller, request };
        const [placed] = await orders.placeOrders(pool, [order], { at: placedAt, places, phoneHash });
        if (placed?.decidedNow === true && placed.state === 'done') {
          decisions.decided(orderId, placed.answer);
          return justCommitted(orderId, request, placedAt);
        }
      }
      // A resume: an order that a group of the flash lane committed is this run's from now on.
      await takeOver(pool, [orderId]);
      const progress = await readDecided(orderId);
      decisions.decided(orderId, null);
      return progress;
    },
    readProgress: ({ orderId }) => readDecided(orderId),
    async closeTransaction({ orderId }) {
      const progress = await orders.closeTransaction(pool, orderId);
      decisions.decided(orderId, null);
      return progress;
    },
    settleOrder: (step) => settleOrder(pool, { ...step, at: at(), earnsPoints: deps.participants.points }),
    async beginEnding(step) {
      const outcome = await beginEnding(pool, { ...step, at: at() });
      // After it: from then on no payment joins the order.
      const { paymentId } = await readDecided(step.orderId);
      return { outcome, paymentId };
    },
    endOrder: (step) => endOrder(pool, { ...step, at: at() }),
  };
}

/** What a commit that this call made is known to have left, without reading it back. */
function justCommitted(orderId: string, order: OrderRequest, at: string): OrderProgress {
  const { mode, deadlineSeconds } = order.payment;
  const after = statesAfterCommit(mode);
  const isConfirmed = after.status === 'CONFIRMED';
  return {
    decision: 'committed',
    code: null,
    status: after.status,
    paymentStatus: after.paymentStatus,
    paymentMode: mode,
    paymentId: mode === 'charge' ? paymentIdOf(orderId) : null,
    paymentIsLive: mode === 'charge',
    deadline: mode === 'wait' ? deadlineOf(at, deadlineSeconds) : null,
    fulfilment: isConfirmed ? intendedWithCommit(orderId, order) : NOTHING_TO_FULFIL,
    epoch: 1,
    ending: null,
  };
}

function intendedWithCommit(orderId: string, { shipping, cartId }: OrderRequest): Fulfilment {
  return {
    shipment:
      shipping === undefined ? null : { shipmentId: shipmentIdOf(orderId), state: 'INTENDED', code: null },
    points: null,
    cart: cartId === undefined ? null : { state: 'INTENDED' },
  };
}
