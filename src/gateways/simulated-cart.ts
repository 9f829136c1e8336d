import type { Cart, CartRequest } from './cart';
import { CartClearings } from './cart-clearings';
import { SimulatedTransport, type Simulated, type SimulatedOptions } from './simulated-transport';

export interface SimulatedCart extends Cart, Simulated {
  /** Whether the order took the cart's content and has not given it back. */
  isCleared(request: CartRequest): boolean;
}

export interface SimulatedCartOptions extends SimulatedOptions {
  /** Carts that are not cleared, with the code. Carts whose id begins with `unknown` are not known at all. */
  refusals?: Record<string, string>;
}

/** Carts in memory. Keeps the contract of `Cart`; its faults follow from the seed. */
export function createSimulatedCart(options: SimulatedCartOptions = {}): SimulatedCart {
  const transport = new SimulatedTransport('cart', options);
  const refusals = new Map(Object.entries(options.refusals ?? {}));
  const clearings = new CartClearings([]);
  const subjectOf = ({ cartId, orderId }: CartRequest): string => JSON.stringify([cartId, orderId]);
  return {
    faults: transport.faults,
    facts: () => transport.facts(),
    isCleared: (request) => clearings.isCleared(request),
    clear: (request) =>
      transport.call('clear', subjectOf(request), () =>
        clearings.clear(request, refusals.get(request.cartId) ?? null),
      ),
    restore: (request) => transport.call('restore', subjectOf(request), () => clearings.restore(request)),
    close: () => Promise.resolve(),
  };
}
