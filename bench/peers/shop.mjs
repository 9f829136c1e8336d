/** What all peers share: the front end, the commit, and the two calls to others. Each peer adds how it gets from one to the next. */
import { randomUUID } from 'node:crypto';
import { URLSearchParams } from 'node:url';
import express from 'express';
import pg from 'pg';
import { Agent, request } from 'undici';

const { DATABASE_URL, PORT, SINK_URL, TWILIO_URL } = process.env;

/** As the product has it: enough for two cores, and the same for all. */
const POOL_SIZE = 20;
/** Sockets to the sink and to the provider, each. */
const CONNECTIONS_MAX = 128;
const ACCOUNT = 'AC00000000000000000000000000000000';
const FROM = '+15005550006';

/** Planning a statement that is sent with every order costs more than running it: each has a name, so it is prepared. */
const PLACE = { name: 'place', text: 'select place_order($1) as outcome' };
const PLACE_GROUP = { name: 'place-group', text: 'select place_orders($1) as order_id' };
const RECORD = {
  name: 'record',
  text: 'update outbox set sent_at = now(), message_sid = $2 where order_id = $1',
};
const RECORD_ALL = {
  name: 'record-all',
  text: `update outbox set sent_at = now(), message_sid = one.sid
         from unnest($1::uuid[], $2::text[]) as one (order_id, sid) where outbox.order_id = one.order_id`,
};

export const pool = new pg.Pool({ connectionString: DATABASE_URL, max: POOL_SIZE });
pool.on('error', (error) => console.error('a connection was lost:', error.message));
const agent = new Agent({ connections: CONNECTIONS_MAX, pipelining: 1 });

/** The order of a request; its id is the key of the request, so that a repeat is the same order. */
export function orderOf(req) {
  const { customer, lines } = req.body;
  const [{ sku, quantity, unitPriceMinor }] = lines;
  return {
    orderId: req.get('idempotency-key') ?? randomUUID(),
    customerId: customer.id,
    phone: customer.phone,
    sku,
    quantity,
    unitPriceMinor,
    currency: req.body.currency,
  };
}

/** Order, stock and outbox row in one transaction and one round trip. @throws Error with code OS001 when the stock is out */
export async function placeOrder(order, by = pool) {
  await by.query({ ...PLACE, values: [order] });
}

/** The same for a group. Returns the set of ids that are placed. */
export async function placeOrders(orders, by = pool) {
  const { rows } = await by.query({ ...PLACE_GROUP, values: [JSON.stringify(orders)] });
  return new Set(rows.map((row) => row.order_id));
}

/** Sends the event to the sink. @throws Error when it is not taken */
export async function publish(order) {
  const { orderId, customerId, sku, quantity, unitPriceMinor, currency } = order;
  const event = {
    id: orderId,
    source: 'ecommerce.orders',
    'detail-type': 'order.confirmed',
    time: new Date().toISOString(),
    detail: { orderId, customerId, lines: [{ sku, quantity, unitPriceMinor }], currency },
  };
  const answer = await request(SINK_URL, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`the sink answers ${answer.statusCode}`);
}

/** Sends the text message and returns its sid. @throws Error when it is not accepted */
export async function notify(order) {
  const answer = await request(`${TWILIO_URL}/2010-04-01/Accounts/${ACCOUNT}/Messages.json`, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      To: order.phone,
      From: FROM,
      Body: `Order #${order.orderId} confirmed.`,
    }).toString(),
  });
  const body = await answer.body.json();
  if (answer.statusCode !== 201) throw new Error(`the provider answers ${answer.statusCode}`);
  return body.sid;
}

/** Writes down that an order is published and its message accepted. */
export async function record(orderId, sid) {
  await pool.query({ ...RECORD, values: [orderId, sid] });
}

/** The same for many, in one statement. */
export async function recordAll(results, by = pool) {
  const ids = results.map(({ orderId }) => orderId);
  const sids = results.map(({ sid }) => sid);
  await by.query({ ...RECORD_ALL, values: [ids, sids] });
}

/**
 * Serves POST /v1/orders.
 * @param place - resolves once the order is committed
 */
export async function serve(place) {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(express.json());
  app.get('/readyz', (_req, res) => void res.json({ status: 'ready' }));
  app.post('/v1/orders', async (req, res) => {
    const order = orderOf(req);
    try {
      await place(order);
      res.status(201).json({ orderId: order.orderId, status: 'CONFIRMED' });
    } catch (error) {
      if (error.code === 'OS001') res.status(409).json({ code: 'out_of_stock' });
      else {
        console.error(error);
        res.status(503).json({ code: 'unavailable' });
      }
    }
  });
  await new Promise((resolve) => app.listen(Number(PORT), '127.0.0.1', resolve));
}
