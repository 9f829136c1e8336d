import { setAvailable } from '../../src/database/inventory';
import { uuidV5 } from '../../src/database/ids';
import { placeOrders } from '../../src/database/orders';
import type { Pool } from '../../src/database/pool';
import type { RefundRequest } from '../../src/database/refunds';
import { acceptRequest } from '../../src/database/requests';
import { AT, phoneHash, placeOne, settleOne } from './place';

const NAMESPACE = '00000000-0000-4000-8000-00000000000f';

/** An order of one line over 20.00 EUR, paid and confirmed. */
export async function paidOrder(pool: Pool, name: string): Promise<string> {
  const orderId = await placeOne(pool, name, 'charge');
  await settleOne(pool, orderId);
  return orderId;
}

/** An order of several lines, by SKU and price of one unit, paid and confirmed. */
export async function paidLines(pool: Pool, name: string, prices: Record<string, number>): Promise<string> {
  const orderId = uuidV5(NAMESPACE, name);
  const lines = Object.entries(prices).map(([sku, unitPriceMinor]) => ({ sku, quantity: 1, unitPriceMinor }));
  for (const { sku } of lines)
    await setAvailable(pool, { sku, available: 10, actor: 'test', reason: 'test' });
  const request = {
    customer: { id: 'cus_1', phone: '+14155550100', channels: ['sms'], country: 'US' },
    lines,
    currency: 'EUR',
    payment: { mode: 'charge' as const, method: 'tok_visa' },
  };
  await acceptRequest(pool, { orderId, caller: 'test', fingerprint: name, body: request });
  const places = { temporalUiUrl: null, namespace: 'default' };
  await placeOrders(pool, [{ orderId, caller: 'test', request }], { at: AT, places, phoneHash });
  await settleOne(pool, orderId);
  return orderId;
}

/** A second payment of an order, captured when it was no longer wanted. Returns its id. */
export async function latePayment(pool: Pool, orderId: string, amountMinor: number): Promise<string> {
  const paymentId = uuidV5(orderId, 'late');
  await pool.query(
    `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, state, undone_at, capture_id,
                                       captured_minor, created_at, updated_at)
     values ($1, $2, 'tok_visa', $3, 'EUR', 'CAPTURED', now(), 'late-capture', $3, now(), now())`,
    [paymentId, orderId, amountMinor],
  );
  return paymentId;
}

/** A caller's request; `key` stands for its Idempotency-Key. */
export function refundOf(
  orderId: string,
  key: string,
  asked: Partial<Pick<RefundRequest, 'amountMinor' | 'lines' | 'restock'>> = {},
): RefundRequest {
  return {
    refundId: uuidV5(orderId, key),
    orderId,
    amountMinor: null,
    reason: null,
    restock: false,
    actor: 'test',
    fingerprint: JSON.stringify(asked),
    ...asked,
  };
}

/** Numbers from 0 to below 1 that follow from a seed. Source: mulberry32, public domain. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
