/** The payment page: it lets in so many at a time, first come, first served. */
export interface Tills {
  pay<Result>(payment: () => Promise<Result>): Promise<Result>;
  /** In front of the page, and on it. */
  readonly queue: number;
}

/** @param count - payments at a time */
export function openTills(count: number): Tills {
  const waiting: (() => void)[] = [];
  let busy = 0;
  return {
    async pay(payment) {
      if (busy < count) busy += 1;
      // Whoever leaves hands the till over.
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await payment();
      } finally {
        const next = waiting.shift();
        if (next === undefined) busy -= 1;
        else next();
      }
    },
    get queue() {
      return busy + waiting.length;
    },
  };
}
