import { notify, placeOrder, publish, record } from './shop.mjs';

export async function commitOrder(order) {
  await placeOrder(order);
}

export async function publishEvent(order) {
  await publish(order);
}

export async function notifyCustomer(order) {
  await record(order.orderId, await notify(order));
}
