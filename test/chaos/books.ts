import type { Client } from 'pg';
import { nameBasedId, type Evidence, type LogEntry } from './evidence';

/**
 * Rows and logs made by hand, for the checker's own tests: a free order, a paid and partly refunded one, one that was
 * cancelled before its payment; one that was paid twice, shipped and delivered; one that was confirmed and then undone.
 */

const NAMESPACE = '11111111-1111-4111-8111-111111111111';
export const PHONE = '+14155550123';
export const AT = '2026-01-02T03:04:05.678Z';

const KEYS = ['free', 'paid', 'undone', 'sent', 'back'];
const orderOf = (key: string): string => nameBasedId(NAMESPACE, `local\n${key}`);
export const FREE = orderOf('free');
export const PAID = orderOf('paid');
export const UNDONE = orderOf('undone');
export const SENT = orderOf('sent');
export const BACK = orderOf('back');
export const NOBODY = orderOf('nobody');
export const REFUND = nameBasedId(PAID, 'refund');

export const eventId = (orderId: string, type: string, seq: number): string =>
  nameBasedId(orderId, `${type}\n${seq}`);
export const CONFIRMED = eventId(FREE, 'order.confirmed', 1);
export const paymentOf = (orderId: string): string => nameBasedId(orderId, 'payment');
/** The second one of an order that was paid twice. */
export const LATE = nameBasedId(SENT, 'late');
export const shipmentOf = (orderId: string): string => nameBasedId(orderId, 'shipment');
export const entryOf = (orderId: string): string => nameBasedId(orderId, 'points');
export const undoOf = (paymentId: string): string => nameBasedId(paymentId, 'undo');

/** Milliseconds after the events. */
const after = (ms: number): string => new Date(Date.parse(AT) + ms).toISOString();

export async function fillBooks(client: Client): Promise<void> {
  const books = new Books(client);
  await client.query(`update aftercommit.installation set namespace = $1`, [NAMESPACE]);
  await client.query(`
    insert into aftercommit.targets (name, kind, config) values ('sink', 'http', '{}');
    insert into aftercommit.rules (name, pattern, state, created_at, updated_at)
      values ('confirmed', '{"source": ["ecommerce.orders"], "detail-type": ["order.confirmed"]}', 'ENABLED', '2026-01-01', '2026-01-01');
    insert into aftercommit.rule_targets (rule_name, position, target_name) values ('confirmed', 0, 'sink');
    insert into aftercommit.inventory (sku, available, reserved, sold) values ('A', 6, 0, 4);
    insert into aftercommit.audit (actor, action, subject, detail) values ('test', 'inventory.set', 'A', '{"delta": 10}')`);
  await books.order(FREE, { quantity: 1, status: 'CONFIRMED', mode: 'none', paymentStatus: 'NONE' });
  await books.events(FREE, ['order.confirmed']);
  await fillSale(client);
  await fillPaid(books);
  await books.order(UNDONE, { quantity: 1, status: 'CANCELLED', mode: 'charge', paymentStatus: 'FAILED' });
  await books.ended(UNDONE, { event: 'order.cancelled', code: 'cancelled' });
  await books.events(UNDONE, ['order.placed', 'order.cancelled']);
  await books.payment(UNDONE, { state: 'VOIDED', isUndone: true });
  await fillSent(books);
  await fillBack(books);
}

/** The free order was bought in a sale of one unit, and committed in a group of the flash lane. */
async function fillSale(client: Client): Promise<void> {
  await client.query(`
    insert into aftercommit.sales (sale_id, sku, quantity, sold, per_customer, state) values ('flash', 'A', 1, 1, 1, 'OPEN');
    insert into aftercommit.sale_customers (sale_id, customer_id, units) values ('flash', 'cus_1', 1);
    insert into aftercommit.groups (group_id, process, state) values ('${NAMESPACE}', 'test', 'ENDED')`);
  await client.query(`update aftercommit.orders set sale_id = 'flash', group_id = $2 where order_id = $1`, [
    FREE,
    NAMESPACE,
  ]);
}

