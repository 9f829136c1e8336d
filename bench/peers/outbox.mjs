/**
 * A transactional outbox that is polled: the API commits order, stock and outbox row, a relay reads the rows that are not
 * sent. It runs as one process, or as two with ROLE=api and ROLE=relay.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { notify, placeOrder, pool, publish, recordAll, serve } from './shop.mjs';

const POLL_MS = Number(process.env.POLL_MS);
const ROLE = process.env.ROLE ?? 'both';
/** Rows of one read. */
const BATCH_ROWS = 500;
/** Sends at a time. */
const IN_FLIGHT_MAX = 64;

const READ = {
  name: 'read',
  text: `select o.payload || jsonb_build_object('phone', orders.phone) as order
         from outbox o join orders using (order_id)
         where o.sent_at is null order by o.id limit ${BATCH_ROWS} for update of o skip locked`,
};
if (ROLE !== 'relay') await serve((order) => placeOrder(order));
if (ROLE !== 'api') await relay();

/** Reads again at once while there is more, and waits when there is not. */
async function relay() {
  for (;;) {
    const read = await relayBatch().catch((error) => {
      console.error(error);
      return 0;
    });
    if (read < BATCH_ROWS) await delay(POLL_MS);
  }
}

/** The rows stay locked until they are marked, so that a second relay takes others. Returns how many were read. */
async function relayBatch() {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const { rows } = await client.query(READ);
    const sent = await sendAll(rows.map((row) => row.order));
    if (sent.length > 0) await recordAll(sent, client);
    await client.query('commit');
    return rows.length;
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}

/** What fails is read again with the next batch. */
async function sendAll(orders) {
  const sent = [];
  let next = 0;
  const lane = async () => {
    while (next < orders.length) {
      const order = orders[next++];
      try {
        await publish(order);
        sent.push({ orderId: order.orderId, sid: await notify(order) });
      } catch (error) {
        console.error(error.message);
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, lane));
  return sent;
}
