import type { PaymentStatus } from './orders';

export type PaymentState = 'INTENDED' | 'AUTHORIZED' | 'CAPTURED' | 'DECLINED' | 'VOIDED' | 'FAILED';
export type RefundState = 'PENDING' | 'DONE' | 'PARKED';

/** Keys that were burnt by stored errors before a payment is given up and undone. Source: reliability, payment rules. */
export const PAYMENT_KEYS_MAX = 3;

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
