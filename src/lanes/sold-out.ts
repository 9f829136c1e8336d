/** How long an answer from memory holds before one request asks again. Milliseconds. Source: design, section 6. */
export const PROBE_AFTER_MS = 250;
/** Ids of accepted orders that are kept for one sale, about 100 bytes each. A sale with more is asked for in the database. */
export const ACCEPTED_MAX = 200_000;
/** Sales that are sold out at once, in memory. More are asked for in the database. */
const SALES_MAX = 1_000;

/** One request for units of a sale. */
export interface SaleRequest {
  saleId: string;
  orderId: string;
  units: number;
}

/**
 * `ask`: nothing is known that answers it. `sold_out`: fewer units are left than it wants. `decided`: it is a repeat of an order
 * that was accepted, and its answer is stored.
 */
export type SoldOutAnswer = 'ask' | 'sold_out' | 'decided';

export interface SoldOutDeps {
  /** Ids of orders that the sale accepted by now; null: more than memory holds. */
  readAccepted(saleId: string): Promise<readonly string[] | null>;
  /** Milliseconds, of a clock that never goes back. */
  now: () => number;
}

interface SoldOutSale {
  /** Requests for fewer units than this were not refused. */
  units: number;
  /** Null while they are being read: until then repeats cannot be told. */
  accepted: ReadonlySet<string> | null;
  /** From then on one request is let through. */
  probeAt: number;
}

/**
 * What this process knows to be sold out, so that buyers who come too late cost neither Temporal nor the database anything.
 * Kept true by what commits say: the first refusal sets it, an accepted order clears it, units that come back clear it by a
 * notification of PostgreSQL, and every 250 ms one request is let through to ask anew, however many there are. Nothing here
 * decides anything: whoever is let through is decided by the database.
 */
export class SoldOut {
  readonly #deps: SoldOutDeps;
  readonly #sales = new Map<string, SoldOutSale>();
  #isListening = false;

  constructor(deps: SoldOutDeps) {
    this.#deps = deps;
  }

  /** Without waiting for anything. Asked for the one request that is let through, it counts that one as sent. */
  look({ saleId, orderId, units }: SaleRequest): SoldOutAnswer {
    const sale = this.#sales.get(saleId);
    if (sale === undefined || sale.accepted === null) return 'ask';
    if (sale.accepted.has(orderId)) return 'decided';
    if (units < sale.units) return 'ask';
    const now = this.#deps.now();
    if (now < sale.probeAt) return 'sold_out';
    sale.probeAt = now + PROBE_AFTER_MS;
    return 'ask';
  }

  /**
   * What a commit that was made just now said of an order; a repeat's stored outcome is none.
   * @param code - null: it was accepted
   */
  hear({ saleId, units }: SaleRequest, code: string | null): void {
    if (code === null) {
      // Units of one that wants less may be left though one that wants more is refused.
      if (units >= (this.#sales.get(saleId)?.units ?? Infinity)) this.forget(saleId);
      return;
    }
    if (code !== 'sold_out' || !this.#isListening) return;
    const known = this.#sales.get(saleId);
    // Orders for less than what was refused first may have been accepted since the accepted ones were read.
    if (known === undefined || units < known.units) this.#begin(saleId, units);
    else known.probeAt = this.#deps.now() + PROBE_AFTER_MS;
  }

  /** Units came back, or the sale was changed. */
  forget(saleId: string): void {
    this.#sales.delete(saleId);
  }

  /** While nobody would tell of units that come back, memory is not asked. */
  set isListening(isListening: boolean) {
    this.#isListening = isListening;
    this.#sales.clear();
  }

  /** Reads the accepted orders once: all of them have committed, for they held the lock that the refused one waited for. */
  #begin(saleId: string, units: number): void {
    if (this.#sales.size >= SALES_MAX && !this.#sales.has(saleId)) return;
    const sale: SoldOutSale = { units, accepted: null, probeAt: 0 };
    this.#sales.set(saleId, sale);
    this.#deps.readAccepted(saleId).then(
      (orderIds) => {
        if (this.#sales.get(saleId) !== sale) return;
        if (orderIds === null) return this.forget(saleId);
        sale.accepted = new Set(orderIds);
        sale.probeAt = this.#deps.now() + PROBE_AFTER_MS;
      },
      () => {
        if (this.#sales.get(saleId) === sale) this.forget(saleId);
      },
    );
  }
}
