import { grouped, nameBasedId, type Invariant } from '../evidence';

interface EventRow {
  id: string;
  order_id: string;
  seq: number;
  type: string;
  last_seq: number | null;
}

const EVENTS = `
  select e.id, e.aggregate_id as order_id, e.seq, e.type, o.last_seq
  from aftercommit.outbox e left join aftercommit.orders o on o.order_id = e.aggregate_id
  where e.aggregate_type = 'order' order by e.aggregate_id, e.seq`;

/** What must have been told of, by rows that are not events. */
const TRANSITIONS = `
  select order_id, case payment_mode when 'none' then 'order.confirmed' else 'order.placed' end as type from aftercommit.orders
  union all select order_id, 'order.confirmed' from aftercommit.step_receipts
    where step = 'settle' and op = 'do' and state = 'done'
  union all select order_id, outcome ->> 'event' from aftercommit.step_receipts
    where step = 'commit' and op = 'undo' and state = 'done'
  union all select order_id, 'order.refunded' from aftercommit.refunds where state = 'DONE'
  union all select order_id, 'order.shipped' from aftercommit.shipments where state in ('SHIPPED', 'DELIVERED', 'RETURNED')
  union all select order_id, 'order.delivered' from aftercommit.shipments where state = 'DELIVERED'
  -- A payment that was given up is told of only while its order still waits for another one.
  union all select r.order_id, 'order.payment_failed' from aftercommit.step_receipts r
    where starts_with(r.step, 'payment_failed:') and exists (select 1 from aftercommit.outbox e
      where e.aggregate_id = r.order_id and e.type = 'order.payment_failed'
        and e.payload ->> 'paymentId' = substr(r.step, length('payment_failed:') + 1))`;

/** One event for each committed transition and no other, dense by seq, each with the id that follows from it. */
export const outbox: Invariant = {
  name: 'INV-OUTBOX',
  async find({ database }) {
    const { rows: events } = await database.query<EventRow>(EVENTS);
    const { rows: transitions } = await database.query<{ order_id: string; type: string }>(TRANSITIONS);
    const wrongIds = events
      .filter((event) => event.id !== nameBasedId(event.order_id, `${event.type}\n${event.seq}`))
      .map((event) => `event ${event.id} has not the id of ${event.order_id} ${event.type} ${event.seq}`);
    const gaps = [...grouped(events, (event) => event.order_id)]
      .filter(([, own]) => own.some((event, i) => event.seq !== i + 1) || own.length !== own[0]?.last_seq)
      .map(
        ([orderId, own]) =>
          `${orderId}: seq ${own.map((event) => event.seq).join()}, last ${own[0]?.last_seq}`,
      );
    return [...wrongIds, ...gaps, ...unmatched(events, transitions)];
  },
};

type Transition = { order_id: string; type: string };

function unmatched(events: readonly Transition[], transitions: readonly Transition[]): string[] {
  const keyOf = (one: Transition): string => `${one.order_id} ${one.type}`;
  const written = grouped(events, keyOf);
  const made = grouped(transitions, keyOf);
  const keys = new Set([...written.keys(), ...made.keys()]);
  return [...keys].flatMap((key) => {
    const counts = [made.get(key)?.length ?? 0, written.get(key)?.length ?? 0];
    return counts[0] === counts[1] ? [] : [`${key}: ${counts[0]} transitions, ${counts[1]} events`];
  });
}

/** What may follow each event, and the statuses that an order may have after it. */
interface Step {
  next: readonly string[];
  statuses: readonly string[];
}

const UNPAID: Step = {
  next: ['order.confirmed', 'order.payment_failed', 'order.cancelled', 'order.expired'],
  statuses: ['PENDING_PAYMENT', 'COMPENSATING'],
};
const end = (status: string): Step => ({ next: [], statuses: [status] });

/** `wait`: a payment that failed ends nothing. */
function stepAfter(type: string, mode: string): Step | undefined {
  const steps: Record<string, Step> = {
    'order.placed': UNPAID,
    'order.payment_failed': mode === 'wait' ? UNPAID : end('FAILED'),
    'order.confirmed': {
      next: ['order.shipped', 'order.cancelled'],
      statuses: ['CONFIRMED', 'COMPENSATING'],
    },
    'order.shipped': { next: ['order.delivered', 'order.cancelled'], statuses: ['SHIPPED', 'COMPENSATING'] },
    'order.delivered': end('COMPLETED'),
    'order.cancelled': end('CANCELLED'),
    'order.expired': end('EXPIRED'),
  };
  return steps[type];
}

type TracedEvent = EventRow & { status: string; payment_mode: string };

/** Nothing follows an end but refunds, and the status is what the events say. */
export const terminal: Invariant = {
  name: 'INV-TERMINAL',
  async find({ database }) {
    const { rows } = await database.query<TracedEvent>(
      `select e.*, s.status, s.payment_mode from (${EVENTS}) e join aftercommit.orders s using (order_id)
       order by e.order_id, e.seq`,
    );
    return [...grouped(rows, (row) => row.order_id)].flatMap(([orderId, own]) => {
      const states = own.filter((event) => event.type !== 'order.refunded');
      if (isAllowed(states)) return [];
      return [`${orderId}: ${states.map((event) => event.type).join(', ')} and status ${own[0]?.status}`];
    });
  },
};

function isAllowed(events: readonly TracedEvent[]): boolean {
  const last = events.at(-1);
  if (last === undefined) return false;
  const follow = (event: TracedEvent, at: number): boolean =>
    at === 0 || stepAfter(events[at - 1]!.type, event.payment_mode)?.next.includes(event.type) === true;
  return (
    events.every(follow) && stepAfter(last.type, last.payment_mode)?.statuses.includes(last.status) === true
  );
}
