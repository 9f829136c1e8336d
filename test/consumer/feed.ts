import { randomUUID } from 'node:crypto';
import type { EventEnvelope } from '../../src/domain/events';
import { orderEvent } from './sample-server';

/** The same numbers for the same seed, from 0 to below 1. Source: mulberry32 (Tommy Ettinger, public domain). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every event of some orders' lives, order by order and in order of seq. */
export function ordersLives(random: () => number, orders: number): EventEnvelope[] {
  return Array.from({ length: orders }, () => orderLife(random, randomUUID())).flat();
}

function orderLife(random: () => number, orderId: string): EventEnvelope[] {
  const types = ['order.placed'];
  if (random() < 0.3) types.push('order.payment_failed');
  types.push('order.confirmed');
  const refunds = Math.floor(random() * 4);
  for (let refund = 0; refund < refunds; refund += 1) types.push('order.refunded');
  if (random() < 0.5) types.push('order.cancelled');
  // An event type that the consumer has never heard of, somewhere in between.
  types.splice(1 + Math.floor(random() * types.length), 0, 'order.gift_wrapped');
  return types.map((type, index) => {
    const amount = type === 'order.refunded' ? { amountMinor: 1 + Math.floor(random() * 5_000) } : {};
    return orderEvent(type, { orderId, seq: index + 1, ...amount });
  });
}

/** Each event one to three times, in any order. */
export function duplicatedAndShuffled(random: () => number, events: EventEnvelope[]): EventEnvelope[] {
  const feed = events.flatMap((event) => Array<EventEnvelope>(1 + Math.floor(random() * 3)).fill(event));
  for (let index = feed.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    [feed[index], feed[other]] = [feed[other]!, feed[index]!];
  }
  return feed;
}
