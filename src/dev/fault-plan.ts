import { z } from 'zod';

/** Members that every planned fault has beside its action and what it applies to. */
export const faultTiming = {
  /** How many matching requests it hits. */
  times: z.int().positive().default(1),
  /** Milliseconds before the answer, or the cut, that the fault makes. */
  delayMs: z.int().nonnegative().optional(),
};

/** Settings that every fake knows. */
export const commonSettings = {
  /** Forgets planned faults and goes back to the settings of the start. Evidence is never taken back. */
  reset: z.boolean().optional(),
  /** 503 for everything. */
  down: z.boolean().optional(),
  /** Everything is done and logged at once and answered this much later. */
  answerDelayMs: z.int().nonnegative().optional(),
};

/** Faults planned by a test, used up in the order in which they were planned. */
export class FaultPlan<Fault extends { times: number }> {
  #planned: { fault: Fault; fired: number }[] = [];

  add(faults: Fault[]): void {
    this.#planned.push(...faults.map((fault) => ({ fault, fired: 0 })));
  }

  /** The first fault that is not used up and applies, counted as fired; undefined when the request goes through. */
  take(applies: (fault: Fault) => boolean): Fault | undefined {
    const next = this.#planned.find(({ fault, fired }) => fired < fault.times && applies(fault));
    if (next === undefined) return undefined;
    next.fired += 1;
    return next.fault;
  }

  /** Each fault with how often it fired, so that a test can tell that what it planned did happen. */
  report(): (Fault & { fired: number })[] {
    return this.#planned.map(({ fault, fired }) => ({ ...fault, fired }));
  }

  clear(): void {
    this.#planned = [];
  }
}
