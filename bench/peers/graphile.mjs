/** graphile-worker: the job is added in the transaction that commits the order, and the worker in the same process hears of it. */
import { Logger, run } from 'graphile-worker';
import { notify, pool, publish, record, serve } from './shop.mjs';

/** Jobs at a time. */
const CONCURRENCY = 20;
/** One statement: order, stock, outbox row and job are committed together. */
const PLACE = {
  name: 'place-with-job',
  text: `select place_order($1), graphile_worker.add_job('deliver', $2::json)`,
};

await run({
  pgPool: pool,
  concurrency: CONCURRENCY,
  noHandleSignals: true,
  // A line for each job is no part of the work.
  logger: new Logger(() => (level, message) => {
    if (level === 'error') console.error(message);
  }),
  taskList: { deliver },
});

await serve(async (order) => {
  await pool.query({ ...PLACE, values: [order, order] });
});

async function deliver(order) {
  await publish(order);
  await record(order.orderId, await notify(order));
}
