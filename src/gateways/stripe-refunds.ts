import { answerChecks } from './answer-checks';
import { pathPart, type JsonObject } from './http-exchange';
import { codeOf } from './payment-webhooks';
import type { RefundRequest, RefundResult } from './payments';
import { STRIPE, type StripeHttp } from './stripe-http';
import { NOT_REPRESENTABLE, toStripeAmount } from './stripe-money';
import { currencyOf, isFailed, ownAmount, REFUND_ID } from './stripe-objects';
import { textOf } from './webhook-reader';

const { requireSame, requireText, unclear } = answerChecks(STRIPE);

/** Gives money of a charge back. Source: docs.stripe.com/api/refunds/create. */
export async function refund(http: StripeHttp, request: RefundRequest): Promise<RefundResult> {
  const { idempotencyKey, refundId, captureId, amountMinor, currency } = request;
  const charge = await retrieveCharge(http, captureId);
  if (charge === null) return { kind: 'refused', code: 'capture_not_found' };
  if (currencyOf(charge) !== currency) return { kind: 'refused', code: 'currency_mismatch' };
  const amount = toStripeAmount(amountMinor, currency);
  if (amount === null) return { kind: 'refused', code: NOT_REPRESENTABLE };
  const answer = await http.call({
    method: 'POST',
    path: 'refunds',
    idempotencyKey,
    params: { charge: captureId, amount, metadata: { [REFUND_ID]: refundId } },
  });
  if (answer.kind === 'stored_error') return answer;
  if (answer.kind === 'refused')
    return { kind: 'refused', code: await refusalOf(http, request, answer.code) };
  const made = answer.body;
  requireSame(made, { charge: captureId, amount, currency: currency.toLowerCase() });
  if (isFailed(made)) {
    return { kind: 'refused', code: codeOf(textOf(made, 'failure_reason')) ?? 'refund_failed' };
  }
  return { kind: 'refunded', gatewayRefundId: requireText(made, 'id') };
}

/** Stripe has no code of its own for a refund that is too large, so the charge is asked how much is left. */
async function refusalOf(http: StripeHttp, request: RefundRequest, code: string): Promise<string> {
  if (code === 'charge_already_refunded') return 'refund_exceeds_captured';
  if (code !== 'invalid_request_error' && code !== 'amount_too_large') return code;
  const charge = await retrieveCharge(http, request.captureId);
  if (charge === null) return code;
  const currency = currencyOf(charge);
  const leftMinor =
    ownAmount(charge, 'amount_captured', currency) - ownAmount(charge, 'amount_refunded', currency);
  return request.amountMinor > leftMinor ? 'refund_exceeds_captured' : code;
}

async function retrieveCharge(http: StripeHttp, id: string): Promise<JsonObject | null> {
  const answer = await http.call({ method: 'GET', path: `charges/${pathPart(id)}` });
  if (answer.kind === 'done') return answer.body;
  if (answer.kind === 'refused' && answer.status === 404) return null;
  throw unclear('charge');
}
