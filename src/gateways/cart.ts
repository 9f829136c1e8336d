/**
 * The shopping cart as the product sees it: emptied once it has become an order, and given back when the order fails.
 *
 * Contract: idempotent by cart and order together. A definite answer is returned; a missing or unclear one throws
 * `GatewayUnavailableError` (retryable: repeat the same call), an answer that contradicts the request throws
 * `GatewayMismatchError`.
 */
export interface Cart {
  /** Refused for good with `restored` after a restore for this order, whichever of the two arrived first. */
  clear(request: CartRequest): Promise<ClearResult>;
  /** Gives back what this order's clear took. `unknown`: it took nothing, and after this answer it never can. */
  restore(request: CartRequest): Promise<RestoreResult>;
  close(): Promise<void>;
}

export interface CartRequest {
  cartId: string;
  orderId: string;
}

export type ClearResult = { kind: 'cleared' } | { kind: 'unknown_cart' } | { kind: 'refused'; code: string };

export type RestoreResult = { kind: 'restored' } | { kind: 'unknown' };
