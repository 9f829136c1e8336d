import { readCart, type ClearedCart } from '../database/carts';
import { fenceStep, intendStep, recordStep, recordUndone } from '../database/fulfilment';
import type { Pool } from '../database/pool';
import type { Cart } from '../gateways/cart';
import { withHeartbeat } from './heartbeat';

export interface CartActivities {
  /**
   * Empties the cart that became the order. Idempotent by cart and order. A refusal is stored and changes nothing else.
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown; GatewayMismatchError (not retryable)
   */
  clearCart(input: { orderId: string }): Promise<void>;
  /**
   * Gives back what was in it, or makes the clearing impossible. Idempotent; safe when nothing was cleared.
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown
   */
  restoreCart(input: { orderId: string }): Promise<void>;
}

export function createCartActivities({ pool, cart }: { pool: Pool; cart: Cart }): CartActivities {
  return {
    clearCart: ({ orderId }) =>
      withHeartbeat(async () => {
        if (!(await intendStep(pool, 'cart', orderId))) return;
        const { cartId, state } = await readKnown(pool, orderId);
        if (state !== 'INTENDED') return;
        const cleared = await cart.clear({ cartId, orderId });
        await recordStep(pool, 'cart', orderId, answerOf(cleared));
      }),

    restoreCart: ({ orderId }) =>
      withHeartbeat(async () => {
        if (!(await fenceStep(pool, 'cart', orderId))) return;
        const { cartId, state } = await readKnown(pool, orderId);
        if (state === 'RESTORED') return;
        await cart.restore({ cartId, orderId });
        await recordUndone(pool, 'cart', orderId);
      }),
  };
}

/** A cart that is gone already needs no clearing: nobody can order from it again. */
function answerOf(cleared: Awaited<ReturnType<Cart['clear']>>): Parameters<typeof recordStep>[3] {
  if (cleared.kind === 'unknown_cart') return { kind: 'refused', code: 'unknown_cart' };
  return cleared.kind === 'cleared' ? { kind: 'done' } : cleared;
}

/** @throws RangeError when the order came from none: a bug in the caller */
async function readKnown(pool: Pool, orderId: string): Promise<ClearedCart> {
  const cart = await readCart(pool, orderId);
  if (cart === null) throw new RangeError('the order came from no cart');
  return cart;
}