async function fillPaid(books: Books): Promise<void> {
  const paymentStatus = 'PARTIALLY_REFUNDED';
  await books.order(PAID, { quantity: 2, status: 'CONFIRMED', mode: 'charge', paymentStatus });
  await books.receipt(PAID, 'settle', 'do');
  await books.events(PAID, ['order.placed', 'order.confirmed', 'order.refunded']);
  await books.payment(PAID, { state: 'CAPTURED', captured: 2_000, refunded: 500 });
  await books.refund(REFUND, paymentOf(PAID), 500);
  await books.points(PAID, 20, 'AWARDED');
}

async function fillSent(books: Books): Promise<void> {
  await books.order(SENT, {
    quantity: 1,
    status: 'COMPLETED',
    mode: 'wait',
    paymentStatus: 'PAID',
    cart: 'cart',
  });
  await books.receipt(SENT, `payment_failed:${LATE}`, 'do');
  await books.receipt(SENT, 'settle', 'do');
  await books.events(SENT, [
    ...['order.placed', 'order.payment_failed', 'order.confirmed'],
    ...['order.refunded', 'order.shipped', 'order.delivered'],
  ]);
  await books.client.query(
    `update aftercommit.outbox set payload = jsonb_build_object('paymentId', $1::text) where type = 'order.payment_failed'`,
    [LATE],
  );
  await books.payment(SENT, { state: 'CAPTURED', captured: 1_000 });
  await books.payment(SENT, {
    paymentId: LATE,
    state: 'CAPTURED',
    captured: 1_000,
    refunded: 1_000,
    isUndone: true,
  });
  await books.refund(undoOf(LATE), LATE, 1_000);
  await books.shipment(SENT, 'DELIVERED');
  await books.points(SENT, 10, 'AWARDED');
  await books.cart(SENT, 'CLEARED');
}

async function fillBack(books: Books): Promise<void> {
  const paymentStatus = 'REFUNDED';
  await books.order(BACK, { quantity: 1, status: 'CANCELLED', mode: 'charge', paymentStatus, cart: 'cart' });
  await books.receipt(BACK, 'settle', 'do');
  await books.ended(BACK, { event: 'order.cancelled', code: 'cancelled' });
  await books.events(BACK, ['order.placed', 'order.confirmed', 'order.refunded', 'order.cancelled']);
  await books.client.query(
    `update aftercommit.outbox set created_at = $2 where aggregate_id = $1 and type = 'order.cancelled'`,
    [BACK, after(10)],
  );
  await books.payment(BACK, { state: 'CAPTURED', captured: 1_000, refunded: 1_000, isUndone: true });
  await books.refund(undoOf(paymentOf(BACK)), paymentOf(BACK), 1_000);
  await books.shipment(BACK, 'CANCELLED');
  await books.points(BACK, 10, 'REVERSED');
  await books.cart(BACK, 'RESTORED');
}

/** Writes single rows. */
class Books {
  constructor(readonly client: Client) {}

  async order(
    orderId: string,
    made: { quantity: number; status: string; mode: string; paymentStatus: string; cart?: string },
  ): Promise<void> {
    await this.client.query(
      `insert into aftercommit.order_requests (order_id, caller, fingerprint) values ($1, 'local', 'f')`,
      [orderId],
    );
    await this.receipt(orderId, 'commit', 'do');
    await this.client.query(
      `insert into aftercommit.orders (order_id, caller, customer_id, status, payment_mode, payment_status, total_minor, currency,
                                       cart_id, last_seq, workflow_id, created_at, updated_at)
       values ($1, 'local', 'cus_1', $2, $3, $4, $5, 'EUR', $7, 0, 'order', $6, $6)`,
      [orderId, made.status, made.mode, made.paymentStatus, made.quantity * 1_000, AT, made.cart ?? null],
    );
    await this.client.query(`insert into aftercommit.order_lines values ($1, 0, 'A', $2, 1000)`, [
      orderId,
      made.quantity,
    ]);
  }

