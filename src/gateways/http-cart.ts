import { GatewayMismatchError } from '../errors';
import { answerChecks } from './answer-checks';
import type { Cart, CartRequest, ClearResult, RestoreResult } from './cart';
import {
  createGatewayHttp,
  definite,
  type GatewayAnswer,
  type GatewayHttp,
  type GatewayHttpOptions,
} from './gateway-http';

const NAME = 'cart';
const { requireSame, unclear } = answerChecks(NAME);
const NO_CART = 'cart_not_found';
const NOT_CLEARED = 'clearing_not_found';

/** The cart over HTTP, as `src/dev/fake-cart.ts` speaks it. Keeps the contract of `Cart`. */
export function createHttpCart(options: GatewayHttpOptions): Cart {
  const http = createGatewayHttp(NAME, options);
  return {
    clear: (request) => clear(http, request),
    restore: (request) => restore(http, request),
    close: () => http.close(),
  };
}

/** Both ids go in the body: a cart's id is the caller's text, and no text is safe in every path. */
function call(http: GatewayHttp, action: 'clear' | 'restore', request: CartRequest): Promise<GatewayAnswer> {
  const { cartId, orderId } = request;
  return http.call({ method: 'POST', path: `v1/carts/${action}`, body: { cartId, orderId } });
}

async function clear(http: GatewayHttp, request: CartRequest): Promise<ClearResult> {
  const answer = definite(NAME, await call(http, 'clear', request), NO_CART);
  if (answer.kind === 'done') {
    requireSame(answer.body, { cartId: request.cartId, orderId: request.orderId });
    if (answer.body['status'] !== 'cleared') throw unclear('status');
    return { kind: 'cleared' };
  }
  return answer.code === NO_CART ? { kind: 'unknown_cart' } : { kind: 'refused', code: answer.code };
}

async function restore(http: GatewayHttp, request: CartRequest): Promise<RestoreResult> {
  const answer = definite(NAME, await call(http, 'restore', request), NOT_CLEARED);
  if (answer.kind === 'done') {
    requireSame(answer.body, { cartId: request.cartId, orderId: request.orderId });
    if (answer.body['status'] !== 'restored') throw unclear('status');
    return { kind: 'restored' };
  }
  if (answer.code === NOT_CLEARED) return { kind: 'unknown' };
  throw new GatewayMismatchError(`the cart refused a restore (${answer.code})`);
}
