import { GatewayMismatchError, GatewayUnavailableError } from '../errors';
import type { LedgerFact } from './ledger-fact';
import { SeededFaults, type FaultRates } from './seeded-faults';

/**
 * How a call to a simulated participant can go wrong. `lost_before`: nothing happened. `lost_after`: it happened, and the
 * answer is lost. `late`: the caller is told nothing, and it happens only after the next call on the same subject began.
 * `mismatch`: it happened, and the answer names something else.
 */
export type SimulatedFault = 'lost_before' | 'lost_after' | 'late' | 'mismatch';

export interface SimulatedOptions {
  /** The same seed, the same faults. Default 0. */
  seed?: number;
  /** Default: no faults. */
  faults?: FaultRates<SimulatedFault>;
}

/** What a simulated participant offers to a test beside its interface. */
export interface Simulated {
  readonly faults: SeededFaults<SimulatedFault>;
  /** What happened there, oldest first: the oracle of a test. */
  facts(): LedgerFact[];
}

/** Calls a ledger in memory as if it were far away. */
export class SimulatedTransport implements Simulated {
  readonly faults: SeededFaults<SimulatedFault>;
  readonly #facts: LedgerFact[] = [];
  readonly #late = new Map<string, () => unknown>();

  constructor(
    readonly name: string,
    options: SimulatedOptions,
  ) {
    this.faults = new SeededFaults(options.seed ?? 0, options.faults ?? {});
  }

  facts(): LedgerFact[] {
    return [...this.#facts];
  }

  /**
   * @param work - reads or changes the ledger; told again, it must not change it again
   * @throws GatewayUnavailableError or GatewayMismatchError, as the faults have it
   */
  call<Result>(
    operation: string,
    subject: string,
    work: () => { result: Result; fact: LedgerFact | null },
  ): Promise<Result> {
    return Promise.resolve().then(() => {
      const fault = this.faults.take(operation, subject);
      const overtaken = this.#takeLate(subject);
      if (fault === 'late') this.#late.set(subject, () => this.#run(work));
      const answer = fault === 'late' || fault === 'lost_before' ? null : { result: this.#run(work) };
      // A call that hung is carried out after the one that overtook it: the order that an undo has to survive.
      overtaken?.();
      if (answer === null || fault === 'lost_after') {
        throw new GatewayUnavailableError(`no answer from the ${this.name} to ${operation} (simulated)`);
      }
      if (fault === 'mismatch') {
        throw new GatewayMismatchError(`the ${this.name} answered with another ${operation}`);
      }
      return answer.result;
    });
  }

  /** What the participant does on its own. */
  record(fact: LedgerFact): void {
    this.#facts.push(fact);
  }

  #run<Result>(work: () => { result: Result; fact: LedgerFact | null }): Result {
    const { result, fact } = work();
    if (fact !== null) this.#facts.push(fact);
    return result;
  }

  #takeLate(subject: string): (() => unknown) | undefined {
    const late = this.#late.get(subject);
    this.#late.delete(subject);
    return late;
  }
}

/** The error of an id that is known for another request. */
export function reused(name: string): GatewayMismatchError {
  return new GatewayMismatchError(`the ${name} knows this id for another request`);
}
