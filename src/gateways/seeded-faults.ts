import { createHash } from 'node:crypto';

/** How likely each kind is, 0 to 1 for one call. Kinds that are left out do not happen. */
export type FaultRates<Kind extends string> = Partial<Record<Kind, number>>;

interface Planned<Kind extends string> {
  kind: Kind;
  operation: string | undefined;
}

/** 32 bits of a hash are far finer than any rate that a test gives. */
const DRAW_RANGE = 2 ** 32;

/**
 * Faults that follow from a seed: the n-th call of an operation on one subject always meets the same one, whatever
 * happens to other subjects meanwhile. So a run can be repeated although its calls come in another order.
 */
export class SeededFaults<Kind extends string> {
  readonly #rates: [Kind, number][];
  readonly #calls = new Map<string, number>();
  readonly #planned: Planned<Kind>[] = [];
  /** How often each kind struck, so that a test can tell that what it asked for did happen. */
  readonly fired = new Map<Kind, number>();

  /** @throws RangeError when the rates are no probabilities: a bug in the caller */
  constructor(
    readonly seed: number,
    rates: FaultRates<Kind>,
  ) {
    this.#rates = Object.entries(rates) as [Kind, number][];
    const sum = this.#rates.reduce((total, [, rate]) => total + rate, 0);
    if (this.#rates.some(([, rate]) => !(rate >= 0)) || sum > 1) {
      throw new RangeError('rates must be at least 0 and at most 1 together');
    }
  }

  /** The next call (of this operation) meets this fault, before any that the seed says. */
  plan(kind: Kind, operation?: string): void {
    this.#planned.push({ kind, operation });
  }

  /** What this call meets; null when it goes well. */
  take(operation: string, subject: string): Kind | null {
    const kind = this.#takePlanned(operation) ?? this.#draw(operation, subject);
    if (kind !== null) this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
    return kind;
  }

  /** The same answer for a subject every time: what is refused once is refused for good. */
  decides(what: string, subject: string, rate: number): boolean {
    return this.#number(`${what}\n${subject}`) < rate;
  }

  #takePlanned(operation: string): Kind | null {
    const at = this.#planned.findIndex((one) => one.operation === undefined || one.operation === operation);
    return at === -1 ? null : (this.#planned.splice(at, 1)[0]?.kind ?? null);
  }

  #draw(operation: string, subject: string): Kind | null {
    const name = `${operation}\n${subject}`;
    const call = this.#calls.get(name) ?? 0;
    this.#calls.set(name, call + 1);
    let left = this.#number(`${name}\n${call}`);
    for (const [kind, rate] of this.#rates) {
      if (left < rate) return kind;
      left -= rate;
    }
    return null;
  }

  /** From 0 to below 1. */
  #number(name: string): number {
    const digest = createHash('sha256').update(`${this.seed}\n${name}`).digest();
    return digest.readUInt32BE(0) / DRAW_RANGE;
  }
}
