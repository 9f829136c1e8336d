import { grouped, type Evidence, type Invariant, type LogEntry } from '../evidence';

/** What was done for one order at the carrier, in the points ledger and with the cart, by their own logs. */
export interface Effects {
  booked: number;
  cancelled: number;
  /** Left the shop, arrived, came back: the last of these; null while it is still there. */
  tracked: string | null;
  awarded: number[];
  reversed: number[];
  cleared: number;
  restored: number;
}

const TRACKING = ['shipped', 'delivered', 'returned'];

export function effectsByOrder({ carrier, points, cart }: Evidence): Map<string, Effects> {
  const facts = [...carrier, ...points, ...cart].filter((entry) => typeof entry['orderId'] === 'string');
  return new Map(
    [...grouped(facts, (entry) => String(entry['orderId']))].map(([orderId, own]) => [
      orderId,
      effectsOf(own),
    ]),
  );
}

function effectsOf(facts: readonly LogEntry[]): Effects {
  const of = (type: string): LogEntry[] => facts.filter((entry) => entry.type === type);
  const pointsOf = (type: string): number[] => of(type).map((entry) => Number(entry['points']));
  return {
    booked: of('booked').length,
    cancelled: of('cancelled').length,
    tracked: facts.findLast((entry) => TRACKING.includes(entry.type))?.type ?? null,
    awarded: pointsOf('awarded'),
    reversed: pointsOf('reversed'),
    cleared: of('cleared').length,
    restored: of('restored').length,
  };
}

export const NOTHING: Effects = effectsOf([]);

interface Fulfilled {
  order_id: string;
  status: string;
  /** Captured by the payment that counts, in minor units. */
  captured: number;
  has_cart: boolean;
  /** Null when there is no such row. */
  shipment: string | null;
  points: string | null;
  cart: string | null;
  /** Steps that an operator said were done by hand, or failed. */
  by_hand: string[];
}

const ORDERS = `
  select o.order_id, o.status, o.cart_id is not null as has_cart,
    (select coalesce(sum(p.captured_minor), 0)::float8 from aftercommit.payments p
     where p.order_id = o.order_id and p.undone_at is null) as captured,
    (select s.state from aftercommit.shipments s where s.order_id = o.order_id) as shipment,
    (select e.state from aftercommit.points e where e.order_id = o.order_id) as points,
    (select c.state from aftercommit.carts c where c.order_id = o.order_id) as cart,
    array(select split_part(k.step, ':', 1) from aftercommit.parked_steps k
          where k.order_id = o.order_id and k.decision in ('skip', 'fail')) as by_hand
  from aftercommit.orders o`;

/** Minor units that earn a point. Source: the source documents' loyalty terms. */
const MINOR_PER_POINT = 100;

/**
 * What a confirmed order asks for was done exactly once: one booking, all its points, its cart emptied. Before that
 * nothing is done, and nobody asks for an order that there is not. Points and cart may be refused, a shipment may not.
 */
export const fulfil: Invariant = {
  name: 'INV-FULFIL',
  async find(evidence) {
    const { rows } = await evidence.database.query<Fulfilled>(ORDERS);
    const effects = effectsByOrder(evidence);
    const known = new Set(rows.map((row) => row.order_id));
    const strangers = [...effects.keys()].filter((orderId) => !known.has(orderId));
    return [
      ...strangers.map(
        (orderId) => `${orderId} is no order, and was asked for: ${JSON.stringify(effects.get(orderId))}`,
      ),
      ...rows.flatMap((row) => {
        const own = effects.get(row.order_id) ?? NOTHING;
        const wrong = whatIsWrong(row, own);
        return wrong.map((what) => `${row.order_id}: ${what}, ${JSON.stringify({ row, own })}`);
      }),
    ];
  },
};

/** What must have happened at the carrier before an order says so. */
const SEEN: Record<string, (string | null)[]> = {
  CONFIRMED: [null, ...TRACKING],
  SHIPPED: TRACKING,
  COMPLETED: ['delivered', 'returned'],
};

function whatIsWrong(row: Fulfilled, own: Effects): string[] {
  const seen = SEEN[row.status];
  if (seen === undefined) {
    const isBegun = own.booked + own.awarded.length + own.cleared > 0;
    return row.status === 'PENDING_PAYMENT' && isBegun ? ['begun before it was paid'] : [];
  }
  const wrong: string[] = [];
  const isByHand = (step: string): boolean => row.by_hand.includes(step);
  const bookings = row.shipment === null ? 0 : 1;
  if (!isByHand('ship') && (own.booked !== bookings || own.cancelled > 0)) wrong.push('its booking');
  if (!isByHand('ship') && bookings > 0 && !seen.includes(own.tracked)) wrong.push('its way');
  if (!isByHand('points') && !hasItsPoints(row, own)) wrong.push('its points');
  const clearings = row.has_cart && row.cart !== 'REFUSED' ? 1 : 0;
  if (!isByHand('cart') && (own.cleared !== clearings || own.restored > 0)) wrong.push('its cart');
  return wrong;
}

function hasItsPoints({ captured, points }: Fulfilled, { awarded, reversed }: Effects): boolean {
  if (reversed.length > 0) return false;
  const earned = Math.floor(captured / MINOR_PER_POINT);
  if (earned === 0 || points === 'REFUSED') return awarded.length === 0;
  return awarded.length === 1 && awarded[0] === earned;
}
