import type { CartRequest, ClearResult, RestoreResult } from './cart';
import type { LedgerFact } from './ledger-fact';

type Status = 'cleared' | 'refused' | 'restored' | 'fenced';

/** A call's outcome and the fact that it made, if it changed anything. */
export interface ClearingOutcome<Result> {
  result: Result;
  fact: LedgerFact | null;
}

/** Statuses that the facts of the same name set. */
const STATUS_OF: Record<string, Status> = {
  cleared: 'cleared',
  clear_refused: 'refused',
  restored: 'restored',
  clear_fenced: 'fenced',
};

/** Carts whose id begins so are not known to a simulated cart. */
const UNKNOWN_PREFIX = 'unknown';

/** The rules of a simulated cart, without transport. */
export class CartClearings {
  readonly #clearings = new Map<string, { status: Status; code: string | null }>();

  constructor(facts: Iterable<LedgerFact>) {
    for (const fact of facts) this.#apply(fact);
  }

  /** Whether the order took the cart's content and has not given it back. */
  isCleared(request: CartRequest): boolean {
    return this.#clearings.get(keyOf(request))?.status === 'cleared';
  }

  /** @param refusal - why this is refused for good, when it is new; null: it is not */
  clear({ cartId, orderId }: CartRequest, refusal: string | null): ClearingOutcome<ClearResult> {
    const known = this.#clearings.get(keyOf({ cartId, orderId }));
    if (known?.status === 'cleared') return { result: { kind: 'cleared' }, fact: null };
    if (known) return { result: { kind: 'refused', code: known.code ?? 'restored' }, fact: null };
    if (cartId.startsWith(UNKNOWN_PREFIX)) return { result: { kind: 'unknown_cart' }, fact: null };
    if (refusal !== null) {
      const fact = { type: 'clear_refused', cartId, orderId, code: refusal };
      this.#apply(fact);
      return { result: { kind: 'refused', code: refusal }, fact };
    }
    const fact = { type: 'cleared', cartId, orderId };
    this.#apply(fact);
    return { result: { kind: 'cleared' }, fact };
  }

  restore({ cartId, orderId }: CartRequest): ClearingOutcome<RestoreResult> {
    const status = this.#clearings.get(keyOf({ cartId, orderId }))?.status;
    if (status === 'restored') return { result: { kind: 'restored' }, fact: null };
    if (status === 'fenced' || status === 'refused') return { result: { kind: 'unknown' }, fact: null };
    const fact = { type: status === 'cleared' ? 'restored' : 'clear_fenced', cartId, orderId };
    this.#apply(fact);
    return { result: { kind: status === 'cleared' ? 'restored' : 'unknown' }, fact };
  }

  #apply(fact: LedgerFact): void {
    const status = Object.hasOwn(STATUS_OF, fact.type) ? STATUS_OF[fact.type] : undefined;
    if (status === undefined) return;
    const key = keyOf({ cartId: fact['cartId'] as string, orderId: fact['orderId'] as string });
    this.#clearings.set(key, { status, code: (fact['code'] as string | undefined) ?? null });
  }
}

function keyOf({ cartId, orderId }: CartRequest): string {
  return JSON.stringify([cartId, orderId]);
}
