import { GatewayMismatchError, GatewayUnavailableError } from '../errors';
import { fingerprintOf } from './ledger-fact';
import type { StoredError } from './payments';
import { SeededFaults, type FaultRates } from './seeded-faults';

/**
 * How a call to the simulated gateway can go wrong. `lost_before`: nothing happened. `lost_after`: it happened, and the
 * answer is lost. `late`: it happens when its key has been asked for twice more, and cannot be found until then.
 * `stored_before` and `stored_after`: a failure that is the key's answer for good, without and with effect. `mismatch`:
 * it happened, and the answer names another amount.
 */
export type SimulatedPaymentFault =
  'lost_before' | 'lost_after' | 'late' | 'stored_before' | 'stored_after' | 'mismatch';

/** What is known under a key. */
type Known<Result> =
  | { fingerprint: string; kind: 'done'; result: Result }
  | { fingerprint: string; kind: 'late'; callsLeft: number; carryOut: () => Result };

/** Calls with its key that a late one is still not done for. */
const LATE_CALLS = 2;
/** The idempotency keys, and the faults around them. */
export class SimulatedKeys {
  readonly faults: SeededFaults<SimulatedPaymentFault>;
  readonly #known = new Map<string, Known<unknown>>();

  constructor({ seed, faults }: { seed: number; faults: FaultRates<SimulatedPaymentFault> }) {
    this.faults = new SeededFaults(seed, faults);
  }

  forget(): void {
    this.#known.clear();
  }

  /** @throws GatewayUnavailableError or GatewayMismatchError, as the faults have it */
  look<Result>(operation: string, subject: string, work: () => Result): Promise<Result> {
    return Promise.resolve().then(() => {
      const fault = this.faults.take(operation, subject);
      if (fault !== null) throw lost(operation);
      return work();
    });
  }

  run<Result>(
    operation: string,
    key: string,
    request: Record<string, unknown> & { method?: string },
    work: () => Result,
  ): Promise<Result | StoredError> {
    return Promise.resolve().then(() => {
      const fingerprint = fingerprintOf([operation, request]);
      const known = this.#known.get(key) as Known<Result | StoredError> | undefined;
      if (known && known.fingerprint !== fingerprint) {
        throw new GatewayMismatchError('the payment gateway knows this idempotency key for another request');
      }
      if (known) return this.#again(operation, key, known);
      const fault = this.faults.take(operation, key) ?? faultOf(operation, request.method);
      if (fault === 'lost_before') throw lost(operation);
      if (fault === 'late') {
        this.#known.set(key, { fingerprint, kind: 'late', callsLeft: LATE_CALLS, carryOut: work });
        throw lost(operation);
      }
      const storedError: StoredError = { kind: 'stored_error', code: 'api_error' };
      const result = fault === 'stored_before' ? storedError : work();
      const kept = fault === 'stored_after' ? storedError : result;
      this.#known.set(key, { fingerprint, kind: 'done', result: kept });
      if (fault === 'mismatch') {
        throw new GatewayMismatchError('the payment gateway answered with another amountMinor');
      }
      // The first time, a failure cannot be told from one that will pass.
      if (fault !== null) throw lost(operation);
      return result;
    });
  }

  #again<Result>(operation: string, key: string, known: Known<Result>): Result {
    if (known.kind === 'late') {
      known.callsLeft -= 1;
      if (known.callsLeft > 0) throw lost(operation);
      const { fingerprint } = known;
      this.#known.set(key, { fingerprint, kind: 'done', result: known.carryOut() });
      throw lost(operation);
    }
    // The answer to a repeat can be lost like any other; whatever else would strike has struck the first call.
    if (this.faults.take(operation, key)?.startsWith('lost')) throw lost(operation);
    return known.result;
  }
}

/** Methods that stand for a fault. */
function faultOf(operation: string, method: string | undefined): SimulatedPaymentFault | null {
  if (operation !== 'authorize') return null;
  if (method === 'tok_error') return 'stored_before';
  return method === 'tok_timeout_then_success' ? 'late' : null;
}

function lost(operation: string): GatewayUnavailableError {
  return new GatewayUnavailableError(`no answer from the payment gateway to ${operation} (simulated)`);
}
