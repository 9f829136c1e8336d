import { ApplicationFailure } from '@temporalio/common';
import type { Ending, OrderProgress, Places } from '../domain/orders';
import { statesAfterCommit } from '../domain/orders';
import { paymentIdOf } from '../database/ids';
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
  /** @returns false when the order is being closed: the payment must be undone. Idempotent by the `settle` receipt. */
  settleOrder(input: { orderId: string; epoch: number }): Promise<boolean>;
  /** @returns false when it is too late to end the order. Idempotent. */
  beginEnding(input: { orderId: string; epoch: number; ending: Ending }): Promise<boolean>;
  /** Releases the stock and closes the order with its counter-event. Idempotent by the `commit` undo receipt. */
  endOrder(input: { orderId: string; epoch: number; ending: Ending }): Promise<void>;
}

export function createOrderActivities(deps: {
  pool: Pool;
  places: Places;
  phoneHash: PhoneHash;
  now: () => Date;
}): OrderActivities {
  const { pool, places, phoneHash } = deps;
  const at = (): string => deps.now().toISOString();
  const readDecided = async (orderId: string): Promise<OrderProgress> => {
    const progress = await orders.readProgress(pool, orderId);
    if (progress !== null) return progress;
    throw ApplicationFailure.nonRetryable('there is no request for this order id', 'unknown_order');
  };
  return {
    async commitOrder({ orderId }) {
      const asked = await readRequestBody(pool, orderId);
      if (asked !== null && asked.body !== null) {
        const order = { orderId, caller: asked.caller, request: asked.body };
        const [placed] = await orders.placeOrders(pool, [order], { at: at(), places, phoneHash });
        if (placed?.decidedNow === true && placed.state === 'done')
          return justCommitted(orderId, asked.body.payment.mode);
      }
      return readDecided(orderId);
    },
    readProgress: ({ orderId }) => readDecided(orderId),
    closeTransaction: ({ orderId }) => orders.closeTransaction(pool, orderId),
    settleOrder: (step) => orders.settleOrder(pool, { ...step, at: at() }),
    beginEnding: (step) => orders.beginEnding(pool, { ...step, at: at() }),
    endOrder: (step) => orders.endOrder(pool, { ...step, at: at() }),
  };
}

/** What a commit that this call made is known to have left, without reading it back. */
function justCommitted(orderId: string, mode: OrderProgress['paymentMode']): OrderProgress {
  const after = statesAfterCommit(mode);
  return {
    decision: 'committed',
    code: null,
    status: after.status,
    paymentStatus: after.paymentStatus,
    paymentMode: mode,
    paymentId: mode === 'none' ? null : paymentIdOf(orderId),
    epoch: 1,
    ending: null,
  };
}
