import { createSimulatedCarrier } from '../../src/gateways/simulated-carrier';
import { createSimulatedCart } from '../../src/gateways/simulated-cart';
import { createSimulatedPointsLedger, type SimulatedPointsLedger } from '../../src/gateways/simulated-points';
import type { Simulated } from '../../src/gateways/simulated-transport';
import { describeCarrierContract } from '../contract/carrier';
import { describeCartContract } from '../contract/cart';
import type { ParticipantUnderTest } from '../contract/participant';
import { describePointsLedgerContract } from '../contract/points';

function underTest(simulated: Simulated): ParticipantUnderTest {
  return {
    plan: (fault, operation) => {
      simulated.faults.plan(fault, operation);
      return Promise.resolve();
    },
    settleLate: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}

const countOf = (simulated: Simulated, type: string): number =>
  simulated.facts().filter((fact) => fact.type === type).length;

describeCarrierContract('simulated', () => {
  const carrier = createSimulatedCarrier();
  return Promise.resolve({
    ...underTest(carrier),
    carrier,
    advance: (shipmentId, status) => {
      if (!carrier.advance(shipmentId, status)) throw new Error(`not possible: ${status}`);
      return Promise.resolve();
    },
    bookings: (shipmentId) =>
      Promise.resolve(
        carrier.facts().filter((fact) => fact.type === 'booked' && fact['shipmentId'] === shipmentId).length,
      ),
  });
});

describePointsLedgerContract('simulated', () => {
  const ledger = createSimulatedPointsLedger({ refusals: { cus_refused: 'account_closed' } });
  return Promise.resolve({
    ...underTest(ledger),
    ledger,
    balanceOf: (customerId) => Promise.resolve(ledger.balanceOf(customerId)),
  });
});

describeCartContract('simulated', () => {
  const cart = createSimulatedCart();
  return Promise.resolve({
    ...underTest(cart),
    cart,
    isCleared: (request) => Promise.resolve(cart.isCleared(request)),
    clearings: () => Promise.resolve(countOf(cart, 'cleared')),
  });
});

describe('a simulated participant with seeded faults', () => {
  const RATES = { lost_before: 0.2, lost_after: 0.2, late: 0.2 };
  const ENTRIES = 200;

  /** Awards every entry until it is definite, in the order given, and takes every third back. */
  async function run(ledger: SimulatedPointsLedger, order: number[]): Promise<number[]> {
    const attempts: number[] = [];
    const until = async (call: () => Promise<unknown>): Promise<number> => {
      for (let attempt = 1; ; attempt += 1) {
        const isDefinite = await call().then(
          () => true,
          () => false,
        );
        if (isDefinite) return attempt;
      }
    };
    for (const n of order) {
      const entryId = `ent_${n}`;
      const request = { entryId, customerId: 'cus_1', orderId: `ord_${n}`, points: n };
      attempts[n] = await until(() => ledger.award(request));
      if (n % 3 === 0) attempts[n] += await until(() => ledger.reverse({ entryId }));
    }
    return attempts;
  }

  const forwards = Array.from({ length: ENTRIES }, (_, n) => n + 1);
  const expected = forwards.filter((n) => n % 3 !== 0).reduce((sum, n) => sum + n, 0);

  it.each([1, 2, 3])('ends with every point in its place (seed %s)', async (seed) => {
    const ledger = createSimulatedPointsLedger({ seed, faults: RATES });

    await run(ledger, forwards);

    expect(ledger.balanceOf('cus_1')).toBe(expected);
    expect(countOf(ledger, 'awarded')).toBe(ENTRIES);
    for (const kind of ['lost_before', 'lost_after', 'late'] as const) {
      expect(ledger.faults.fired.get(kind)).toBeGreaterThan(ENTRIES / 20);
    }
  });

  it('meets the same faults with the same seed, in whatever order the calls come', async () => {
    const first = await run(createSimulatedPointsLedger({ seed: 7, faults: RATES }), forwards);
    const again = await run(createSimulatedPointsLedger({ seed: 7, faults: RATES }), [...forwards].reverse());
    const other = await run(createSimulatedPointsLedger({ seed: 8, faults: RATES }), forwards);

    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it.each([{ lost_before: -0.1 }, { lost_before: 0.6, late: 0.6 }, { late: Number.NaN }])(
    'refuses rates that are no probabilities: %j',
    (faults) => {
      expect(() => createSimulatedCart({ faults })).toThrow(RangeError);
    },
  );
});
