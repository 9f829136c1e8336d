import { randomUUID } from 'node:crypto';
import { paymentIdOf, shipmentIdOf } from '../../src/database/ids';
import { beginEnding, endOrder } from '../../src/database/order-endings';
import { settleOrder } from '../../src/database/order-settling';
import { announceDecline, requestPayment } from '../../src/database/payment-requests';
import { intendPayment, readPayment, recordPayment } from '../../src/database/payments';
import type { Pool } from '../../src/database/pool';
import { requestRefund, requestUndo, settleRefund } from '../../src/database/refunds';
import { recordTracking } from '../../src/database/shipments';
import { cancelledBecause, type Ending, type PaymentMode } from '../../src/domain/orders';
import { placeOne } from './place';

/** One thing that happens to an order, at a time. */
export type Event = (at: string) => Promise<void>;

/** What is drawn: a number from 0 up to below 1. */
export type Draw = () => number;

const SHIPPING = { name: 'A', line1: 'B', postalCode: '1', city: 'C', country: 'DE' };

/**
 * A random life of an order: everything that its workflow and its operators may do with it, by the functions that they use.
 * Each event is to be called once, in this order.
 */
export function randomLife(pool: Pool, name: string, draw: Draw): { mode: PaymentMode; events: Event[] } {
  const mode = pick(draw, ['none', 'charge', 'wait'] as const);
  const ships = draw() < 0.5;
  const life = new Life(pool, name, draw);
  const events: Event[] = [(at) => life.place(mode, ships, at)];
  if (mode === 'wait' && draw() < 0.5) events.push((at) => life.decline(at));
  if (mode === 'wait' && draw() < 0.3) events.push((at) => life.refundLatePayment(at));
  if (mode !== 'none' && draw() < 0.4) return { mode, events: [...events, ...life.ending(mode)] };
  if (mode !== 'none') events.push((at) => life.pay(mode, at));
  for (let n = Math.floor(draw() * 3); n > 0 && mode !== 'none'; n -= 1)
    events.push((at) => life.refundSome(at));
  if (mode === 'wait' && draw() < 0.3) events.push((at) => life.refundLatePayment(at));
  if (!ships) return { mode, events };
  if (draw() < 0.3) return { mode, events: [...events, ...life.cancelConfirmed(mode)] };
  if (draw() < 0.8) events.push((at) => life.track('SHIPPED', at));
  if (draw() < 0.7) events.push((at) => life.track('DELIVERED', at));
  if (mode !== 'none' && draw() < 0.5) events.push((at) => life.refundSome(at));
  return { mode, events };
}

function pick<T>(draw: Draw, from: readonly T[]): T {
  return from[Math.floor(draw() * from.length)]!;
}

class Life {
  orderId = '';
  paymentId = '';

  constructor(
    readonly pool: Pool,
    readonly name: string,
    readonly draw: Draw,
  ) {}

  async place(mode: PaymentMode, ships: boolean, at: string): Promise<void> {
    this.orderId = await placeOne(this.pool, this.name, mode, {
      at,
      ...(ships ? { shipping: SHIPPING } : {}),
    });
    this.paymentId = paymentIdOf(this.orderId);
    // However slow this machine is, the deadline is not over before it is meant to be.
    await this.sql(
      `update aftercommit.orders set deadline = now() + interval '1 day' where order_id = $1 and deadline is not null`,
    );
  }

  async decline(at: string): Promise<void> {
    const paymentId = await this.requested();
    await recordPayment(this.pool, await readPayment(this.pool, paymentId), {
      state: 'DECLINED',
      errorCode: 'card_declined',
    });
    await announceDecline(this.pool, { ...this.step(at), paymentId, code: 'card_declined' });
  }

  async pay(mode: PaymentMode, at: string): Promise<void> {
    if (mode === 'wait') this.paymentId = await this.requested();
    await this.capture(this.paymentId);
    const settled = await settleOrder(this.pool, { ...this.step(at), earnsPoints: true });
    if (!settled.settled) throw new Error(`not settled: ${settled.code}`);
  }

