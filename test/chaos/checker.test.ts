import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database';
import {
  AT,
  BACK,
  CONFIRMED,
  done,
  entryOf,
  eventId,
  evidenceOf,
  fillBooks,
  FREE,
  LATE,
  moved,
  NOBODY,
  PAID,
  PHONE,
  paymentOf,
  received,
  REFUND,
  SENT,
  shipmentOf,
  UNDONE,
  undoOf,
  type CheckedEvidence,
} from './books';
import { check, INVARIANTS } from './checker';
import { nameBasedId, type LogEntry } from './evidence';

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new Client({ connectionString: database.url });
  await client.connect();
  await fillBooks(client);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});
// Each test changes what it likes and leaves nothing.
beforeEach(() => client.query('begin'));
afterEach(() => client.query('rollback'));

const evidence = (): CheckedEvidence => evidenceOf(client);

type Plant = (clean: CheckedEvidence) => unknown;

const sql =
  (text: string, ...values: unknown[]): Plant =>
  () =>
    client.query(text, values);

/** Takes entries out of a log. */
function remove(log: LogEntry[], which: (entry: LogEntry) => boolean): void {
  log.splice(0, log.length, ...log.filter((entry) => !which(entry)));
}

/** A moment after the last entry. */
function atOf(log: readonly LogEntry[], laterMs: number): string {
  return new Date(Date.parse(log.at(-1)!.at) + laterMs).toISOString();
}

