import type { PointsLedger } from './points';
import { PointsEntries } from './points-entries';
import { reused, SimulatedTransport, type Simulated, type SimulatedOptions } from './simulated-transport';

export interface SimulatedPointsLedger extends PointsLedger, Simulated {
  balanceOf(customerId: string): number;
}

export interface SimulatedPointsOptions extends SimulatedOptions {
  /** Customers whose awards are refused for good, with the code. */
  refusals?: Record<string, string>;
}

/** A points ledger in memory. Keeps the contract of `PointsLedger`; its faults follow from the seed. */
export function createSimulatedPointsLedger(options: SimulatedPointsOptions = {}): SimulatedPointsLedger {
  const transport = new SimulatedTransport('points ledger', options);
  const refusals = new Map(Object.entries(options.refusals ?? {}));
  const entries = new PointsEntries([]);
  return {
    faults: transport.faults,
    facts: () => transport.facts(),
    balanceOf: (customerId) => entries.balanceOf(customerId),
    async award(request) {
      const refusal = refusals.get(request.customerId) ?? null;
      const result = await transport.call('award', request.entryId, () => entries.award(request, refusal));
      if (result.kind === 'reused') throw reused('points ledger');
      return result;
    },
    reverse: ({ entryId }) => transport.call('reverse', entryId, () => entries.reverse(entryId)),
    close: () => Promise.resolve(),
  };
}
