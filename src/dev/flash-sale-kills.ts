import type { Chance } from './flash-sale-chance';

/** One kill -9, for the screen and the report. */
export interface Kill {
  /** Number of the process, from 0. */
  door: number;
  /** What had just happened. */
  moment: string;
  /** How long it was away, in milliseconds; null: it is not back yet. */
  awayMs: number | null;
}

/** Kills a process in the middle of the rush, and one in the middle of the payments. */
export interface Killer {
  readonly kills: readonly Kill[];
  /** Told of the orders that were accepted so far. */
  onAccepted(accepted: number): void;
  /** Told of the units that are paid so far. */
  onSold(sold: number): void;
  /** Resolves when all that were killed are back. @throws what kept one from coming back */
  settled(): Promise<void>;
}

/** Share of the units at which each strikes: well after the beginning, well before the end. */
const MIDDLE = { rush: { least: 0.2, most: 0.8 }, payments: { least: 0.25, most: 0.6 } };

export function createKiller(options: {
  units: number;
  doors: number;
  chance: Chance;
  strike: (door: number) => Promise<void>;
}): Killer {
  const { units, doors, chance, strike } = options;
  const at = (name: keyof typeof MIDDLE): number => {
    const { least, most } = MIDDLE[name];
    return Math.ceil(chance.between(name, least, most) * units);
  };
  const doorOf = (name: string): number => Math.floor(chance.lot(`door of ${name}`) * doors);
  const rushAt = at('rush');
  const paymentsAt = at('payments');
  const kills: Kill[] = [];
  const struck: Promise<void>[] = [];
  const kill = (door: number, moment: string): void => {
    const one: Kill = { door, moment, awayMs: null };
    kills.push(one);
    const startedAt = performance.now();
    const back = strike(door).then(() => void (one.awayMs = performance.now() - startedAt));
    // Whoever waits for it hears of a failure.
    back.catch(() => undefined);
    struck.push(back);
  };
  return {
    kills,
    onAccepted(accepted) {
      if (kills.length === 0 && accepted >= rushAt) kill(doorOf('rush'), `order ${accepted} was accepted`);
    },
    onSold(sold) {
      // One at a time, so that somebody is there to sell.
      if (kills.length === 1 && kills[0]!.awayMs !== null && sold >= paymentsAt)
        kill(doorOf('payments'), `${sold} were paid`);
    },
    settled: async () => void (await Promise.all(struck)),
  };
}
