import { randomUUID } from 'node:crypto';
import { recordStep } from '../../src/database/fulfilment';
import { paymentIdOf, shipmentIdOf } from '../../src/database/ids';
import { beginEnding, endOrder } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { intendPayment, readPayment, recordPayment } from '../../src/database/payments';
import type { Pool } from '../../src/database/pool';
import { requestRefund, requestUndo, settleRefund } from '../../src/database/refunds';
import { routeEvents } from '../../src/database/routing';
import { recordTracking } from '../../src/database/shipments';
import { cancelledBecause } from '../../src/domain/orders';
import type { Carrier, ShipmentStatus } from '../../src/gateways/carrier';
import type { PaymentGateway } from '../../src/gateways/payments';
import { claimOf, delivered, record } from '../database/bus-fixtures';
import { placeOne } from '../database/place';
import { captureAt, type Life } from './world';

const SHIPPING = { name: 'A', line1: 'B', postalCode: '1', city: 'C', country: 'DE' };
const WEEK_MS = 7 * 24 * 60 * 60 * 1_000;

/** Healthy lives, by the functions that the activities use. */
export class Lives {
  constructor(
    readonly pool: Pool,
    readonly gateway: PaymentGateway,
    readonly carrier: Carrier,
    /** What the carrier does by itself. */
    readonly track: (shipmentId: string, status: ShipmentStatus) => Promise<void>,
  ) {}

  async live(life: Life): Promise<string> {
    const orderId = await this.#begin(life);
    await publish(this.pool, orderId);
    return orderId;
  }

  async #begin(life: Life): Promise<string> {
    const name = randomUUID();
    const at = new Date().toISOString();
    const place = (mode: 'none' | 'charge' | 'wait', ships = false): Promise<string> =>
      placeOne(this.pool, name, mode, { at, channels: [], ...(ships ? { shipping: SHIPPING } : {}) });
    switch (life) {
      case 'confirmed':
        return place('none');
      case 'waiting': {
        const orderId = await place('wait');
        const deadline = new Date(Date.now() + WEEK_MS);
        await this.pool.query('update aftercommit.orders set deadline = $2 where order_id = $1', [
          orderId,
          deadline,
        ]);
        return orderId;
      }
      case 'paid':
        return this.#paid(await place('charge'));
      case 'refunded':
        return this.#refunded(await this.#paid(await place('charge')));
      case 'cancelled':
        return this.#cancelled(await place('charge'));
      case 'under_way':
        return this.#booked(await place('none', true));
      case 'delivered':
        return this.#delivered(await this.#booked(await place('none', true)));
    }
  }

  async #capture(orderId: string): Promise<void> {
    const paymentId = paymentIdOf(orderId);
    await intendPayment(this.pool, { orderId, paymentId });
    const payment = await readPayment(this.pool, paymentId);
    const { amountMinor } = payment;
    const captured = await captureAt(this.gateway, { paymentId, orderId, amountMinor, key: 'pay' });
    await recordPayment(this.pool, payment, { state: 'CAPTURED', ...captured });
  }

  async #paid(orderId: string): Promise<string> {
    await this.#capture(orderId);
    const step = { orderId, epoch: 1, at: new Date().toISOString(), earnsPoints: true };
    if (!(await settleOrder(this.pool, step)).settled) throw new Error('not settled');
    await recordStep(this.pool, 'points', orderId, { kind: 'done' });
    return orderId;
  }

  async #refunded(orderId: string): Promise<string> {
    const refundId = randomUUID();
    const asked = { amountMinor: 300, reason: null, restock: false, actor: 'test', fingerprint: refundId };
    await requestRefund(this.pool, { ...asked, refundId, orderId });
    await this.#refund(orderId, refundId, 300);
    return orderId;
  }

  async #refund(orderId: string, refundId: string, amountMinor: number): Promise<void> {
    const { captureId, currency } = await readPayment(this.pool, paymentIdOf(orderId));
    const asked = { refundId, captureId: captureId!, amountMinor, currency };
    const made = await this.gateway.refund({ ...asked, idempotencyKey: `refund:${refundId}:1` });
    if (made.kind !== 'refunded') throw new Error('not refunded');
    const { gatewayRefundId } = made;
    await settleRefund(this.pool, { refundId, gatewayRefundId, at: new Date().toISOString() });
  }

  async #cancelled(orderId: string): Promise<string> {
    await this.#capture(orderId);
    const step = {
      orderId,
      epoch: 1,
      at: new Date().toISOString(),
      ending: cancelledBecause('cancelled'),
    };
    await beginEnding(this.pool, step);
    const refundId = await requestUndo(this.pool, { orderId, paymentId: paymentIdOf(orderId) });
    await this.#refund(orderId, refundId!, (await readPayment(this.pool, paymentIdOf(orderId))).amountMinor);
    await endOrder(this.pool, step);
    return orderId;
  }

  async #booked(orderId: string): Promise<string> {
    const shipmentId = shipmentIdOf(orderId);
    const lines = [{ sku: 'any', quantity: 1 }];
    const booked = await this.carrier.book({ shipmentId, orderId, address: SHIPPING, lines });
    if (booked.kind !== 'booked') throw new Error('not booked');
    await recordStep(this.pool, 'shipment', orderId, { kind: 'done', tracking: booked.trackingId });
    return orderId;
  }

  async #delivered(orderId: string): Promise<string> {
    const shipmentId = shipmentIdOf(orderId);
    const { trackingId } = (await this.carrier.find({ shipmentId }))!;
    for (const [status, state] of [
      ['shipped', 'SHIPPED'],
      ['delivered', 'DELIVERED'],
    ] as const) {
      await this.track(shipmentId, status);
      await recordTracking(this.pool, { shipmentId, state, trackingId, at: new Date().toISOString() });
    }
    return orderId;
  }
}

/** Routes what an order has told, and notes that everybody got it. */
export async function publish(pool: Pool, orderId: string): Promise<void> {
  const route = () => [{ ruleName: 'all', targetName: 'all', transformer: null }];
  await routeEvents(pool, { aggregateIds: [orderId], at: new Date().toISOString() }, route);
  for (;;) {
    const claimed = await claimOf(pool, orderId);
    if (claimed.length === 0) return;
    for (const delivery of claimed) await record(pool, delivery, delivered);
  }
}
