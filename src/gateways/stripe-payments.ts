import { randomUUID } from 'node:crypto';
import { GatewayMismatchError } from '../errors';
import { answerChecks } from './answer-checks';
import { pathPart } from './http-exchange';
import type {
  AuthorizeRequest,
  AuthorizeResult,
  CaptureRequest,
  CaptureResult,
  PaymentGateway,
  VoidRequest,
  VoidResult,
} from './payments';
import {
  createStripeHttp,
  STRIPE,
  type StripeHttp,
  type StripeHttpOptions,
  type StripeParams,
} from './stripe-http';
import { findIntents, listIntents, retrieveIntent } from './stripe-look-up';
import { NOT_REPRESENTABLE, toStripeAmount } from './stripe-money';
import { ORDER_ID, PAYMENT_ID, readIntent, type Intent } from './stripe-objects';
import { refund } from './stripe-refunds';

export interface StripePaymentGatewayOptions extends StripeHttpOptions {
  /** Where a customer comes back to after acting. Without it there is no `actionUrl`, and the shop's page must use Stripe.js. */
  returnUrl?: string;
  now: () => Date;
}

const { requireSame, unclear } = answerChecks(STRIPE);

/**
 * Stripe: PaymentIntents that are confirmed at once and captured later. Keeps the contract of `PaymentGateway`; an
 * authorization is a PaymentIntent, a capture is its charge.
 * Source: docs.stripe.com/api/payment_intents, /api/refunds, /api/charges, /payments/place-a-hold-on-a-payment-method.
 */
export function createStripePaymentGateway(options: StripePaymentGatewayOptions): PaymentGateway {
  const http = createStripeHttp(options);
  return {
    authorize: (request) => authorize(http, request, options.returnUrl),
    capture: (request) => capture(http, request),
    void: (request) => voidIntent(http, request),
    refund: (request) => refund(http, request),
    find: ({ paymentId }) => findIntents(http, paymentId, options.now()),
    list: (query) => listIntents(http, query),
    close: () => http.close(),
  };
}

async function authorize(
  http: StripeHttp,
  request: AuthorizeRequest,
  returnUrl: string | undefined,
): Promise<AuthorizeResult> {
  const { idempotencyKey, paymentId, orderId, amountMinor, currency, method } = request;
  const amount = toStripeAmount(amountMinor, currency);
  if (amount === null) return { kind: 'declined', code: NOT_REPRESENTABLE };
  const answer = await http.call({
    method: 'POST',
    path: 'payment_intents',
    idempotencyKey,
    params: {
      amount,
      currency: currency.toLowerCase(),
      confirm: true,
      capture_method: 'manual',
      payment_method_types: ['card'],
      metadata: { [PAYMENT_ID]: paymentId, [ORDER_ID]: orderId },
      ...methodParams(method),
      ...(returnUrl === undefined ? {} : { return_url: returnUrl }),
    },
  });
  if (answer.kind === 'stored_error') return answer;
  if (answer.kind === 'refused') return { kind: 'declined', code: answer.code };
  const created = readIntent(answer.body);
  // The stored answer never changes, so what became of one that was processing must be asked for.
  const intent = created.status === 'processing' ? await retrieveIntent(http, created.id) : created;
  if (intent === null) throw unclear('payment_intent');
  requireSame({ ...intent }, { paymentId, amountMinor, currency });
  const { id: authorizationId, status, actionUrl } = intent;
  // It may have been captured since, under the same key: then it was authorized.
  if (status === 'authorized' || status === 'captured') return { kind: 'authorized', authorizationId };
  if (status !== 'requires_action') throw unclear('status');
  return { kind: status, authorizationId, ...(actionUrl === null ? {} : { actionUrl }) };
}

/** A PaymentMethod, or a token of the older kind. Source: docs.stripe.com/api/payment_intents/create. */
function methodParams(method: string): StripeParams {
  if (!method.startsWith('tok_')) return { payment_method: method };
  return { payment_method_data: { type: 'card', card: { token: method } } };
}

