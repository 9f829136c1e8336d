import type { Arm } from './arms/arm';
import { UNITS, type OrderRow } from './arms/books';
import type { Ask } from './rig/load';
import type { Receipts } from './rig/receivers';
import type { Place, Rig } from './rig/rig';

/** What must be zero. */
export interface Wrongs {
  /** Orders that were answered 201 and are not there, not published, not notified or not recorded. */
  lost: number;
  /** Events, messages and orders that are there once more than they should be, together. */
  duplicated: number;
  /** Units that were sold without having been taken from the shelf. */
  oversold: number;
}

/** What database and receivers say of the orders of a cell, all of them: also those of the warm-up. */
export interface Evidence {
  orders: OrderRow[];
  stock: { sku: string; available: number }[];
  receipts: Receipts;
}

export async function readEvidence(rig: Rig, place: Place, { books }: Pick<Arm, 'books'>): Promise<Evidence> {
  return {
    orders: await rig.postgres.query<OrderRow>(books.ordersSql, [], place.database),
    stock: await rig.postgres.query(books.stockSql, [], place.database),
    receipts: await rig.receivers.receipts(),
  };
}

/** What is there once more than it should be. */
export interface Duplicates {
  /** Under the same id, so that a receiver that remembers ids is not misled. */
  events: number;
  messages: number;
  /** Two requests that were answered with one order. */
  orders: number;
}

/**
 * Compares what was answered with what is there.
 * @param asks - every order that was asked for, the warm-up's too
 * @param units - of each SKU at the start
 */
export function findWrongs(asks: readonly Ask[], evidence: Evidence, units = UNITS): Wrongs {
  const { orders, receipts } = evidence;
  const recorded = new Set(orders.filter(({ sid }) => sid !== null).map((order) => order.order_id));
  const notified = new Set(receipts.messages.map(({ orderId }) => orderId));
  const accepted = new Set(acceptedIds(asks));
  // Each order has one event, so as many of them must have come as there are orders.
  const eventsMissing = Math.max(0, accepted.size - receipts.events.size);
  const unfinished = [...accepted].filter((id) => !recorded.has(id) || !notified.has(id)).length;
  const duplicates = findDuplicates(asks, evidence);
  return {
    lost: Math.max(unfinished, eventsMissing),
    duplicated: duplicates.events + duplicates.messages + duplicates.orders,
    oversold: oversoldOf(evidence, units),
  };
}

/** @param asks - as findWrongs has them */
export function findDuplicates(asks: readonly Ask[], { receipts }: Evidence): Duplicates {
  const accepted = acceptedIds(asks);
  return {
    events: excessOf(receipts.events.values()),
    messages: excessOf(countBy(receipts.messages.map(({ orderId }) => orderId)).values()),
    orders: accepted.length - new Set(accepted).size,
  };
}

function acceptedIds(asks: readonly Ask[]): string[] {
  return asks.filter(({ status }) => status === 201).map(({ orderId }) => orderId);
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function excessOf(counts: Iterable<number>): number {
  let excess = 0;
  for (const count of counts) excess += count - 1;
  return excess;
}

function oversoldOf({ orders, stock }: Evidence, units: number): number {
  const sold = new Map<string, number>();
  // An order may stand here twice, when its message was tried twice.
  const once = new Map(orders.map((order) => [order.order_id, order]));
  for (const { sku, quantity } of once.values()) sold.set(sku, (sold.get(sku) ?? 0) + quantity);
  return stock.reduce((sum, { sku, available }) => {
    const taken = units - available;
    return sum + Math.max(0, (sold.get(sku) ?? 0) - taken);
  }, 0);
}