  /** Money that came for a payment that was given up. */
  async refundLatePayment(at: string): Promise<void> {
    const paymentId = randomUUID();
    await this.sql(
      `insert into aftercommit.payments (payment_id, order_id, method, amount_minor, currency, state, undone_at, captured_minor,
                                         capture_id, created_at, updated_at)
       select '${paymentId}', order_id, 'late', total_minor, currency, 'CAPTURED', now(), total_minor, 'late', created_at, now()
       from aftercommit.orders where order_id = $1`,
    );
    await this.undo(paymentId, at);
  }

  async refundSome(at: string): Promise<void> {
    const refundId = randomUUID();
    const amountMinor = 1 + Math.floor(this.draw() * 600);
    const by = { reason: null, restock: false, actor: 'test', fingerprint: refundId };
    await requestRefund(this.pool, { refundId, orderId: this.orderId, amountMinor, ...by });
    await settleRefund(this.pool, { refundId, gatewayRefundId: refundId, at });
  }

  /** Before it was confirmed: declined, cancelled or expired, with or without money to give back. */
  ending(mode: PaymentMode): Event[] {
    if (mode === 'charge' && this.draw() < 0.4) return [(at) => this.declineCharge(at)];
    const isExpiry = mode === 'wait' && this.draw() < 0.5;
    const ending: Ending = isExpiry
      ? { event: 'order.expired', status: 'EXPIRED', code: 'deadline' }
      : cancelledBecause('cancelled');
    const isPaid = !isExpiry && this.draw() < 0.5;
    const end: Event = async (at) => {
      if (isExpiry) await this.sql('update aftercommit.orders set deadline = now() where order_id = $1');
      await this.end(ending, at);
    };
    if (!isPaid) return [end];
    const takeBack: Event = async (at) => {
      if (mode === 'wait') this.paymentId = await this.requested();
      await this.capture(this.paymentId);
      await this.begin(ending, at);
      await this.undo(this.paymentId, at);
    };
    return [takeBack, end];
  }

  cancelConfirmed(mode: PaymentMode): Event[] {
    const ending = cancelledBecause('address_refused');
    const takeBack: Event = async (at) => {
      await this.begin(ending, at);
      await this.undo(this.paymentId, at);
    };
    return [...(mode === 'none' ? [] : [takeBack]), (at) => this.end(ending, at)];
  }

  async track(state: 'SHIPPED' | 'DELIVERED', at: string): Promise<void> {
    const shipmentId = shipmentIdOf(this.orderId);
    await recordTracking(this.pool, { shipmentId, state, trackingId: 'TRACK-1', at });
  }

  private async declineCharge(at: string): Promise<void> {
    await intendPayment(this.pool, { orderId: this.orderId, paymentId: this.paymentId });
    await recordPayment(this.pool, await readPayment(this.pool, this.paymentId), {
      state: 'DECLINED',
      errorCode: 'card_declined',
    });
    await this.end({ event: 'order.payment_failed', status: 'FAILED', code: 'card_declined' }, at);
  }

  private async requested(): Promise<string> {
    const paymentId = randomUUID();
    await requestPayment(this.pool, {
      paymentId,
      orderId: this.orderId,
      method: 'tok',
      fingerprint: paymentId,
    });
    return paymentId;
  }

  private async capture(paymentId: string): Promise<void> {
    await intendPayment(this.pool, { orderId: this.orderId, paymentId });
    await recordPayment(this.pool, await readPayment(this.pool, paymentId), {
      state: 'CAPTURED',
      captureId: 'cap',
    });
  }

  private async undo(paymentId: string, at: string): Promise<void> {
    const refundId = await requestUndo(this.pool, { orderId: this.orderId, paymentId });
    if (refundId !== null) await settleRefund(this.pool, { refundId, gatewayRefundId: refundId, at });
  }

  private async begin(ending: Ending, at: string): Promise<void> {
    const outcome = await beginEnding(this.pool, { ...this.step(at), ending });
    if (outcome !== 'begun') throw new Error(`not begun: ${outcome}`);
  }

  private async end(ending: Ending, at: string): Promise<void> {
    await this.begin(ending, at);
    await endOrder(this.pool, { ...this.step(at), ending });
  }

  private step(at: string): { orderId: string; epoch: number; at: string } {
    return { orderId: this.orderId, epoch: 1, at };
  }

  private async sql(text: string): Promise<void> {
    await this.pool.query(text, text.includes('$1') ? [this.orderId] : []);
  }
}
