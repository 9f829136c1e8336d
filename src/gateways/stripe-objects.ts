import { answerChecks } from './answer-checks';
import { isObject, type JsonObject } from './http-exchange';
import type { Authorization, FoundRefund } from './payments';
import { STRIPE } from './stripe-http';
import { fromStripeAmount } from './stripe-money';
import { textOf } from './webhook-reader';

const { requireText, requireWhole, unclear } = answerChecks(STRIPE);

/** Our ids on Stripe's objects. Source: docs.stripe.com/metadata. */
export const PAYMENT_ID = 'payment_id';
export const ORDER_ID = 'order_id';
export const REFUND_ID = 'refund_id';

/** The end of the year 9999: what is later is no time. */
const SECONDS_MAX = 253_402_300_799;

/** What is read of a PaymentIntent. Amounts are in our minor units. */
export interface Intent {
  id: string;
  status: Authorization['status'] | 'processing';
  amountMinor: number;
  /** Captured; 0 before. */
  receivedMinor: number;
  currency: string;
  /** Null for one that another integration made. */
  paymentId: string | null;
  orderId: string | null;
  /** Of the last attempt to pay; a capture of it is the capture. */
  chargeId: string | null;
  /** Where the customer acts. */
  actionUrl: string | null;
  /** RFC 3339. */
  createdAt: string;
  /** What is known of them; null when the charge was not expanded, or has more than it shows. */
  refunds: FoundRefund[] | null;
}

/** Source: docs.stripe.com/payments/paymentintents/lifecycle. */
const STATUSES: Record<string, Intent['status']> = {
  requires_payment_method: 'declined',
  requires_confirmation: 'requires_action',
  requires_action: 'requires_action',
  processing: 'processing',
  requires_capture: 'authorized',
  succeeded: 'captured',
  canceled: 'voided',
};

/** @throws GatewayUnavailableError when it is not one that can be understood */
export function readIntent(document: unknown): Intent {
  if (!isObject(document) || document['object'] !== 'payment_intent') throw unclear('object');
  const status = STATUSES[requireText(document, 'status')];
  if (status === undefined) throw unclear('status');
  const currency = currencyOf(document);
  const metadata = isObject(document['metadata']) ? document['metadata'] : {};
  const charge = document['latest_charge'];
  return {
    id: requireText(document, 'id'),
    status,
    amountMinor: ownAmount(document, 'amount', currency),
    receivedMinor: ownAmount(document, 'amount_received', currency),
    currency,
    paymentId: textOf(metadata, PAYMENT_ID),
    orderId: textOf(metadata, ORDER_ID),
    chargeId: isObject(charge) ? requireText(charge, 'id') : typeof charge === 'string' ? charge : null,
    actionUrl: actionUrlOf(document),
    createdAt: timeOfSeconds(requireWhole(document, 'created')),
    refunds: isObject(charge) ? refundsOf(charge['refunds']) : null,
  };
}

/** The currency as we write it. */
export function currencyOf(document: JsonObject): string {
  const currency = requireText(document, 'currency').toUpperCase();
  if (!/^[A-Z]{3}$/.test(currency)) throw unclear('currency');
  return currency;
}

/** @param seconds - since 1970 */
export function timeOfSeconds(seconds: number): string {
  if (seconds < 0 || seconds > SECONDS_MAX) throw unclear('created');
  return new Date(seconds * 1_000).toISOString();
}

export function ownAmount(document: JsonObject, member: string, currency: string): number {
  const amountMinor = fromStripeAmount(requireWhole(document, member), currency);
  if (amountMinor === null) throw unclear(member);
  return amountMinor;
}

/**
 * The refunds of one page that gave money back, or are going to.
 * @returns null when there are more than the page holds
 */
export function refundsOf(list: unknown): FoundRefund[] | null {
  if (!isObject(list) || !Array.isArray(list['data']) || list['has_more'] !== false) return null;
  // Newest first at Stripe; the first one given is the first one told.
  return list['data'].flatMap(readRefund).reverse();
}

/** @returns nothing for a refund that failed, or that another integration made */
export function readRefund(document: unknown): FoundRefund[] {
  if (!isObject(document)) throw unclear('refunds');
  const metadata = isObject(document['metadata']) ? document['metadata'] : {};
  const refundId = textOf(metadata, REFUND_ID);
  if (refundId === null || isFailed(document)) return [];
  const amountMinor = ownAmount(document, 'amount', currencyOf(document));
  return [{ refundId, gatewayRefundId: requireText(document, 'id'), amountMinor }];
}

/** Source: docs.stripe.com/api/refunds/object, `status`. A pending one is on its way. */
export function isFailed(refund: JsonObject): boolean {
  return refund['status'] === 'failed' || refund['status'] === 'canceled';
}

function actionUrlOf(document: JsonObject): string | null {
  const action = document['next_action'];
  const redirect = isObject(action) ? action['redirect_to_url'] : null;
  return isObject(redirect) ? textOf(redirect, 'url') : null;
}
