/**
 * Restate: a handler commits the order as a durable step and sends the delivery on its way, whose two steps are durable
 * too. The front end calls it through Restate's ingress, under the order's id as idempotency key.
 */
import * as restate from '@restatedev/restate-sdk';
import { Agent, request } from 'undici';
import { notify, placeOrder, publish, record, serve } from './shop.mjs';

// The SDK calls what came with Node 22; the floor here is Node 20.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const { RESTATE_INGRESS_URL, RESTATE_ADMIN_URL, RESTATE_SERVICE_PORT } = process.env;
/** Callers that wait for the ingress at a time: as many as the largest closed loop has. */
const CONNECTIONS_MAX = 256;
const OUT_OF_STOCK = 409;

const delivery = restate.service({
  name: 'delivery',
  handlers: {
    deliver: async (ctx, order) => {
      await ctx.run('publish', () => publish(order));
      await ctx.run('notify', async () => record(order.orderId, await notify(order)));
    },
  },
});

const orders = restate.service({
  name: 'orders',
  handlers: {
    place: async (ctx, order) => {
      await ctx.run('commit', () => commit(order));
      ctx.serviceSendClient(delivery).deliver(order);
    },
  },
});

async function commit(order) {
  try {
    await placeOrder(order);
  } catch (error) {
    if (error.code !== 'OS001') throw error;
    throw new restate.TerminalError('out of stock', { errorCode: OUT_OF_STOCK });
  }
}

const agent = new Agent({ connections: CONNECTIONS_MAX, pipelining: 1 });

async function place(order) {
  const answer = await request(`${RESTATE_INGRESS_URL}/orders/place`, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/json', 'idempotency-key': order.orderId },
    body: JSON.stringify(order),
  });
  await answer.body.dump();
  if (answer.statusCode === OUT_OF_STOCK) throw Object.assign(new Error('out of stock'), { code: 'OS001' });
  if (answer.statusCode >= 300) throw new Error(`Restate answers ${answer.statusCode}`);
}

await restate.serve({ services: [orders, delivery], port: Number(RESTATE_SERVICE_PORT) });
const registered = await request(`${RESTATE_ADMIN_URL}/deployments`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ uri: `http://127.0.0.1:${RESTATE_SERVICE_PORT}` }),
});
if (registered.statusCode >= 300) throw new Error(`not registered: ${await registered.body.text()}`);
await registered.body.dump();
await serve(place);