const PLANTS: [name: string, what: string, plant: Plant][] = [
  [
    'INV-STOCK',
    'a unit that nobody put in',
    sql(`update aftercommit.inventory set available = available + 1`),
  ],
  [
    'INV-STOCK',
    'a unit sold that no order has',
    sql(`update aftercommit.inventory set available = available - 1, sold = sold + 1`),
  ],
  [
    'INV-STOCK',
    'a reservation that leaked',
    sql(`update aftercommit.inventory set available = available - 1, reserved = 1`),
  ],
  ...(
    [
      [
        'more units in orders than a sale offers',
        `update aftercommit.orders set sale_id = 'flash' where order_id = '${SENT}'`,
      ],
      ['a unit of a sale that leaked', `update aftercommit.sales set sold = 0, reserved = 1`],
      ['a customer with units that nobody counted', `update aftercommit.sale_customers set units = 0`],
      ['a customer without the units that are counted', `update aftercommit.orders set sale_id = null`],
    ] as const
  ).map(([what, text]): [string, string, Plant] => ['INV-OVERSELL', what, sql(text)]),
  ['INV-ONE-ORDER', 'an order that no key asked for', (clean) => clean.keys.pop()],
  [
    'INV-ONE-ORDER',
    'an order whose commit left no receipt',
    sql(`delete from aftercommit.step_receipts where order_id = $1 and step = 'commit'`, FREE),
  ],
  [
    'INV-OUTBOX',
    'a gap in seq',
    sql(`update aftercommit.outbox set seq = 4 where id = $1`, eventId(PAID, 'order.refunded', 3)),
  ],
  [
    'INV-OUTBOX',
    'a transition without its event',
    sql(
      `insert into aftercommit.step_receipts (order_id, step, op, state) values ($1, 'settle', 'do', 'done')`,
      UNDONE,
    ),
  ],
  [
    'INV-OUTBOX',
    'an event without its transition',
    sql(`update aftercommit.refunds set state = 'PARKED' where refund_id = $1`, REFUND),
  ],
  [
    'INV-OUTBOX',
    'an event whose id does not follow from it',
    sql(
      `update aftercommit.outbox set id = gen_random_uuid() where id = $1`,
      eventId(UNDONE, 'order.placed', 1),
    ),
  ],
  [
    'INV-OUTBOX',
    'goods that were shipped and nobody told of it',
    sql(`update aftercommit.shipments set state = 'SHIPPED' where order_id = $1`, BACK),
  ],
  [
    'INV-OUTBOX',
    'a failed payment that was told of and not given up',
    sql(`delete from aftercommit.step_receipts where starts_with(step, 'payment_failed:')`),
  ],
  [
    'INV-TERMINAL',
    'an order that goes on after its end',
    sql(`update aftercommit.orders set payment_mode = 'charge' where order_id = $1`, SENT),
  ],
  [
    'INV-TERMINAL',
    'an order that is delivered and says that it is shipped',
    sql(`update aftercommit.orders set status = 'SHIPPED' where order_id = $1`, SENT),
  ],
  [
    'INV-TERMINAL',
    'an order that was confirmed and then cancelled',
    sql(`update aftercommit.orders set status = 'CANCELLED' where order_id = $1`, FREE),
  ],
  ['INV-LIVE', 'a group that is not done', sql(`update aftercommit.groups set state = 'CLOSED'`)],
  [
    'INV-LIVE',
    'a window with orders that nobody closed',
    sql(`update aftercommit.groups set state = 'OPEN'`),
  ],
  [
    'INV-LIVE',
    'a message that is still to be sent',
    sql(`update aftercommit.notification_attempts set state = 'SENDING'`),
  ],
  ...(
    [
      ['a payment without an end', `update aftercommit.payments set state = 'AUTHORIZED'`],
      ['a shipment that nobody asked for', `update aftercommit.shipments set state = 'INTENDED'`],
      ['points that nobody asked for', `update aftercommit.points set state = 'INTENDED'`],
      ['a cart that nobody asked for', `update aftercommit.carts set state = 'INTENDED'`],
      [
        'a decision that was not carried out',
        `insert into aftercommit.parked_steps (order_id, step, reason, decision) select order_id, 'ship:1', 'returned', 'skip'
         from aftercommit.orders limit 1`,
      ],
    ] as const
  ).map(([what, text]): [string, string, Plant] => ['INV-LIVE', what, sql(text)]),
  [
    'INV-LIVE',
    'a notification that is open and that nobody holds',
    sql(`update aftercommit.notifications set status = 'PENDING' where event_id = $1`, CONFIRMED),
  ],
  ['INV-NO-LOSS', 'an event that was never routed', sql(`update aftercommit.outbox set routed_at = null`)],
  ['INV-NO-LOSS', 'a delivery that is still open', sql(`update aftercommit.deliveries set state = 'READY'`)],
  ['INV-NO-LOSS', 'a target that was left out', sql(`delete from aftercommit.deliveries`)],
  [
    'INV-NO-LOSS',
    'an event that nobody called published',
    sql(`update aftercommit.outbox set published_at = null`),
  ],
  [
    'INV-NO-PHANTOM',
    'an event that was sent and not committed',
    (clean) => clean.sink.push(received(eventId(NOBODY, 'order.confirmed', 1))),
  ],
  ['INV-NO-PHANTOM', 'a repeat with other bytes', (clean) => clean.sink.push(received(CONFIRMED, '{ }'))],
  [
    'INV-NO-NOTIFY-ROLLBACK',
    'a message about an order that was never committed',
    (clean) =>
      clean.twilio.push({
        type: 'request',
        at: AT,
        method: 'POST',
        form: { Body: `Order #${NOBODY} confirmed.` },
      }),
  ],
  [
    'INV-NOTIFY-ONE',
    'a second message',
    (clean) =>
      clean.twilio.push({ type: 'accepted', at: AT, sid: 'SM-2', body: `Order #${FREE} confirmed.` }),
  ],
  ['INV-NOTIFY-ONE', 'no message', (clean) => clean.twilio.splice(0, 2)],
  [
    'INV-NOTIFY-ONE',
    'a call that nobody made for it',
    (clean) =>
      clean.twilio.push({
        type: 'accepted',
        at: AT,
        sid: 'CA-1',
        channel: 'voice',
        twiml: '<Response/>',
        statusCallback: `http://127.0.0.1/webhooks/twilio/status?na=${nameBasedId(CONFIRMED, 'attempt')}&t=x`,
      }),
  ],
  [
    'INV-NOTIFY-ONE',
    'nobody told, without a reason',
    sql(
      `update aftercommit.notification_attempts set state = 'REJECTED', message_sid = null where message_sid = $1`,
      `SM-${CONFIRMED}`,
    ),
  ],
  [
    'INV-NOTIFY-ACCOUNTED',
    'a message that no attempt owns',
    sql(
      `update aftercommit.notification_attempts set message_sid = null, state = 'REJECTED' where message_sid = $1`,
      `SM-${CONFIRMED}`,
    ),
  ],
  [
    'INV-NOTIFY-ACCOUNTED',
    'a sid that nobody gave',
    sql(
      `update aftercommit.notification_attempts set message_sid = 'SM-made-up' where message_sid = $1`,
      `SM-${CONFIRMED}`,
    ),
  ],
  ['INV-PAY-ONE', 'a second capture', (clean) => clean.payments.push(moved('captured', PAID, 2_000))],
  ['INV-PAY-ONE', 'more back than was taken', (clean) => clean.payments.push(moved('refunded', PAID, 1_501))],
  [
    'INV-PAY-ONE',
    'a refund that was made twice',
    (clean) => clean.payments.push(moved('refunded', PAID, 500, { refundId: REFUND })),
  ],
  [
    'INV-PAY-ONE',
    'a second payment that was kept',
    (clean) => remove(clean.payments, ({ refundId }) => refundId === undoOf(LATE)),
  ],
  [
    'INV-PAY-NET',
    'money taken for a cancelled order',
    (clean) => clean.payments.push(moved('captured', UNDONE, 1_000)),
  ],
  ['INV-PAY-NET', 'money held for a cancelled order', (clean) => clean.payments.pop()],
  [
    'INV-PAY-NET',
    'money held beside what a confirmed order was paid with',
    (clean) => clean.payments.push({ ...moved('authorized', PAID, 2_000), authorizationId: 'auth-other' }),
  ],
  ['INV-PAY-NET', 'a confirmed order that nobody paid', (clean) => clean.payments.splice(0, 3)],
  [
    'INV-PAY-NET',
    'a confirmed order whose only payment is being taken back',
    sql(`update aftercommit.payments set undone_at = now() where order_id = $1`, PAID),
  ],
  [
    'INV-PAY-NET',
    'an order that was paid with another currency',
    (clean) => clean.payments.forEach((entry) => entry['orderId'] === PAID && (entry['currency'] = 'USD')),
  ],
  [
    'INV-PAY-NET',
    'a payment status that forgets the refund',
    sql(`update aftercommit.orders set payment_status = 'PAID' where order_id = $1`, PAID),
  ],
  [
    'INV-PAY-NET',
    'money of an order that is none',
    (clean) => clean.payments.push(moved('captured', NOBODY, 1)),
  ],
  [
    'INV-FULFIL',
    'a shipment that nobody booked',
    (clean) => remove(clean.carrier, ({ orderId, type }) => orderId === SENT && type === 'booked'),
  ],
  [
    'INV-FULFIL',
    'a second booking',
    (clean) => clean.carrier.push(done('booked', SENT, 0, { shipmentId: nameBasedId(SENT, 'other') })),
  ],
  ['INV-FULFIL', 'a booking that was cancelled', (clean) => clean.carrier.push(done('cancelled', SENT))],
  [
    'INV-FULFIL',
    'a parcel for an order without an address',
    (clean) => clean.carrier.push(done('booked', FREE)),
  ],
  [
    'INV-FULFIL',
    'a delivery that the carrier knows nothing of',
    (clean) => remove(clean.carrier, ({ type }) => type === 'delivered' || type === 'shipped'),
  ],
  [
    'INV-FULFIL',
    'points that nobody awarded',
    (clean) => remove(clean.points, ({ orderId }) => orderId === PAID),
  ],
  ['INV-FULFIL', 'points twice', (clean) => clean.points.push(done('awarded', PAID, 0, { points: 20 }))],
  [
    'INV-FULFIL',
    'other points than were earned',
    (clean) => clean.points.forEach((entry) => entry['orderId'] === PAID && (entry['points'] = 21)),
  ],
  [
    'INV-FULFIL',
    'points of a paid order that were taken back',
    (clean) => clean.points.push(done('reversed', PAID, 0, { points: 20 })),
  ],
  [
    'INV-FULFIL',
    'a cart that is still full',
    (clean) => remove(clean.cart, ({ orderId }) => orderId === SENT),
  ],
  ['INV-FULFIL', 'a cart that was given back', (clean) => clean.cart.push(done('restored', SENT))],
  ['INV-FULFIL', 'points for an order that is none', (clean) => clean.points.push(done('awarded', NOBODY))],
  [
    'INV-FULFIL',
    'points before the order is paid',
    sql(`update aftercommit.orders set status = 'PENDING_PAYMENT' where order_id = $1`, PAID),
  ],
  ['INV-COMP', 'a booking that lives', (clean) => remove(clean.carrier, ({ type }) => type === 'cancelled')],
  ['INV-COMP', 'goods of an undone order that left', (clean) => clean.carrier.push(done('shipped', BACK))],
  ['INV-COMP', 'points that stayed', (clean) => remove(clean.points, ({ type }) => type === 'reversed')],
  [
    'INV-COMP',
    'points that were taken back twice',
    (clean) => clean.points.push(done('reversed', BACK, 2, { points: 10 })),
  ],
  ['INV-COMP', 'a cart that stayed empty', (clean) => remove(clean.cart, ({ type }) => type === 'restored')],
  [
    'INV-COMP',
    'an undo before the one that comes first',
    (clean) =>
      clean.carrier.forEach((entry) => entry.type === 'cancelled' && (entry.at = atOf(clean.points, 1))),
  ],
  [
    'INV-COMP',
    'an undo after the order was told to have ended',
    sql(`update aftercommit.outbox set created_at = $2 where aggregate_id = $1`, BACK, AT),
  ],
  [
    'INV-COMP',
    'points for an order that was never confirmed',
    (clean) =>
      clean.points.push(...['awarded', 'reversed'].map((type) => done(type, UNDONE, 0, { points: 1 }))),
  ],
  ...[`pay:${paymentOf(UNDONE)}`, `ship:${shipmentOf(BACK)}`, `points:${entryOf(BACK)}`, `cart:${BACK}`].map(
    (step): [string, string, Plant] => [
      'INV-COMP',
      `${step.split(':')[0]} that happened though it was fenced`,
      sql(
        `insert into aftercommit.step_receipts (order_id, step, op, state) values ($1, $2, 'do', 'fenced')`,
        step.startsWith('pay') ? UNDONE : BACK,
        step,
      ),
    ],
  ),
  [
    'INV-PII',
    'the phone number in an event',
    sql(`update aftercommit.outbox set payload = jsonb_build_object('to', $1::text)`, PHONE),
  ],
  [
    'INV-PII',
    'the phone number in a receipt',
    sql(`update aftercommit.step_receipts set answer_body = $1 where step = 'commit'`, PHONE),
  ],
  [
    'INV-PII',
    'the body of a decided request',
    sql(`update aftercommit.order_requests set body = jsonb_build_object('phone', $1::text)`, PHONE),
  ],
  [
    'INV-PII',
    'the phone number in a log',
    (clean) => clean.texts.push({ name: 'a log', text: `to=${PHONE}` }),
  ],
  ['INV-NONVACUOUS', 'too little attempted', (clean) => (clean.counts.attempted = 8)],
  ['INV-NONVACUOUS', 'too little that succeeded', (clean) => (clean.counts.succeeded = 4)],
  ['INV-NONVACUOUS', 'a fault that never struck', (clean) => (clean.counts.faults['cut'] = 0)],
];

