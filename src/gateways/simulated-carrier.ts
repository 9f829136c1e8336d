import type { Carrier, ShipmentStatus } from './carrier';
import { ShipmentsLedger, simulatedRefusal } from './shipments-ledger';
import { reused, SimulatedTransport, type Simulated, type SimulatedOptions } from './simulated-transport';

export interface SimulatedCarrier extends Carrier, Simulated {
  /** What the carrier does on its own. @returns false when the shipment cannot go there from where it is */
  advance(shipmentId: string, status: ShipmentStatus): boolean;
}

/** A carrier in memory. Keeps the contract of `Carrier`; its faults follow from the seed. */
export function createSimulatedCarrier(options: SimulatedOptions = {}): SimulatedCarrier {
  const transport = new SimulatedTransport('carrier', options);
  let booked = 0;
  const ledger = new ShipmentsLedger([], () => {
    booked += 1;
    return `track_${options.seed ?? 0}_${booked}`;
  });
  return {
    faults: transport.faults,
    facts: () => transport.facts(),
    async book(request) {
      const result = await transport.call('book', request.shipmentId, () =>
        ledger.book(request, simulatedRefusal(request)),
      );
      if (result.kind === 'reused') throw reused('carrier');
      return result;
    },
    cancel: ({ shipmentId }) => transport.call('cancel', shipmentId, () => ledger.cancel(shipmentId)),
    find: ({ shipmentId }) =>
      transport.call('find', shipmentId, () => ({ result: ledger.find(shipmentId), fact: null })),
    advance(shipmentId, status) {
      const fact = ledger.advance(shipmentId, status);
      if (fact !== null) transport.record(fact);
      return fact !== null;
    },
    close: () => Promise.resolve(),
  };
}
