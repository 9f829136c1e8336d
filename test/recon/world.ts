import type { Pool } from '../../src/database/pool';
import type { ShipmentStatus } from '../../src/gateways/carrier';
import type { PaymentGateway } from '../../src/gateways/payments';

/** The lives of healthy orders. */
export const LIVES = [
  'confirmed',
  'paid',
  'refunded',
  'cancelled',
  'waiting',
  'under_way',
  'delivered',
] as const;
export type Life = (typeof LIVES)[number];

/** Where damage is planted: a database and the systems around it, real or simulated. */
export interface World {
  pool: Pool;
  gateway: PaymentGateway;
  /** A healthy order at rest, or with a run that waits. Returns its id. */
  order(life: Life): Promise<string>;
  /** Resolves once all that an order has told is delivered. */
  publish(orderId: string): Promise<void>;
  /** The order's run is gone, as after an operator's termination. */
  loseRun(orderId: string): Promise<void>;
  /** The order gets a new epoch while a run of the old one goes on. */
  takeOver(orderId: string): Promise<void>;
  /** A run of an order that nobody asked for. */
  strayRun(orderId: string): Promise<void>;
  /** A message of our sender that no attempt made. Returns its sid. */
  strayMessage(): Promise<string>;
  /** The carrier moves the goods and tells nobody. */
  moveSilently(orderId: string, status: ShipmentStatus): Promise<void>;
}

/** Takes money at the gateway behind the product's back. */
export async function captureAt(
  gateway: PaymentGateway,
  payment: { paymentId: string; orderId: string; amountMinor: number; key?: string },
): Promise<{ authorizationId: string; captureId: string }> {
  const { paymentId, orderId, amountMinor, key = 'planted' } = payment;
  const authorizationId = await authorizeAt(gateway, payment);
  const captured = await gateway.capture({
    idempotencyKey: `${key}:${paymentId}:capture`,
    authorizationId,
    amountMinor,
    currency: 'EUR',
  });
  if (captured.kind !== 'captured') throw new Error(`not captured for ${orderId}: ${captured.kind}`);
  return { authorizationId, captureId: captured.captureId };
}

export async function authorizeAt(
  gateway: PaymentGateway,
  payment: { paymentId: string; orderId: string; amountMinor: number; key?: string },
): Promise<string> {
  const { key = 'planted', ...asked } = payment;
  const authorized = await gateway.authorize({
    ...asked,
    idempotencyKey: `${key}:${payment.paymentId}:authorize`,
    currency: 'EUR',
    method: 'tok_visa',
  });
  if (authorized.kind !== 'authorized') throw new Error(`not authorized: ${authorized.kind}`);
  return authorized.authorizationId;
}
