import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { check, INVARIANTS } from './checker';
import { nameBasedId, type Evidence, type LogEntry } from './evidence';

/** Rows and logs made by hand: a confirmed order, a paid and partly refunded one, a cancelled one. */

const NAMESPACE = '11111111-1111-4111-8111-111111111111';
const PHONE = '+14155550123';
const AT = '2026-01-02T03:04:05.678Z';

const FREE = nameBasedId(NAMESPACE, 'local\nfree');
const PAID = nameBasedId(NAMESPACE, 'local\npaid');
const UNDONE = nameBasedId(NAMESPACE, 'local\nundone');
const NOBODY = nameBasedId(NAMESPACE, 'local\nnobody');
const REFUND = nameBasedId(PAID, 'refund');

const eventId = (orderId: string, type: string, seq: number): string =>
  nameBasedId(orderId, `${type}\n${seq}`);
const CONFIRMED = eventId(FREE, 'order.confirmed', 1);

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new Client({ connectionString: database.url });
  await client.connect();
  await fill();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});
// Each test changes what it likes and leaves nothing.
beforeEach(() => client.query('begin'));
afterEach(() => client.query('rollback'));

async function fill(): Promise<void> {
  await client.query(`update aftercommit.installation set namespace = $1`, [NAMESPACE]);
  await client.query(`
    insert into aftercommit.targets (name, kind, config) values ('sink', 'http', '{}');
    insert into aftercommit.rules (name, pattern, state, created_at, updated_at)
      values ('confirmed', '{"source": ["ecommerce.orders"], "detail-type": ["order.confirmed"]}', 'ENABLED', '2026-01-01', '2026-01-01');
    insert into aftercommit.rule_targets (rule_name, position, target_name) values ('confirmed', 0, 'sink');
    insert into aftercommit.inventory (sku, available, reserved, sold) values ('A', 7, 0, 3);
    insert into aftercommit.audit (actor, action, subject, detail) values ('test', 'inventory.set', 'A', '{"delta": 10}')`);
  await order(FREE, { quantity: 1, status: 'CONFIRMED', mode: 'none', paymentStatus: 'NONE' });
  await event(FREE, 'order.confirmed', 1);
  await order(PAID, {
    quantity: 2,
    status: 'CONFIRMED',
    mode: 'charge',
    paymentStatus: 'PARTIALLY_REFUNDED',
  });
  await receipt(PAID, 'settle', 'do');
  await event(PAID, 'order.placed', 1);
  await event(PAID, 'order.confirmed', 2);
  await event(PAID, 'order.refunded', 3);
  await payment(PAID, 'CAPTURED', 2_000, 500);
  await client.query(
    `insert into aftercommit.refunds (refund_id, order_id, payment_id, amount_minor, currency, actor, state, created_at, updated_at)
     select $1, order_id, payment_id, 500, 'EUR', 'test', 'DONE', now(), now() from aftercommit.payments where order_id = $2`,
    [REFUND, PAID],
  );
  await order(UNDONE, { quantity: 1, status: 'CANCELLED', mode: 'charge', paymentStatus: 'FAILED' });
  await receipt(UNDONE, 'commit', 'undo', { event: 'order.cancelled' });
  await event(UNDONE, 'order.placed', 1);
  await event(UNDONE, 'order.cancelled', 2);
  await payment(UNDONE, 'VOIDED', 0, 0);
}

async function order(
  orderId: string,
  made: { quantity: number; status: string; mode: string; paymentStatus: string },
): Promise<void> {
  await client.query(
    `insert into aftercommit.order_requests (order_id, caller, fingerprint) values ($1, 'local', 'f')`,
    [orderId],
  );
  await receipt(orderId, 'commit', 'do');
  await client.query(
    `insert into aftercommit.orders (order_id, caller, customer_id, status, payment_mode, payment_status, total_minor, currency,
                                     last_seq, workflow_id, created_at, updated_at)
     values ($1, 'local', 'cus_1', $2, $3, $4, $5, 'EUR', 0, 'order', $6, $6)`,
    [orderId, made.status, made.mode, made.paymentStatus, made.quantity * 1_000, AT],
  );
  await client.query(`insert into aftercommit.order_lines values ($1, 0, 'A', $2, 1000)`, [
    orderId,
    made.quantity,
  ]);
}

const receipt = (orderId: string, step: string, op: string, outcome: object = {}): Promise<unknown> =>
  client.query(
    `insert into aftercommit.step_receipts (order_id, step, op, state, outcome) values ($1, $2, $3, 'done', $4)`,
    [orderId, step, op, JSON.stringify(outcome)],
  );

