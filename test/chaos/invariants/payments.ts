import { grouped, sumOf, type Evidence, type Invariant, type LogEntry } from '../evidence';

/** What the gateway did for one payment, in minor units. */
interface Money {
  orderId: string;
  captures: number[];
  currencies: string[];
  refunded: number;
  /** Authorizations that hold a customer's money and were neither captured nor given back. */
  held: number;
}

const idOf = (entry: LogEntry, member: string): string => String(entry[member]);

/** Facts about money, by payment. Requests and faults are none. */
function moneyByPayment({ payments }: Evidence): Map<string, Money> {
  const facts = payments.filter((entry) => typeof entry['orderId'] === 'string');
  const own = grouped(facts, (entry) => idOf(entry, 'paymentId'));
  return new Map([...own].map(([paymentId, entries]) => [paymentId, moneyOf(entries)]));
}

/** A declined or refused authorization holds nothing. */
const ENDS = new Set(['captured', 'voided', 'action_refused']);
const HOLDS = new Set(['authorized', 'requires_action']);

function moneyOf(facts: readonly LogEntry[]): Money {
  const of = (type: string): LogEntry[] => facts.filter((entry) => entry.type === type);
  const amounts = (type: string): number[] => of(type).map((entry) => Number(entry['amountMinor']));
  const ended = new Set(
    facts.filter((entry) => ENDS.has(entry.type)).map((entry) => entry['authorizationId']),
  );
  return {
    orderId: idOf(facts[0]!, 'orderId'),
    captures: amounts('captured'),
    currencies: of('captured').map((entry) => idOf(entry, 'currency')),
    refunded: sumOf(amounts('refunded')),
    held: facts.filter((entry) => HOLDS.has(entry.type) && !ended.has(entry['authorizationId'])).length,
  };
}

const keptOf = ({ captures, refunded }: Money): number => sumOf(captures) - refunded;

/**
 * One capture for a payment; never more given back than taken, and nothing given back twice; and of all payments of an
 * order at most one whose money was not given back whole. A second one can be taken: customers pay twice, and late.
 */
export const payOne: Invariant = {
  name: 'INV-PAY-ONE',
  find(evidence) {
    const money = [...moneyByPayment(evidence)];
    const wrong = money.filter(([, one]) => one.captures.length > 1 || keptOf(one) < 0);
    const refunds = evidence.payments.filter((entry) => entry.type === 'refunded');
    const repeated = [...grouped(refunds, (entry) => idOf(entry, 'refundId'))].filter(
      ([, own]) => own.length > 1,
    );
    const kept = money.filter(([, one]) => keptOf(one) > 0);
    const paidTwice = [...grouped(kept, ([, { orderId }]) => orderId)].filter(([, own]) => own.length > 1);
    return [
      ...wrong.map(([paymentId, one]) => `payment ${paymentId}: ${JSON.stringify(one)}`),
      ...repeated.map(([refundId, own]) => `refund ${refundId} was made ${own.length} times`),
      ...paidTwice.map(([orderId, own]) => `${orderId} was paid ${own.length} times: ${JSON.stringify(own)}`),
    ];
  },
};

interface BookedPayment {
  payment_id: string;
  captured: number;
  refunded: number;
  currency: string;
  is_undone: boolean;
}

interface BookedOrder {
  order_id: string;
  status: string;
  payment_mode: string;
  payment_status: string;
  total: number;
  currency: string;
  /** Refunds that an operator leaves open or gave up, in minor units. */
  owed: number;
  payments: BookedPayment[];
}

const BOOKS = `
  select o.order_id, o.status, o.payment_mode, o.payment_status, o.total_minor::float8 as total, o.currency,
    (select coalesce(sum(f.amount_minor), 0)::float8 from aftercommit.refunds f
     where f.order_id = o.order_id and f.state in ('PARKED', 'FAILED')) as owed,
    (select coalesce(jsonb_agg(jsonb_build_object('payment_id', p.payment_id, 'captured', p.captured_minor,
       'refunded', p.refunded_minor, 'currency', p.currency, 'is_undone', p.undone_at is not null)), '[]')
     from aftercommit.payments p where p.order_id = o.order_id) as payments
  from aftercommit.orders o`;

const UNDONE = ['CANCELLED', 'EXPIRED', 'FAILED'];
const PAID = ['CONFIRMED', 'SHIPPED', 'COMPLETED'];

/** At its end an order's money is its total when it is confirmed, refunds aside, and nothing when it is not to be. */
export const payNet: Invariant = {
  name: 'INV-PAY-NET',
  async find(evidence) {
    const { rows } = await evidence.database.query<BookedOrder>(BOOKS);
    const money = moneyByPayment(evidence);
    const known = new Map(
      rows.flatMap((row) => row.payments.map(({ payment_id: id }) => [id, row.order_id] as const)),
    );
    const strangers = [...money].filter(
      ([paymentId, { orderId, captures, held }]) =>
        (captures.length > 0 || held > 0) && known.get(paymentId) !== orderId,
    );
    return [
      ...strangers.map(([id, one]) => `payment ${id} is in nobody's books: ${JSON.stringify(one)}`),
      ...rows.flatMap((row) => {
        const own = row.payments.map((booked) => ({ booked, taken: money.get(booked.payment_id) }));
        return whatIsWrong(row, own).map(
          (what) => `${row.order_id}: ${what}, ${JSON.stringify({ row, own })}`,
        );
      }),
    ];
  },
};

type Compared = { booked: BookedPayment; taken: Money | undefined }[];

const captured = (taken: Money | undefined): number => sumOf(taken?.captures ?? []);

function whatIsWrong(row: BookedOrder, own: Compared): string[] {
  const wrong: string[] = [];
  const isOff = ({ booked, taken }: Compared[number]): boolean =>
    captured(taken) !== booked.captured || (taken?.refunded ?? 0) !== booked.refunded;
  if (own.some(isOff)) wrong.push('the books say other than the gateway');
  const isOver = UNDONE.includes(row.status) || PAID.includes(row.status);
  if (isOver && own.some(({ taken }) => (taken?.held ?? 0) > 0)) wrong.push('money is held');
  const undone = own.filter(({ booked }) => booked.is_undone || UNDONE.includes(row.status));
  const kept = sumOf(undone.map(({ taken }) => captured(taken) - (taken?.refunded ?? 0)));
  if (isOver && (kept < 0 || kept > row.owed)) wrong.push(`${kept} was not given back`);
  if (PAID.includes(row.status)) wrong.push(...whyNotPaid(row, own));
  return wrong;
}

/** A paid order has exactly one payment that counts, of its whole total, and says what was given back of it. */
function whyNotPaid(row: BookedOrder, own: Compared): string[] {
  const counting = own.filter(({ booked, taken }) => !booked.is_undone && captured(taken) > 0);
  if (row.payment_mode === 'none') return counting.length === 0 ? [] : ['money for an order without payment'];
  const [one] = counting;
  if (one?.taken === undefined || counting.length !== 1) return [`${counting.length} payments count`];
  const wrong: string[] = [];
  if (captured(one.taken) !== row.total || one.taken.currencies.some((currency) => currency !== row.currency))
    wrong.push('paid is not the total');
  const { refunded } = one.taken;
  const status = refunded === 0 ? 'PAID' : refunded < row.total ? 'PARTIALLY_REFUNDED' : 'REFUNDED';
  if (row.payment_status !== status) wrong.push(`the payment is ${status}`);
  return wrong;
}
