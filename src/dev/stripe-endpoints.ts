import type { Evidence } from './evidence-log';
import { jsonAnswer } from './fake-server';
import { missing, stripeError, type Answer } from './stripe-errors';
import {
  newStripeId,
  nowSeconds,
  type StripeCharge,
  type StripeIntent,
  type StripeLedger,
  type StripeMetadata,
  type StripeRefund,
} from './stripe-ledger';

/** An endpoint's answer, the facts that it made, and the PaymentIntent that the outside is told of, with the event's type. */
export interface StripeOutcome {
  answer: Answer;
  facts: Evidence[];
  told?: { type: string; intent: StripeIntent };
}

/** Test payment methods that a card issuer refuses. Source: docs.stripe.com/testing, "Declined payments". */
const DECLINES: Record<string, { code: string; decline_code: string }> = {
  pm_card_visa_chargeDeclined: { code: 'card_declined', decline_code: 'generic_decline' },
  pm_card_visa_chargeDeclinedInsufficientFunds: { code: 'card_declined', decline_code: 'insufficient_funds' },
  pm_card_chargeDeclinedExpiredCard: { code: 'expired_card', decline_code: 'expired_card' },
};
/** Source: docs.stripe.com/testing, "Authentication and setup". */
const ACTION_REQUIRED = new Set(['pm_card_authenticationRequired', 'pm_card_threeDSecure2Required']);
/** Source: docs.stripe.com/testing, "Disputes". */
const DISPUTED = 'pm_card_createDispute';
/** Not Stripe's: an authorization that has expired when it is captured. */
const EXPIRES = 'pm_fake_captureExpired';
const ACCEPTED = new Set(['pm_card_visa', 'tok_visa', DISPUTED, EXPIRES]);

export interface CreateParams {
  amount: number;
  currency: string;
  payment_method: string;
  metadata: StripeMetadata;
  return_url: string | null;
}

/** Creates and confirms. Source: docs.stripe.com/api/payment_intents/create. */
export function createIntent(ledger: StripeLedger, params: CreateParams, origin: string): StripeOutcome {
  const { amount, currency, payment_method: method, metadata } = params;
  const decline = DECLINES[method];
  const isKnown = decline !== undefined || ACTION_REQUIRED.has(method) || ACCEPTED.has(method);
  if (!isKnown) return { answer: missing('PaymentMethod', method, 'payment_method'), facts: [] };
  const id = newStripeId('pi');
  const intent: StripeIntent = {
    id,
    object: 'payment_intent',
    amount,
    amount_capturable: 0,
    amount_received: 0,
    canceled_at: null,
    capture_method: 'manual',
    client_secret: `${id}_secret_${newStripeId('evt').slice(4)}`,
    created: nowSeconds(),
    currency,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    metadata,
    next_action: null,
    payment_method: method,
    payment_method_types: ['card'],
    status: 'requires_payment_method',
  };
  if (decline !== undefined) return declined(ledger, intent, { type: 'card_error', ...decline });
  if (!ACTION_REQUIRED.has(method)) return authorized(ledger, intent);
  const url = `${origin}/_customer/${id}`;
  intent.status = 'requires_action';
  intent.next_action =
    params.return_url === null
      ? { type: 'use_stripe_sdk', use_stripe_sdk: {} }
      : { type: 'redirect_to_url', redirect_to_url: { return_url: params.return_url, url } };
  const facts = ledger.keep(intent);
  return { answer: jsonAnswer(200, intent), facts, told: { type: 'requires_action', intent } };
}

/** The customer proves who they are, or does not. */
export function actOnIntent(ledger: StripeLedger, id: string, isApproved: boolean): StripeOutcome {
  const known = ledger.intents.get(id);
  if (known?.status !== 'requires_action') return { answer: missing('action', id, 'intent'), facts: [] };
  const intent = { ...known, next_action: null };
  if (isApproved) return authorized(ledger, intent);
  const code = 'payment_intent_authentication_failure';
  return declined(ledger, intent, { type: 'invalid_request_error', code });
}

function authorized(ledger: StripeLedger, intent: StripeIntent): StripeOutcome {
  const { id, amount, currency, metadata } = intent;
  const charge: StripeCharge = {
    id: newStripeId('ch'),
    object: 'charge',
    amount,
    amount_captured: 0,
    amount_refunded: 0,
    captured: false,
    created: nowSeconds(),
    currency,
    disputed: intent.payment_method === DISPUTED,
    livemode: false,
    metadata,
    payment_intent: id,
    refunded: false,
    status: 'succeeded',
  };
  const changed = {
    ...intent,
    status: 'requires_capture',
    amount_capturable: amount,
    latest_charge: charge.id,
  };
  const facts = ledger.keep(changed, charge);
  const told = { type: 'amount_capturable_updated', intent: changed };
  return { answer: jsonAnswer(200, changed), facts, told };
}

