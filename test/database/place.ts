import { settleOrder } from '../../src/database/order-settling';
import { placeOrders } from '../../src/database/orders';
import { acceptRequest } from '../../src/database/requests';
import { setAvailable } from '../../src/database/inventory';
import { paymentIdOf, uuidV5 } from '../../src/database/ids';
import { intendPayment, readPayment, recordPayment } from '../../src/database/payments';
import { createPhoneHash } from '../../src/database/phone-hash';
import type { Pool } from '../../src/database/pool';
import type { OrderRequest, PaymentMode } from '../../src/domain/orders';

const NAMESPACE = '00000000-0000-4000-8000-000000000000';
export const AT = '2026-01-02T03:04:05.678Z';
export const phoneHash = createPhoneHash(Buffer.alloc(32, 7));

/** What of an order differs from the usual. */
interface PlacedOne extends Partial<Pick<OrderRequest, 'shipping' | 'cartId'>> {
  at?: string;
  channels?: string[];
  phone?: string;
  customerId?: string;
}

/** Commits an order of one line over 20.00 EUR, as its workflow would. Returns its id. */
export async function placeOne(
  pool: Pool,
  name: string,
  mode: PaymentMode = 'none',
  order: PlacedOne = {},
): Promise<string> {
  const { at = AT, channels = ['sms'], phone = '+14155550100', customerId = 'cus_1', ...more } = order;
  const orderId = uuidV5(NAMESPACE, name);
  const sku = `SKU-${name}`;
  await setAvailable(pool, { sku, available: 10, actor: 'test', reason: 'test' });
  const request = {
    customer: { id: customerId, phone, channels, country: 'US' },
    lines: [{ sku, quantity: 2, unitPriceMinor: 1000 }],
    currency: 'EUR',
    payment: mode === 'charge' ? { mode, method: 'tok_visa' } : { mode },
    ...more,
  };
  await acceptRequest(pool, { orderId, caller: 'test', fingerprint: name, body: request });
  const places = { temporalUiUrl: null, namespace: 'default' };
  await placeOrders(pool, [{ orderId, caller: 'test', request }], { at, places, phoneHash });
  return orderId;
}

/** Has a `charge` order paid and confirmed. */
export async function settleOne(pool: Pool, orderId: string): Promise<void> {
  await captureOne(pool, orderId);
  const settled = await settleOrder(pool, { orderId, epoch: 1, at: AT, earnsPoints: true });
  if (!settled.settled) throw new Error(`not settled: ${settled.code}`);
}

/** Takes the payment of an order as far as captured. */
export async function captureOne(pool: Pool, orderId: string): Promise<void> {
  const paymentId = paymentIdOf(orderId);
  await intendPayment(pool, { orderId, paymentId });
  const payment = await readPayment(pool, paymentId);
  await recordPayment(pool, payment, { state: 'CAPTURED', authorizationId: 'auth', captureId: 'cap' });
}
