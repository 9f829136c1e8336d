import { grouped, sumOf, type Evidence, type Invariant, type LogEntry } from '../evidence';

/** What the gateway did for one order, in minor units. */
interface Money {
  captures: number[];
  refunded: number;
  /** Authorizations that hold a customer's money and were neither captured nor voided. */
  held: number;
}

const NO_MONEY: Money = { captures: [], refunded: 0, held: 0 };

function moneyByOrder({ payments }: Evidence): Map<string, Money> {
  const facts = payments.filter((entry) => typeof entry['orderId'] === 'string');
  return new Map(
    [...grouped(facts, (entry) => String(entry['orderId']))].map(([orderId, own]) => [orderId, moneyOf(own)]),
  );
}

function moneyOf(facts: readonly LogEntry[]): Money {
  const amounts = (type: string): number[] =>
    facts.filter((entry) => entry.type === type).map((entry) => Number(entry['amountMinor']));
  const ended = new Set(
    facts
      .filter((entry) => entry.type === 'captured' || entry.type === 'voided')
      .map((entry) => entry['authorizationId']),
  );
  const held = facts.filter(
    (entry) =>
      (entry.type === 'authorized' || entry.type === 'requires_action') &&
      !ended.has(entry['authorizationId']),
  );
  return { captures: amounts('captured'), refunded: sumOf(amounts('refunded')), held: held.length };
}

/** At most one capture for an order, and never more given back than taken. */
export const payOne: Invariant = {
  name: 'INV-PAY-ONE',
  find(evidence) {
    return [...moneyByOrder(evidence)]
      .filter(([, { captures, refunded }]) => captures.length > 1 || refunded > sumOf(captures))
      .map(([orderId, money]) => `${orderId}: ${JSON.stringify(money)}`);
  },
};

/** At its end an order's money is its total when it is confirmed, refunds aside, and nothing when it is not to be. */
export const payNet: Invariant = {
  name: 'INV-PAY-NET',
  async find(evidence) {
    const { rows } = await evidence.database.query<{
      order_id: string;
      status: string;
      payment_mode: string;
      total: number;
      captured: number;
      refunded: number;
    }>(`
      select o.order_id, o.status, o.payment_mode, o.total_minor::float8 as total,
        coalesce(p.captured_minor, 0)::float8 as captured, coalesce(p.refunded_minor, 0)::float8 as refunded
      from aftercommit.orders o left join aftercommit.payments p using (order_id)`);
    const money = moneyByOrder(evidence);
    const strangers = [...money.keys()].filter((orderId) => !rows.some((row) => row.order_id === orderId));
    const wrong = rows.filter((row) => {
      const { captures, refunded, held } = money.get(row.order_id) ?? NO_MONEY;
      const captured = sumOf(captures);
      // The books say what the gateway says.
      if (captured !== row.captured || refunded !== row.refunded) return true;
      if (['CANCELLED', 'EXPIRED', 'FAILED'].includes(row.status)) return captured !== refunded || held > 0;
      if (row.status !== 'CONFIRMED') return false;
      return captured !== (row.payment_mode === 'none' ? 0 : row.total);
    });
    return [
      ...strangers.map((orderId) => `the gateway was asked for ${orderId}, which is no order`),
      ...wrong.map(
        (row) => `${JSON.stringify(row)}, at the gateway ${JSON.stringify(money.get(row.order_id))}`,
      ),
    ];
  },
};