/** Source: docs.stripe.com/declines: 402, and the PaymentIntent is there to be tried again. */
function declined(
  ledger: StripeLedger,
  intent: StripeIntent,
  error: { type: 'card_error' | 'invalid_request_error'; code: string; decline_code?: string },
): StripeOutcome {
  const changed = { ...intent, status: 'requires_payment_method', last_payment_error: error };
  const answer = stripeError(402, { ...error, payment_intent: changed });
  return { answer, facts: ledger.keep(changed), told: { type: 'payment_failed', intent: changed } };
}

/** Source: docs.stripe.com/api/payment_intents/capture. */
export function captureIntent(ledger: StripeLedger, id: string, toCapture: number | null): StripeOutcome {
  const known = ledger.intents.get(id);
  if (known === undefined) return { answer: missing('payment_intent', id, 'intent'), facts: [] };
  const charge = ledger.charges.get(known.latest_charge ?? '');
  if (known.status !== 'requires_capture' || charge === undefined) return unexpectedState(known);
  const amount = toCapture ?? known.amount_capturable;
  if (amount > known.amount_capturable) {
    const error = {
      type: 'invalid_request_error',
      code: 'amount_too_large',
      param: 'amount_to_capture',
    } as const;
    return { answer: stripeError(400, error), facts: [] };
  }
  if (known.payment_method === EXPIRES) {
    const error = { type: 'invalid_request_error', code: 'charge_expired_for_capture' } as const;
    return { answer: stripeError(400, error), facts: [] };
  }
  const intent = { ...known, status: 'succeeded', amount_capturable: 0, amount_received: amount };
  // What is not captured is given back. Source: docs.stripe.com/payments/place-a-hold-on-a-payment-method.
  const captured = { ...charge, captured: true, amount_captured: amount, amount_refunded: 0 };
  const facts = ledger.keep(intent, captured);
  return { answer: jsonAnswer(200, intent), facts, told: { type: 'succeeded', intent } };
}

/** Source: docs.stripe.com/api/payment_intents/cancel. */
export function cancelIntent(ledger: StripeLedger, id: string): StripeOutcome {
  const known = ledger.intents.get(id);
  if (known === undefined) return { answer: missing('payment_intent', id, 'intent'), facts: [] };
  if (known.status === 'canceled' || known.status === 'succeeded') return unexpectedState(known);
  const intent = {
    ...known,
    status: 'canceled',
    amount_capturable: 0,
    canceled_at: nowSeconds(),
    next_action: null,
  };
  return { answer: jsonAnswer(200, intent), facts: ledger.keep(intent), told: { type: 'canceled', intent } };
}

/** Source: docs.stripe.com/api/refunds/create, docs.stripe.com/error-codes. */
export function createRefund(
  ledger: StripeLedger,
  { charge: chargeId, amount, metadata }: { charge: string; amount: number; metadata: StripeMetadata },
): StripeOutcome {
  const charge = ledger.charges.get(chargeId);
  if (charge === undefined) return { answer: missing('charge', chargeId, 'charge'), facts: [] };
  const refusal = (code?: string): StripeOutcome => ({
    answer: stripeError(400, { type: 'invalid_request_error', ...(code === undefined ? {} : { code }) }),
    facts: [],
  });
  if (charge.disputed) return refusal('charge_disputed');
  if (charge.refunded) return refusal('charge_already_refunded');
  // Stripe gives no code here, only a message about the unrefunded amount.
  if (!charge.captured || amount > charge.amount_captured - charge.amount_refunded) return refusal();
  const refund: StripeRefund = {
    id: newStripeId('re'),
    object: 'refund',
    amount,
    charge: chargeId,
    created: nowSeconds(),
    currency: charge.currency,
    metadata,
    payment_intent: charge.payment_intent,
    reason: null,
    status: 'succeeded',
  };
  const refundedTotal = charge.amount_refunded + amount;
  const changed = {
    ...charge,
    amount_refunded: refundedTotal,
    refunded: refundedTotal === charge.amount_captured,
  };
  return { answer: jsonAnswer(200, refund), facts: ledger.keep(refund, changed) };
}

function unexpectedState(intent: StripeIntent): StripeOutcome {
  const code = 'payment_intent_unexpected_state';
  const error = { type: 'invalid_request_error', code, payment_intent: intent } as const;
  return { answer: stripeError(400, error), facts: [] };
}
