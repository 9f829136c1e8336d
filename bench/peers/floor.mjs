/**
 * The floor: commits, answers, and delivers from memory. A crash loses what was not delivered yet, so it is no
 * alternative; it says what the work itself costs on this machine.
 */
import { notify, placeOrder, publish, record, serve } from './shop.mjs';

await serve(async (order) => {
  await placeOrder(order);
  deliver(order).catch((error) => console.error(error));
});

async function deliver(order) {
  await publish(order);
  await record(order.orderId, await notify(order));
}
