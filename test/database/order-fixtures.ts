import { randomInt } from 'node:crypto';
import { uuidV5 } from '../../src/database/ids';
import type { PaymentReport, ShipmentReport } from '../../src/database/participant-reports';
import { requestPayment } from '../../src/database/payment-requests';
import { intendPayment, readPayment, recordPayment } from '../../src/database/payments';
import type { Pool } from '../../src/database/pool';
import { placeOne } from './place';
import { seededRandom } from './refund-fixtures';

export const ADDRESS = {
  name: 'A Person',
  line1: '1 Street',
  postalCode: '10115',
  city: 'Berlin',
  country: 'DE',
};

/** An order over 20.00 EUR that waits for its payment for a day from now on. */
export async function waitingOrder(
  pool: Pool,
  name: string,
  more: Parameters<typeof placeOne>[3] = {},
): Promise<string> {
  const orderId = await placeOne(pool, name, 'wait', { at: new Date().toISOString(), ...more });
  await pool.query(`update aftercommit.orders set deadline = now() + interval '1 day' where order_id = $1`, [
    orderId,
  ]);
  return orderId;
}

/** Its time is over. */
export async function passDeadline(pool: Pool, orderId: string): Promise<void> {
  await pool.query(`update aftercommit.orders set deadline = now() where order_id = $1`, [orderId]);
}

/** A caller asks for the order to be paid. `key` stands for its Idempotency-Key. Returns the payment's id. */
export async function requested(pool: Pool, orderId: string, key = 'key'): Promise<string> {
  const paymentId = uuidV5(orderId, key);
  await requestPayment(pool, { paymentId, orderId, method: 'tok_visa', fingerprint: key });
  return paymentId;
}

/** Takes a payment as far as captured, as its workflow does. */
export async function capture(pool: Pool, payment: { orderId: string; paymentId: string }): Promise<void> {
  await intendPayment(pool, payment);
  const known = await readPayment(pool, payment.paymentId);
  await recordPayment(pool, known, { state: 'CAPTURED', authorizationId: 'auth', captureId: 'cap' });
}

/** What the gateway tells of a payment over 20.00 EUR: that it was captured, unless told otherwise. */
export function paymentReport(
  payment: { orderId: string; paymentId: string },
  changes: Partial<PaymentReport> = {},
): PaymentReport {
  const change = changes.change ?? 'CAPTURED';
  return {
    reportId: `msg_${payment.paymentId}_${change}`,
    type: `payment.${change.toLowerCase()}`,
    at: new Date().toISOString(),
    ...payment,
    change,
    authorizationId: 'auth_gateway',
    captureId: change === 'CAPTURED' ? 'cap_gateway' : null,
    amountMinor: 2000,
    currency: 'EUR',
    code: null,
    ...changes,
  };
}

export function shipmentReport(shipmentId: string, state: ShipmentReport['state']): ShipmentReport {
  return {
    reportId: `msg_${shipmentId}_${state}`,
    type: `shipment.${state.toLowerCase()}`,
    at: new Date().toISOString(),
    shipmentId,
    trackingId: 'TRACK-1',
    state,
  };
}

/** Available, reserved and sold of an order's product: together always ten. */
export async function stockOf(
  pool: Pool,
  name: string,
): Promise<{ available: number; reserved: number; sold: number }> {
  const { rows } = await pool.query<{ available: number; reserved: number; sold: number }>(
    'select available, reserved, sold from aftercommit.inventory where sku = $1',
    [`SKU-${name}`],
  );
  return rows[0]!;
}

/** Types of an order's events, by seq; fails when seq has a gap. */
export async function eventsOf(pool: Pool, orderId: string): Promise<string[]> {
  const { rows } = await pool.query<{ type: string; seq: number }>(
    'select type, seq from aftercommit.outbox where aggregate_id = $1 order by seq',
    [orderId],
  );
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1));
  return rows.map(({ type }) => type);
}

export async function orderRow(
  pool: Pool,
  orderId: string,
): Promise<{ status: string; payment_status: string }> {
  const { rows } = await pool.query<{ status: string; payment_status: string }>(
    'select status, payment_status from aftercommit.orders where order_id = $1',
    [orderId],
  );
  return rows[0]!;
}

/** Draws that follow from a seed, which is printed: AFTERCOMMIT_TEST_SEED repeats them. */
export function printedDraws(what: string): () => number {
  const given = process.env['AFTERCOMMIT_TEST_SEED'];
  const seed = given === undefined ? randomInt(2 ** 31) : Number(given);
  process.stdout.write(`${what}: seed ${seed}\n`);
  return seededRandom(seed);
}

/** In an order that was drawn: whoever is first in the queue of a lock differs from run to run. */
export function shuffled<T>(draw: () => number, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: draw() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item);
}