  async receipt(orderId: string, step: string, op: string, outcome: object = {}): Promise<void> {
    await this.client.query(
      `insert into aftercommit.step_receipts (order_id, step, op, state, outcome) values ($1, $2, $3, 'done', $4)`,
      [orderId, step, op, JSON.stringify(outcome)],
    );
  }

  async ended(orderId: string, ending: { event: string; code: string }): Promise<void> {
    await this.receipt(orderId, 'commit', 'undo', ending);
    await this.client.query('update aftercommit.orders set ending = $2 where order_id = $1', [
      orderId,
      JSON.stringify(ending),
    ]);
  }

  async events(orderId: string, types: readonly string[]): Promise<void> {
    for (const [at, type] of types.entries()) await this.#event(orderId, type, at + 1);
  }

  /** An event, its delivery when the rule wants it, and its message when somebody is told. */
  async #event(orderId: string, type: string, seq: number): Promise<void> {
    const { client } = this;
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

  async payment(
    orderId: string,
    made: { paymentId?: string; state: string; captured?: number; refunded?: number; isUndone?: boolean },
  ): Promise<void> {
    const { paymentId = paymentOf(orderId), state, captured = 0, refunded = 0, isUndone = false } = made;
    await this.client.query(
      `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, state, captured_minor, refunded_minor,
                                         undone_at, created_at, updated_at)
       select $1, o.order_id, 'tok_visa', o.total_minor, 'EUR', $3, $4, $5, $6, $7, $7 from aftercommit.orders o where o.order_id = $2`,
      [paymentId, orderId, state, captured, refunded, isUndone ? AT : null, AT],
    );
  }

  async refund(refundId: string, paymentId: string, amountMinor: number): Promise<void> {
    await this.client.query(
      `insert into aftercommit.refunds (refund_id, order_id, payment_id, amount_minor, currency, actor, state, created_at, updated_at)
       select $1, order_id, payment_id, $3, 'EUR', 'test', 'DONE', now(), now() from aftercommit.payments where payment_id = $2`,
      [refundId, paymentId, amountMinor],
    );
  }

  async shipment(orderId: string, state: string): Promise<void> {
    await this.client.query(
      `insert into aftercommit.shipments (shipment_id, order_id, state, created_at, updated_at) values ($1, $2, $3, $4, $4)`,
      [shipmentOf(orderId), orderId, state, AT],
    );
  }

  async points(orderId: string, points: number, state: string): Promise<void> {
    await this.client.query(
      `insert into aftercommit.points (entry_id, order_id, customer_id, points, state, created_at, updated_at)
       values ($1, $2, 'cus_1', $3, $4, $5, $5)`,
      [entryOf(orderId), orderId, points, state, AT],
    );
  }

  async cart(orderId: string, state: string): Promise<void> {
    await this.client.query(
      `insert into aftercommit.carts (order_id, cart_id, state, created_at, updated_at) values ($1, 'cart', $2, $3, $3)`,
      [orderId, state, AT],
    );
  }
}

function message(orderId: string, type: string, seq: number, text: string): LogEntry[] {
  const sid = `SM-${eventId(orderId, type, seq)}`;
  return [
    { type: 'request', at: AT, method: 'POST', form: { Body: text, To: PHONE } },
    { type: 'accepted', at: AT, sid, body: text, to: PHONE },
  ];
}

export function received(id: string, body = '{}'): LogEntry {
  const headers = { 'webhook-id': id, 'x-aftercommit-delivery-id': nameBasedId(id, 'delivery') };
  return { type: 'received', at: AT, path: '/', headers, body };
}

/** A fact of the gateway. */
export function moved(
  type: string,
  orderId: string,
  amountMinor: number,
  more: { paymentId?: string; refundId?: string } = {},
): LogEntry {
  const paymentId = more.paymentId ?? paymentOf(orderId);
  const authorizationId = `auth-${paymentId}`;
  return { type, at: after(4), orderId, authorizationId, amountMinor, currency: 'EUR', ...more, paymentId };
}

