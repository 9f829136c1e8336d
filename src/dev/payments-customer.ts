import { z } from 'zod';
import type { LedgerFact } from '../gateways/ledger-fact';
import type { PaymentsLedger } from '../gateways/payments-ledger';
import { jsonAnswer, parseJson, type FakeRequest } from './fake-server';
import { authorizationDocument, failure, type Answer } from './payments-answers';
import { id, money } from './payments-operations';

const actBody = z.strictObject({ outcome: z.enum(['approve', 'refuse']) });

/** A payment on a page of the gateway's own, which the shop hears of by a webhook only. */
const payBody = z.strictObject({ paymentId: id, orderId: id, ...money, method: id.default('tok_visa') });

const CUSTOMER_PATH = /^\/_customer(?:\/([A-Za-z0-9_]+))?$/;

/**
 * What the customer does, who does not use the API: `POST /_customer/{authorizationId}` acts on a payment that waits for
 * it, `POST /_customer` pays.
 * @returns null for another path
 */
export function actAsCustomer(
  request: FakeRequest,
  ledger: PaymentsLedger,
): { answer: Answer; facts: LedgerFact[] } | null {
  const match = CUSTOMER_PATH.exec(request.path);
  if (match === null) return null;
  if (request.method !== 'POST') return { answer: failure(405, 'method_not_allowed'), facts: [] };
  const [, authorizationId] = match;
  const document = parseJson(request.body);
  return authorizationId === undefined ? pay(document, ledger) : act(authorizationId, document, ledger);
}

function act(
  authorizationId: string,
  document: unknown,
  ledger: PaymentsLedger,
): { answer: Answer; facts: LedgerFact[] } {
  const parsed = actBody.safeParse(document);
  if (!parsed.success) return invalid(parsed.error);
  const outcome = ledger.act(authorizationId, parsed.data.outcome === 'approve');
  if (outcome.kind === 'refused') return { answer: failure(outcome.status, outcome.code), facts: [] };
  const facts = outcome.fact === null ? [] : [outcome.fact];
  return { answer: jsonAnswer(200, authorizationDocument(outcome.authorization)), facts };
}

function pay(document: unknown, ledger: PaymentsLedger): { answer: Answer; facts: LedgerFact[] } {
  const parsed = payBody.safeParse(document);
  if (!parsed.success) return invalid(parsed.error);
  const authorized = ledger.authorize(parsed.data);
  const facts = authorized.fact ? [authorized.fact] : [];
  if (authorized.kind === 'refused') {
    return { answer: failure(authorized.status, authorized.code), facts };
  }
  const { amountMinor, currency } = parsed.data;
  const captured = ledger.capture(authorized.authorization.id, { amountMinor, currency });
  if (captured.fact) facts.push(captured.fact);
  return { answer: jsonAnswer(200, authorizationDocument(authorized.authorization)), facts };
}

function invalid(error: z.ZodError): { answer: Answer; facts: LedgerFact[] } {
  return { answer: failure(422, 'invalid_request', z.prettifyError(error)), facts: [] };
}
