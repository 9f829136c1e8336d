import type { PaymentStatus } from './orders';

export type PaymentState =
  'INTENDED' | 'REQUIRES_ACTION' | 'AUTHORIZED' | 'CAPTURED' | 'DECLINED' | 'VOIDED' | 'FAILED';
/** FAILED: an operator gave it up, and its amount may be refunded again. */
export type RefundState = 'PENDING' | 'DONE' | 'PARKED' | 'FAILED';

/** Keys that were burnt by stored errors before a payment is given up and undone. Source: reliability, payment rules. */
export const PAYMENT_KEYS_MAX = 3;

/** A key is never sent again after this; the gateway may have forgotten it. Milliseconds. Source: reliability, payment rules: 20 h. */
const KEY_AGE_MS_MAX = 20 * 60 * 60 * 1_000;

/** True when what a key did must be looked up before a new key is used. @param keyAt - RFC 3339 */
export function isKeyTooOld(keyAt: string, now: Date): boolean {
  return now.getTime() - Date.parse(keyAt) > KEY_AGE_MS_MAX;
}

export type PaymentCall = 'authorize' | 'capture' | 'void';

/**
 * The gateway's idempotency key of one call for a payment. The number rises only after a definite failure, so a repeat
 * of an unknown call always carries the same key. Source: reliability, payment rules: `pay:{paymentId}:{n}`.
 */
export function paymentKey(paymentId: string, keyNumber: number, call: PaymentCall): string {
  return `pay:${paymentId}:${keyNumber}:${call}`;
}

/** Source: reliability, payment rules: `refund:{refundId}:{n}`. */
export function refundKey(refundId: string, keyNumber: number): string {
  return `refund:${refundId}:${keyNumber}`;
}

/** What an order's payment status is once `refundedMinor` of `capturedMinor` went back. Both in minor units. */
export function statusAfterRefund(capturedMinor: number, refundedMinor: number): PaymentStatus {
  if (refundedMinor <= 0) return 'PAID';
  return refundedMinor >= capturedMinor ? 'REFUNDED' : 'PARTIALLY_REFUNDED';
}
