/** Failures in a row after which what fails is left to the workflows. One may be chance; ten calls at once fail together. */
const FAILURES_MAX = 10;
/** After this it is tried again. Milliseconds. */
const OPEN_MS = 5_000;

/**
 * Keeps first deliveries away from what fails: the workflow of the group delivers there, with its waits, and orders are not
 * held up. One breaker for each target, and one for messages.
 */
export class Breakers {
  readonly #failures = new Map<string, number>();
  readonly #openUntil = new Map<string, number>();
  readonly #now: () => number;

  /** @param now - milliseconds, never going back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** What came of a call. */
  saw(name: string, isFailure: boolean): void {
    if (!isFailure) {
      this.#failures.delete(name);
      this.#openUntil.delete(name);
      return;
    }
    const failures = (this.#failures.get(name) ?? 0) + 1;
    this.#failures.set(name, failures);
    if (failures >= FAILURES_MAX) this.#openUntil.set(name, this.#now() + OPEN_MS);
  }

  /** Those that nothing is sent to now. */
  open(): string[] {
    const now = this.#now();
    return [...this.#openUntil].flatMap(([name, until]) => (until > now ? [name] : []));
  }
}
