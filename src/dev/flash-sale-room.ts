import { setTimeout as delay } from 'node:timers/promises';

/** What the sale's page says. */
export interface SalePage {
  quantity: number;
  available: number;
  sold: number;
}

/**
 * The queue page of the shop: buyers who came too late wait here until units come back, and some for each unit are let in to
 * try again. One look at the sale serves all of them, as a cache in front of the service does.
 */
export interface WaitingRoom {
  /** Resolves with true when the buyer may try again, with false when it is over. First come, first let in. */
  wait(buyer: number): Promise<boolean>;
  /** The buyer was answered, or was never here: there is room for the next one. */
  leave(buyer: number): void;
  readonly waiting: number;
  /** Looks at the sale until it is over. */
  watch(): Promise<void>;
}

/** Of the sale's page. As old as a page of a cache would be at most. */
const LOOK_MS = 250;
/** Who try at a time. Some of those who are let in have gone meanwhile in a real shop; and so `sold_out` is seen here too. */
const LET_IN_PER_UNIT = 3;

/**
 * @param options.look - null: the page cannot be had now
 * @param options.patienceMs - nobody waits longer than this from now on
 */
export function openWaitingRoom(options: {
  look: () => Promise<SalePage | null>;
  patienceMs: number;
  signal: AbortSignal;
}): WaitingRoom {
  const { look, patienceMs, signal } = options;
  const queue: { buyer: number; enter: (isLetIn: boolean) => void }[] = [];
  const trying = new Set<number>();
  let isOver = false;
  const letIn = (places: number): void => {
    for (const { buyer, enter } of queue.splice(0, Math.max(0, places - trying.size))) {
      trying.add(buyer);
      enter(true);
    }
  };
  return {
    wait: (buyer) => (isOver ? Promise.resolve(false) : new Promise((enter) => queue.push({ buyer, enter }))),
    leave: (buyer) => void trying.delete(buyer),
    get waiting() {
      return queue.length;
    },
    async watch() {
      const deadline = Date.now() + patienceMs;
      while (Date.now() < deadline && !signal.aborted) {
        const page = await look();
        if (page !== null && page.sold >= page.quantity) break;
        if (page !== null) letIn(page.available * LET_IN_PER_UNIT);
        await delay(LOOK_MS);
      }
      isOver = true;
      for (const { enter } of queue.splice(0)) enter(false);
    },
  };
}
