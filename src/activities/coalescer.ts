import { AppError } from '../errors';

/** Gathers items that come one by one into batches, for work that costs as much for many as for one. */
export interface Coalescer<Item, Result> {
  /** Resolves with this item's own result. */
  add(item: Item): Promise<Result>;
  /** Items that no batch has taken yet. */
  readonly waiting: number;
  /** Resolves once nothing waits or runs. */
  idle(): Promise<void>;
}

export interface CoalescerOptions<Item, Result> {
  /** Items of a batch at most. */
  batchMax: number;
  /** Batches at once. What comes meanwhile gathers: the busier it is, the larger the batches. */
  inFlightMax: number;
  /** @returns one result for each item, in their order */
  run(items: readonly Item[]): Promise<readonly Result[]>;
}

interface Entry<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * A batch of one when nothing runs, with no added wait. When a batch fails for something in it, its items are run one by one,
 * so that only the one at fault fails; when it fails because a part is away, all of them fail alike.
 */
export function createCoalescer<Item, Result>(
  options: CoalescerOptions<Item, Result>,
): Coalescer<Item, Result> {
  return new BatchingCoalescer(options);
}

class BatchingCoalescer<Item, Result> implements Coalescer<Item, Result> {
  readonly #options: CoalescerOptions<Item, Result>;
  #queue: Entry<Item, Result>[] = [];
  readonly #running = new Set<Promise<void>>();
  #isScheduled = false;

  constructor(options: CoalescerOptions<Item, Result>) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      this.#schedule();
    });
  }

  async idle(): Promise<void> {
    while (this.#queue.length > 0 || this.#running.size > 0) {
      await Promise.all(this.#running);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** After what this turn of the event loop has read from its sockets: those requests go together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#queue.length > 0 && this.#running.size < this.#options.inFlightMax) {
      const batch = this.#queue.splice(0, this.#options.batchMax);
      const run = this.#carryOut(batch).finally(() => {
        this.#running.delete(run);
        this.#pump();
      });
      this.#running.add(run);
    }
  }

  async #carryOut(batch: readonly Entry<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, index) => resolve(results[index]!));
    } catch (error) {
      const isShared = error instanceof AppError && error.retryable;
      if (batch.length === 1 || isShared) return batch.forEach(({ reject }) => reject(error));
      for (const entry of batch) await this.#carryOut([entry]);
    }
  }
}