/** A fact of the carrier, the points ledger or the cart. @param ms - after the events */
export const done = (type: string, orderId: string, ms = 0, more: object = {}): LogEntry => ({
  type,
  at: after(ms),
  orderId,
  shipmentId: shipmentOf(orderId),
  entryId: entryOf(orderId),
  ...more,
});

export type CheckedEvidence = Evidence & Required<Pick<Evidence, 'keys' | 'texts' | 'counts'>>;

/** What belongs to the books. The lists are its own: a test may change them. */
export function evidenceOf(client: Client): CheckedEvidence {
  return {
    database: client,
    twilio: [
      ...message(FREE, 'order.confirmed', 1, `Order #${FREE} confirmed.`),
      ...message(PAID, 'order.confirmed', 2, `Order #${PAID} confirmed.`),
      ...message(PAID, 'order.refunded', 3, `Order #${PAID}: EUR 5.00 refunded.`),
      ...message(UNDONE, 'order.cancelled', 2, `Order #${UNDONE} cancelled.`),
      ...message(
        SENT,
        'order.payment_failed',
        2,
        `Payment for order #${SENT} failed. Anything taken goes back to you.`,
      ),
      ...message(SENT, 'order.confirmed', 3, `Order #${SENT} confirmed.`),
      ...message(SENT, 'order.refunded', 4, `Order #${SENT}: EUR 10.00 refunded.`),
      ...message(SENT, 'order.shipped', 5, `Order #${SENT} shipped.`),
      ...message(SENT, 'order.delivered', 6, `Order #${SENT} delivered.`),
      ...message(BACK, 'order.confirmed', 2, `Order #${BACK} confirmed.`),
      ...message(BACK, 'order.refunded', 3, `Order #${BACK}: EUR 10.00 refunded.`),
      ...message(BACK, 'order.cancelled', 4, `Order #${BACK} cancelled.`),
    ],
    payments: [
      moved('authorized', PAID, 2_000),
      moved('captured', PAID, 2_000),
      moved('refunded', PAID, 500, { refundId: REFUND }),
      moved('authorized', SENT, 1_000),
      moved('captured', SENT, 1_000),
      moved('authorized', SENT, 1_000, { paymentId: LATE }),
      moved('captured', SENT, 1_000, { paymentId: LATE }),
      moved('refunded', SENT, 1_000, { paymentId: LATE, refundId: undoOf(LATE) }),
      moved('authorized', BACK, 1_000),
      moved('captured', BACK, 1_000),
      moved('refunded', BACK, 1_000, { refundId: undoOf(paymentOf(BACK)) }),
      moved('authorized', UNDONE, 1_000),
      moved('voided', UNDONE, 1_000),
    ],
    carrier: [
      ...['booked', 'shipped', 'delivered'].map((type) => done(type, SENT)),
      done('booked', BACK),
      done('cancelled', BACK, 1),
    ],
    points: [
      done('awarded', PAID, 0, { points: 20 }),
      done('awarded', SENT, 0, { points: 10 }),
      done('awarded', BACK, 0, { points: 10 }),
      done('reversed', BACK, 2, { points: 10 }),
    ],
    cart: [done('cleared', SENT), done('cleared', BACK), done('restored', BACK, 3)],
    sink: [
      received(CONFIRMED),
      received(CONFIRMED),
      received(eventId(PAID, 'order.confirmed', 2)),
      received(eventId(SENT, 'order.confirmed', 3)),
      received(eventId(BACK, 'order.confirmed', 2)),
    ],
    keys: KEYS.map((key) => ({ caller: 'local', key })),
    canary: PHONE,
    texts: [{ name: 'a log', text: 'nothing' }],
    counts: { planned: 10, attempted: 9, succeeded: 5, faults: { cut: 1 } },
  };
}