async function capture(http: StripeHttp, request: CaptureRequest): Promise<CaptureResult> {
  const { idempotencyKey, authorizationId, amountMinor, currency } = request;
  const known = await retrieveIntent(http, authorizationId);
  if (known === null) return { kind: 'refused', code: 'authorization_not_found' };
  const settled = settledCapture(known, request);
  if (settled !== null) return settled;
  const amount = toStripeAmount(amountMinor, currency);
  if (amount === null) return { kind: 'refused', code: NOT_REPRESENTABLE };
  const answer = await http.call({
    method: 'POST',
    path: `payment_intents/${pathPart(authorizationId)}/capture`,
    idempotencyKey,
    params: { amount_to_capture: amount },
  });
  if (answer.kind === 'stored_error') return answer;
  if (answer.kind === 'refused') {
    // Somebody else was faster between the look and the call.
    const now = await retrieveIntent(http, authorizationId);
    return (now && settledCapture(now, request)) ?? { kind: 'refused', code: answer.code };
  }
  return capturedBy(readIntent(answer.body), request);
}

/** What a PaymentIntent says about its capture; null while it can be captured as asked. */
function settledCapture(intent: Intent, request: CaptureRequest): CaptureResult | null {
  switch (intent.status) {
    case 'voided':
      return { kind: 'refused', code: 'authorization_voided' };
    case 'declined':
      return { kind: 'refused', code: 'authorization_declined' };
    case 'requires_action':
      return { kind: 'refused', code: 'authorization_requires_action' };
    case 'processing':
      throw unclear('status');
    case 'captured':
      // It is captured at most once, so an earlier capture under another key is this capture.
      return capturedBy(intent, request);
    case 'authorized':
      break;
  }
  // Stripe captures in the currency of the PaymentIntent and is not told ours.
  if (intent.currency !== request.currency) return { kind: 'refused', code: 'currency_mismatch' };
  const isMore = request.amountMinor > intent.amountMinor;
  return isMore ? { kind: 'refused', code: 'capture_exceeds_authorized' } : null;
}

function capturedBy(
  intent: Intent,
  { authorizationId, amountMinor, currency }: CaptureRequest,
): CaptureResult {
  requireSame({ ...intent }, { id: authorizationId, receivedMinor: amountMinor, currency });
  if (intent.status !== 'captured') throw unclear('status');
  if (intent.chargeId === null) throw unclear('latest_charge');
  return { kind: 'captured', captureId: intent.chargeId };
}

async function voidIntent(http: StripeHttp, request: VoidRequest): Promise<VoidResult> {
  const { authorizationId, idempotencyKey } = request;
  // The burnt key's second chance has a key of its own: cancelling one PaymentIntent twice is one cancel.
  for (const key of [idempotencyKey, `${idempotencyKey}:${randomUUID()}`]) {
    const known = await retrieveIntent(http, authorizationId);
    if (known === null)
      throw new GatewayMismatchError('the payment gateway does not know this authorization');
    const settled = settledVoid(known);
    if (settled !== null) return settled;
    const answer = await http.call({
      method: 'POST',
      path: `payment_intents/${pathPart(authorizationId)}/cancel`,
      idempotencyKey: key,
    });
    if (answer.kind === 'stored_error') continue;
    const now =
      answer.kind === 'done' ? readIntent(answer.body) : await retrieveIntent(http, authorizationId);
    const after = now && settledVoid(now);
    if (after !== null) return after;
    if (answer.kind === 'refused' && now?.status !== 'processing') {
      throw new GatewayMismatchError(`the payment gateway refused a void (${answer.code})`);
    }
    throw unclear('status');
  }
  throw unclear('void');
}

/**
 * What a PaymentIntent says about its void; null while it can still be paid. A declined one can: its customer may try
 * another card, so it is cancelled like any other.
 */
function settledVoid(intent: Intent): VoidResult | null {
  if (intent.status === 'voided') return { kind: 'voided' };
  if (intent.status !== 'captured') return null;
  if (intent.chargeId === null) throw unclear('latest_charge');
  return { kind: 'already_captured', captureId: intent.chargeId };
}