describe('the checker', () => {
  it('finds nothing where everything is as it should be', async () => {
    expect(await check(evidence())).toEqual([]);
  });

  it('finds nothing but what an ambiguous attempt explains when a message went out twice', async () => {
    const clean = evidence();
    clean.twilio.push({ type: 'accepted', at: AT, sid: 'SM-2', body: `Order #${FREE} confirmed.` });
    await client.query(
      `update aftercommit.notification_attempts set was_ambiguous = true, state = 'REJECTED' where message_sid = $1`,
      [`SM-${CONFIRMED}`],
    );
    await client.query(
      `insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, state, message_sid, created_at)
       values (gen_random_uuid(), $1, $2, 2, 'sms', 'ACCEPTED', 'SM-2', now())`,
      [nameBasedId(CONFIRMED, 'notification'), FREE],
    );

    expect(await check(clean)).toEqual([]);
  });

  it.each(PLANTS)('finds by its name %s: %s', async (name, _what, plant) => {
    const planted = evidence();
    await plant(planted);

    const violations = await check(planted);

    expect(violations.map((violation) => violation.name)).toContain(name);
  });

  it('is tried on every invariant that it knows', () => {
    const tried = new Set(PLANTS.map(([name]) => name));

    expect(INVARIANTS.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
  });
});
