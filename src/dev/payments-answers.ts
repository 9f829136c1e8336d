import type { LedgerAuthorization, LedgerOutcome } from '../gateways/payments-ledger';
import type { LedgerFact } from '../gateways/ledger-fact';
import { jsonAnswer, type FakeAnswer } from './fake-server';
import type { PaymentFault } from './payments-control';
import type { Operation } from './payments-operations';
import type { WebhookEvent } from './signed-webhooks';

export type Answer = Extract<FakeAnswer, { kind: 'answer' }>;

/** @param origin - of the fake, for the page where the customer acts */
export function answerTo(operation: Operation, outcome: LedgerOutcome, origin: string): Answer {
  if (outcome.kind === 'refused') {
    const { authorization } = outcome;
    const about = authorization ? { authorization: authorizationDocument(authorization) } : {};
    return jsonAnswer(outcome.status, { error: { code: outcome.code, message: outcome.code, ...about } });
  }
  const { authorization, refund } = outcome;
  const { currency } = authorization;
  if (refund) {
    const { id, refundId, amountMinor } = refund;
    const captureId = authorization.captureId;
    return jsonAnswer(200, { id, refundId, captureId, status: 'refunded', amountMinor, currency });
  }
  if (operation.name === 'authorize') {
    const waits = authorization.status === 'requires_action';
    const action = waits ? { actionUrl: `${origin}/_customer/${authorization.id}` } : {};
    return jsonAnswer(200, { ...authorizationDocument(authorization), ...action });
  }
  if (operation.name === 'void') return jsonAnswer(200, authorizationDocument(authorization));
  const amountMinor = authorization.capturedMinor;
  const authorizationId = authorization.id;
  return jsonAnswer(200, {
    id: authorization.captureId,
    authorizationId,
    status: 'captured',
    amountMinor,
    currency,
  });
}

/** The authorization as the API shows it: everything but the method. */
export function authorizationDocument({
  method: _method,
  ...shown
}: LedgerAuthorization): Record<string, unknown> {
  return { ...shown, refunds: shown.refunds.map((refund) => ({ ...refund, currency: shown.currency })) };
}

export function failure(status: number, code: string, message = code): Answer {
  return jsonAnswer(status, { error: { code, message } });
}

/** The answer of a fault that strikes before anything is done; null for the others. */
export function answerBefore(fault: PaymentFault): FakeAnswer | null {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  const { retryAfterSeconds } = fault;
  const headers: Record<string, string> =
    retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  if (fault.action === '429') return { ...failure(429, 'rate_limited'), headers, ...delay };
  if (fault.action === '500_before') return { ...failure(500, 'api_error'), ...delay };
  return fault.action === 'cut_before' ? { kind: 'cut', ...delay } : null;
}

/** What becomes of a good answer under a fault that strikes after everything is done. */
export function spoil(fault: PaymentFault, answer: Answer): FakeAnswer {
  const delay = fault.delayMs === undefined ? {} : { delayMs: fault.delayMs };
  switch (fault.action) {
    case '500_after':
      return { ...failure(500, 'api_error'), ...delay };
    // A late look-up, or repeat, changes nothing that could still happen.
    case 'timeout_after':
    case 'late':
      return { kind: 'silence' };
    case 'cut_after':
      return { kind: 'cut', ...delay };
    case 'amount_mismatch':
      return { ...answer, body: oneMore(answer.body), ...delay };
    default:
      throw new TypeError(`${fault.action} strikes before`);
  }
}

export function oneMore(body: unknown): unknown {
  const document = body as { amountMinor?: number };
  return document.amountMinor === undefined ? body : { ...document, amountMinor: document.amountMinor + 1 };
}

/** Types by which the outside is told of facts. */
const EVENT_TYPES: Record<string, string> = {
  authorized: 'payment.authorized',
  action_completed: 'payment.authorized',
  declined: 'payment.declined',
  action_refused: 'payment.declined',
  captured: 'payment.captured',
  voided: 'payment.voided',
  refunded: 'payment.refunded',
};

/** The webhook that tells of a fact; null for one that nobody is told of. */
export function webhookOf({ type, ...fact }: LedgerFact): WebhookEvent | null {
  const event = EVENT_TYPES[type];
  if (event === undefined) return null;
  const { paymentId, orderId, authorizationId, captureId, refundId, amountMinor, currency, code } = fact;
  const data = { paymentId, orderId, authorizationId, captureId, refundId, amountMinor, currency, code };
  return { type: event, data };
}
