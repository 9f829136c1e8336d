import { nameBasedId, sumOf, type Evidence, type Invariant, type LogEntry } from '../evidence';
import { effectsByOrder, NOTHING, type Effects } from './fulfilment';

interface Undone {
  order_id: string;
  code: string | null;
  /** When it was told. */
  told_at: Date | null;
  was_confirmed: boolean;
  shipment_id: string | null;
  entry_id: string | null;
  payment_ids: string[];
  /** Steps that can never happen: `pay:{paymentId}` and the like. */
  fenced: string[];
  by_hand: string[];
}

const UNDONE = `
  select o.order_id, o.ending ->> 'code' as code,
    (select e.created_at from aftercommit.outbox e where e.aggregate_id = o.order_id
       and e.type = o.ending ->> 'event' order by e.seq desc limit 1) as told_at,
    exists (select 1 from aftercommit.outbox e where e.aggregate_id = o.order_id and e.type = 'order.confirmed') as was_confirmed,
    (select s.shipment_id from aftercommit.shipments s where s.order_id = o.order_id) as shipment_id,
    (select e.entry_id from aftercommit.points e where e.order_id = o.order_id) as entry_id,
    array(select p.payment_id::text from aftercommit.payments p where p.order_id = o.order_id) as payment_ids,
    array(select r.step from aftercommit.step_receipts r
          where r.order_id = o.order_id and r.op = 'do' and r.state = 'fenced') as fenced,
    array(select split_part(k.step, ':', 1) from aftercommit.parked_steps k
          where k.order_id = o.order_id and k.decision in ('skip', 'fail')) as by_hand
  from aftercommit.orders o where o.status in ('CANCELLED', 'EXPIRED', 'FAILED')`;

/**
 * An order that ended undone has left nothing at any participant: what was done was undone, once, last step first, before
 * anybody was told; and a step that was fenced never happened, however late its call came.
 */
export const comp: Invariant = {
  name: 'INV-COMP',
  async find(evidence) {
    const { rows } = await evidence.database.query<Undone>(UNDONE);
    const effects = effectsByOrder(evidence);
    const undos = undosIn(evidence);
    const begun = beginningsIn(evidence);
    return rows.flatMap((row) => {
      const own = effects.get(row.order_id) ?? NOTHING;
      const wrong = [
        ...leftBehind(row, own),
        ...outOfOrder(row, undos),
        ...row.fenced.filter((step) => begun.has(step)).map((step) => `${step} happened after its fence`),
      ];
      return wrong.map((what) => `${row.order_id}: ${what}, ${JSON.stringify({ row, own })}`);
    });
  },
};

/** Goods that left the shop before it was undone: an operator decided, and nobody can take them back at the carrier. */
const GONE = ['returned', 'not_delivered'];

function leftBehind(row: Undone, own: Effects): string[] {
  const wrong: string[] = [];
  const isByHand = (step: string): boolean => row.by_hand.includes(step);
  const isGone = GONE.includes(row.code ?? '') && own.tracked !== null;
  if (own.booked > 1 || own.cancelled > 1) wrong.push('more than one booking');
  if (!isByHand('ship') && !isGone && own.booked !== own.cancelled) wrong.push('its booking lives');
  if (!isGone && own.tracked !== null) wrong.push('its goods left');
  if (own.awarded.length > 1 || own.reversed.length > 1) wrong.push('points more than once');
  if (!isByHand('points') && sumOf(own.awarded) !== sumOf(own.reversed)) wrong.push('its points stayed');
  if (own.cleared > 1 || own.restored > 1) wrong.push('its cart more than once');
  if (!isByHand('cart') && own.cleared !== own.restored) wrong.push('its cart stayed empty');
  if (!row.was_confirmed && own.booked + own.awarded.length + own.cleared > 0)
    wrong.push('begun before it was paid');
  return wrong;
}

/** When each undo took effect for the first time, by the step that it undoes. */
function undosIn({ carrier, points, cart, payments }: Evidence): Map<string, number> {
  const found = new Map<string, number>();
  const add = (log: readonly LogEntry[], types: string[], keyOf: (entry: LogEntry) => string): void => {
    for (const entry of log.filter(({ type }) => types.includes(type))) {
      const key = keyOf(entry);
      if (!found.has(key)) found.set(key, Date.parse(entry.at));
    }
  };
  add(carrier, ['cancelled', 'booking_fenced'], (entry) => `ship:${String(entry['shipmentId'])}`);
  add(points, ['reversed', 'award_fenced'], (entry) => `points:${String(entry['entryId'])}`);
  add(cart, ['restored', 'clear_fenced'], (entry) => `cart:${String(entry['orderId'])}`);
  add(payments, ['refunded'], (entry) => `refund:${String(entry['refundId'])}`);
  return found;
}

/** Each undo that reached a participant came after those before it, and before the order was told to have ended. */
function outOfOrder(row: Undone, undos: ReadonlyMap<string, number>): string[] {
  const toldAt = row.told_at?.getTime();
  if (toldAt === undefined) return ['nobody was told of its end'];
  const chain = [
    `ship:${row.shipment_id}`,
    `points:${row.entry_id}`,
    `cart:${row.order_id}`,
    ...(row.was_confirmed ? lastRefundBefore(row, undos, toldAt) : []),
  ].filter((step) => undos.has(step));
  const times = [...chain.map((step) => undos.get(step)!), toldAt];
  const isLate = times.some((time, at) => at > 0 && time < times[at - 1]!);
  return isLate ? [`not last in first out: ${JSON.stringify({ chain, times })}`] : [];
}

/** Of the payment that had confirmed the order. Others that came late are given back whenever they are noticed. */
function lastRefundBefore(row: Undone, undos: ReadonlyMap<string, number>, toldAt: number): string[] {
  return row.payment_ids
    .map((paymentId) => `refund:${nameBasedId(paymentId, 'undo')}`)
    .filter((step) => (undos.get(step) ?? Infinity) <= toldAt)
    .sort((one, other) => undos.get(one)! - undos.get(other)!)
    .slice(-1);
}

/** Steps that took effect at a participant. */
function beginningsIn({ carrier, points, cart, payments }: Evidence): Set<string> {
  const of = (log: readonly LogEntry[], types: string[]): LogEntry[] =>
    log.filter(({ type }) => types.includes(type));
  return new Set([
    ...of(carrier, ['booked']).map((entry) => `ship:${String(entry['shipmentId'])}`),
    ...of(points, ['awarded']).map((entry) => `points:${String(entry['entryId'])}`),
    ...of(cart, ['cleared']).map((entry) => `cart:${String(entry['orderId'])}`),
    ...of(payments, ['authorized', 'requires_action', 'captured']).map(
      (entry) => `pay:${String(entry['paymentId'])}`,
    ),
  ]);
}
