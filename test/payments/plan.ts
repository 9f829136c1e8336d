import { chanceOf, type Chance } from './chance';
import { FAILURES, type Failure } from './failures';

/** Source: what is to be proved: 30 % of payments fail. */
const FAILING_SHARE = 0.3;
/** The first orders live while no webhook of the gateway arrives. */
const WITHOUT_WEBHOOKS_SHARE = 0.3;

export const SKUS = Array.from({ length: 20 }, (_, n) => `SKU-${n}`);
export const QUANTITY_MAX = 3;
const PRICES_MINOR = [95, 100, 999, 1_000, 12_345];

/** What becomes of an order that is paid. */
export type Fate = 'kept' | 'cancelled' | 'refunded' | 'refunded_partly' | 'refunded_twice' | 'returned';
/** What follows a payment that failed while its order waits. */
export type SecondTry = 'another_card' | 'nothing' | 'cancel';

/** One order, from its placing to its end. */
export interface OrderPlan {
  number: number;
  key: string;
  mode: 'charge' | 'wait';
  sku: string;
  quantity: number;
  unitPriceMinor: number;
  ships: boolean;
  /** The carrier refuses where it goes to. */
  isAddressRefused: boolean;
  hasCart: boolean;
  failure: Failure | null;
  secondTry: SecondTry;
  /** Nobody pays at all. */
  isAbandoned: boolean;
  /** Cancelled as soon as it is placed. */
  isCancelledAtOnce: boolean;
  fate: Fate;
  /** A refund puts the goods back. */
  restocks: boolean;
}

/**
 * Plans a run. The same seed always gives the same orders; failures take turns, so that each is there equally often.
 * @returns the orders that live without webhooks, and the others
 */
export function planOrders({ orders, seed }: { orders: number; seed: number }): {
  withoutWebhooks: OrderPlan[];
  others: OrderPlan[];
} {
  const chances = Array.from({ length: orders }, (_, number) => chanceOf(seed, number));
  const failing = new Set(
    [...chances.keys()]
      .sort((one, other) => chances[one]!.lot('failing') - chances[other]!.lot('failing'))
      .slice(0, Math.round(orders * FAILING_SHARE)),
  );
  const silent = Math.round(orders * WITHOUT_WEBHOOKS_SHARE);
  const failures = {
    silent: turns(({ needs }) => needs !== 'webhooks'),
    told: turns(({ needs }) => needs !== 'silence'),
  };
  const plans = chances.map((chance, number) => {
    const next = number < silent ? failures.silent : failures.told;
    return planOrder(number, chance, failing.has(number) ? next() : null);
  });
  return { withoutWebhooks: plans.slice(0, silent), others: plans.slice(silent) };
}

function turns(which: (failure: Failure) => boolean): () => Failure {
  const all = FAILURES.filter(which);
  let taken = 0;
  return () => all[taken++ % all.length]!;
}

function planOrder(number: number, chance: Chance, failure: Failure | null): OrderPlan {
  const mode = failure?.mode ?? (chance.isTrue('wait', 0.5) ? 'wait' : 'charge');
  const ships = chance.isTrue('ships', 0.35);
  const isPlain = failure === null;
  return {
    number,
    key: `order-${number}`,
    mode,
    sku: chance.pick('sku', SKUS),
    quantity: 1 + Math.floor(chance.lot('quantity') * QUANTITY_MAX),
    unitPriceMinor: chance.pick('price', PRICES_MINOR),
    ships,
    isAddressRefused: ships && failure?.isOfRefund !== true && chance.isTrue('address', 0.1),
    hasCart: chance.isTrue('cart', 0.5),
    failure,
    secondTry: chance.pick('second', ['another_card', 'another_card', 'nothing', 'cancel']),
    isAbandoned: isPlain && mode === 'wait' && chance.isTrue('abandoned', 0.1),
    isCancelledAtOnce:
      failure?.isOfRefund !== true && failure?.mode !== 'wait' && chance.isTrue('at once', 0.06),
    fate: fateOf(chance, failure, ships),
    restocks: chance.isTrue('restock', 0.5),
  };
}

/** Only what ships can be cancelled, or come back, once it is confirmed. */
function fateOf(chance: Chance, failure: Failure | null, ships: boolean): Fate {
  const refunds: Fate[] = ['refunded', 'refunded_partly', 'refunded_twice'];
  if (failure?.isOfRefund === true) return chance.pick('fate', ships ? ['cancelled', ...refunds] : refunds);
  if (!chance.isTrue('a fate', 0.25)) return 'kept';
  return chance.pick('fate', ships ? ['cancelled', 'cancelled', 'returned', ...refunds] : refunds);
}