/** An event, its delivery when the rule wants it, and its message when somebody is told. */
async function event(orderId: string, type: string, seq: number): Promise<void> {
  const id = eventId(orderId, type, seq);
  await client.query(
    `insert into aftercommit.outbox (id, aggregate_type, aggregate_id, seq, source, type, payload, created_at, routed_at,
                                     published_at, workflow_id)
     values ($1, 'order', $2, $3, 'ecommerce.orders', $4, '{}', $5, $5, $5, 'order')`,
    [id, orderId, seq, type, AT],
  );
  await client.query('update aftercommit.orders set last_seq = $2 where order_id = $1', [orderId, seq]);
  if (type === 'order.confirmed') {
    await client.query(
      `insert into aftercommit.deliveries (delivery_id, event_id, aggregate_id, seq, rule_name, target_name, state)
       values ($1, $2, $3, $4, 'confirmed', 'sink', 'DELIVERED')`,
      [nameBasedId(id, 'delivery'), id, orderId, seq],
    );
  }
  if (type === 'order.placed') return;
  await client.query(
    `with told as (
       insert into aftercommit.notifications (notification_id, event_id, order_id, customer_id, template, template_version, channels,
                                              status, expires_at, created_at, updated_at)
       values ($1, $2, $3, 'cus_1', $4, 1, '{sms}', 'DELIVERED', $5, $5, $5) returning notification_id)
     insert into aftercommit.notification_attempts (attempt_id, notification_id, order_id, n, channel, state, message_sid, created_at)
     select $6, notification_id, $3, 1, 'sms', 'ACCEPTED', $7, $5 from told`,
    [nameBasedId(id, 'notification'), id, orderId, type, AT, nameBasedId(id, 'attempt'), `SM-${id}`],
  );
}

const payment = (orderId: string, state: string, captured: number, refunded: number): Promise<unknown> =>
  client.query(
    `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, state, captured_minor, refunded_minor,
                                       created_at, updated_at)
     values ($1, $2, 'tok_visa', 2000, 'EUR', $3, $4, $5, $6, $6)`,
    [nameBasedId(orderId, 'payment'), orderId, state, captured, refunded, AT],
  );

function message(orderId: string, type: string, seq: number, text: string): LogEntry[] {
  const sid = `SM-${eventId(orderId, type, seq)}`;
  return [
    { type: 'request', at: AT, method: 'POST', form: { Body: text, To: PHONE } },
    { type: 'accepted', at: AT, sid, body: text, to: PHONE },
  ];
}

function received(id: string, body = '{}'): LogEntry {
  const headers = { 'webhook-id': id, 'x-aftercommit-delivery-id': nameBasedId(id, 'delivery') };
  return { type: 'received', at: AT, path: '/', headers, body };
}

const fact = (type: string, orderId: string, amountMinor: number): LogEntry => ({
  type,
  at: AT,
  orderId,
  authorizationId: `auth-${orderId}`,
  amountMinor,
});

function evidence(): Evidence & Required<Pick<Evidence, 'keys' | 'texts' | 'counts'>> {
  return {
    database: client,
    twilio: [
      ...message(FREE, 'order.confirmed', 1, `Order #${FREE} confirmed.`),
      ...message(PAID, 'order.confirmed', 2, `Order #${PAID} confirmed.`),
      ...message(PAID, 'order.refunded', 3, `Order #${PAID}: EUR 5.00 refunded.`),
      ...message(UNDONE, 'order.cancelled', 2, `Order #${UNDONE} cancelled.`),
    ],
    payments: [
      fact('authorized', PAID, 2_000),
      fact('captured', PAID, 2_000),
      fact('refunded', PAID, 500),
      fact('authorized', UNDONE, 2_000),
      fact('voided', UNDONE, 2_000),
    ],
    sink: [received(CONFIRMED), received(CONFIRMED), received(eventId(PAID, 'order.confirmed', 2))],
    keys: ['free', 'paid', 'undone'].map((key) => ({ caller: 'local', key })),
    canary: PHONE,
    texts: [{ name: 'a log', text: 'nothing' }],
    counts: { planned: 10, attempted: 9, succeeded: 5, faults: { cut: 1 } },
  };
}

type Plant = (clean: ReturnType<typeof evidence>) => unknown;

const sql =
  (text: string, ...values: unknown[]): Plant =>
  () =>
    client.query(text, values);

/** The lists of a stack's evidence are its own: a plant may push to them. */
const PLANTS: [name: string, what: string, plant: Plant][] = [
  ['INV-STOCK', 'a unit that nobody put in', sql(`update aftercommit.inventory set available = 8`)],
  [
    'INV-STOCK',
    'a unit sold that no order has',
    sql(`update aftercommit.inventory set available = 6, sold = 4`),
  ],
  [
    'INV-STOCK',
    'a reservation that leaked',
    sql(`update aftercommit.inventory set available = 6, reserved = 1`),
  ],
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
    'INV-TERMINAL',
    'an order that was confirmed and then cancelled',
    sql(`update aftercommit.orders set status = 'CANCELLED' where order_id = $1`, FREE),
  ],
  [
    'INV-LIVE',
    'a message that is still to be sent',
    sql(`update aftercommit.notification_attempts set state = 'SENDING'`),
  ],
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
  ['INV-PAY-ONE', 'a second capture', (clean) => clean.payments.push(fact('captured', PAID, 2_000))],
  ['INV-PAY-ONE', 'more back than was taken', (clean) => clean.payments.push(fact('refunded', PAID, 1_501))],
  [
    'INV-PAY-NET',
    'money taken for a cancelled order',
    (clean) => clean.payments.push(fact('captured', UNDONE, 2_000)),
  ],
  ['INV-PAY-NET', 'money held for a cancelled order', (clean) => clean.payments.pop()],
  ['INV-PAY-NET', 'a confirmed order that nobody paid', (clean) => clean.payments.splice(0, 3)],
  [
    'INV-PAY-NET',
    'money of an order that is none',
    (clean) => clean.payments.push(fact('captured', NOBODY, 1)),
  ],
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
