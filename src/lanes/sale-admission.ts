import type { Pool } from '../database/pool';
import { acceptedOrderIds, readSale, type SaleView } from '../database/sales';
import type { Logger } from '../log';
import { listenToSales } from './sale-changes';
import { ACCEPTED_MAX, SoldOut, type SaleRequest, type SoldOutAnswer } from './sold-out';

/** How long a sale's terms and state are taken as they were read. Milliseconds. As long as a "sold out" holds. */
const READ_AGAIN_AFTER_MS = 250;
/** Sales whose terms are kept, and names that are none. */
const SALES_MAX = 1_000;

/** What a buyer can be told before anything is written. The database decides all the same. */
export interface SaleAdmission {
  /** What memory says, without asking anybody. */
  look(request: SaleRequest): SoldOutAnswer;
  /**
   * What a commit that was made just now said.
   * @param code - null: the order was accepted
   */
  hear(request: SaleRequest, code: string | null): void;
  /** A sale as it was at most 250 ms ago, or null when there is none. At most one read at a time for each sale. */
  read(saleId: string): Promise<SaleView | null>;
  close(): Promise<void>;
}

/** One per process. */
export function createSaleAdmission(
  deps: { pool: Pool; log: Pick<Logger, 'warn'> },
  now: () => number = () => performance.now(),
): SaleAdmission {
  const { pool } = deps;
  const soldOut = new SoldOut({
    readAccepted: (saleId) => acceptedOrderIds(pool, saleId, ACCEPTED_MAX),
    now,
  });
  const reads = new RecentReads((saleId) => readSale(pool, saleId), now);
  const changes = listenToSales(deps, {
    changed(saleId) {
      soldOut.forget(saleId);
      reads.forget(saleId);
    },
    listening: (isListening) => void (soldOut.isListening = isListening),
  });
  return {
    look: (request) => soldOut.look(request),
    hear: (request, code) => soldOut.hear(request, code),
    read: (saleId) => reads.get(saleId),
    close: () => changes.close(),
  };
}

/** What was read a moment ago, by name. A read that fails is not kept. */
export class RecentReads<T> {
  readonly #read: (name: string) => Promise<T>;
  readonly #now: () => number;
  readonly #reads = new Map<string, { value: Promise<T>; until: number }>();

  constructor(read: (name: string) => Promise<T>, now: () => number) {
    this.#read = read;
    this.#now = now;
  }

  get(name: string): Promise<T> {
    const known = this.#reads.get(name);
    if (known !== undefined && this.#now() < known.until) return known.value;
    // Names of callers' own making must not fill the memory; what is dropped is read again.
    if (this.#reads.size >= SALES_MAX) this.#reads.clear();
    const value = this.#read(name);
    const entry = { value, until: this.#now() + READ_AGAIN_AFTER_MS };
    this.#reads.set(name, entry);
    value.catch(() => {
      if (this.#reads.get(name) === entry) this.#reads.delete(name);
    });
    return value;
  }

  forget(name: string): void {
    this.#reads.delete(name);
  }
}
