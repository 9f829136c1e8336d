import { randomBytes } from 'node:crypto';
import type { Evidence, StoredEvidence } from './evidence-log';

export type LedgerStatus = 'authorized' | 'declined' | 'requires_action' | 'captured' | 'voided';

export interface LedgerRefund {
  id: string;
  refundId: string;
  amountMinor: number;
}

/** One authorization and what became of it. Amounts are in minor units of `currency`. */
export interface LedgerAuthorization {
  id: string;
  paymentId: string;
  orderId: string;
  method: string;
  status: LedgerStatus;
  amountMinor: number;
  currency: string;
  captureId: string | null;
  capturedMinor: number;
  refunds: LedgerRefund[];
}

/** An operation's outcome: the fact to be logged, or why nothing happened. */
export type LedgerOutcome =
  | { kind: 'done'; authorization: LedgerAuthorization; fact: Evidence | null; refund?: LedgerRefund }
  /** Only a decline is a fact: it leaves an authorization that can never be captured. */
  | { kind: 'refused'; status: number; code: string; authorization?: LedgerAuthorization; fact?: Evidence };

export interface Money {
  amountMinor: number;
  currency: string;
}

const DECLINE_CODES: Record<string, string> = {
  tok_declined: 'card_declined',
  tok_insufficient_funds: 'insufficient_funds',
};

/** Methods that authorize. What is special about some of them comes with a later operation, or is the server's doing. */
const KNOWN_METHODS = new Set([
  'tok_visa',
  'tok_requires_action',
  'tok_timeout_then_success',
  'tok_error',
  'tok_refund_refused',
  'tok_capture_refused',
]);

/** Facts that begin an authorization; their type is its first status. */
const CREATING_FACTS = new Set(['authorized', 'declined', 'requires_action']);

/**
 * The money rules of the fake gateway, without HTTP: captured at most once and never more than authorized, refunded
 * never more than captured, nothing captured after a void. Each change is one fact; the state is what the facts say.
 */
export class PaymentsLedger {
  readonly #authorizations = new Map<string, LedgerAuthorization>();

  constructor(facts: StoredEvidence[]) {
    for (const fact of facts) this.#apply(fact);
  }

  find(authorizationId: string): LedgerAuthorization | undefined {
    return this.#authorizations.get(authorizationId);
  }

  /** Newest first. */
  findByPayment(paymentId: string): LedgerAuthorization[] {
    return [...this.#authorizations.values()].filter((known) => known.paymentId === paymentId).reverse();
  }

  findByCapture(captureId: string): LedgerAuthorization | undefined {
    return [...this.#authorizations.values()].find((known) => known.captureId === captureId);
  }

  authorize(request: Money & { paymentId: string; orderId: string; method: string }): LedgerOutcome {
    const fallback = KNOWN_METHODS.has(request.method) ? null : 'unknown_method';
    const declineCode = DECLINE_CODES[request.method] ?? fallback;
    const granted = request.method === 'tok_requires_action' ? 'requires_action' : 'authorized';
    const status = declineCode === null ? granted : 'declined';
    const authorizationId = newId('auth');
    const fact = { type: status, authorizationId, ...request };
    const authorization = this.#record(fact);
    if (declineCode === null) return { kind: 'done', authorization, fact };
    return { kind: 'refused', status: 402, code: declineCode, authorization, fact };
  }

  capture(authorizationId: string, money: Money): LedgerOutcome {
    const authorization = this.#authorizations.get(authorizationId);
    if (!authorization) return refused(404, 'authorization_not_found');
    const refusal = captureRefusal(authorization, money);
    if (refusal) return { ...refusal, authorization };
    const fact = { type: 'captured', captureId: newId('cap'), ...idsOf(authorization), ...money };
    return { kind: 'done', authorization: this.#record(fact), fact };
  }

  void(authorizationId: string): LedgerOutcome {
    const authorization = this.#authorizations.get(authorizationId);
    if (!authorization) return refused(404, 'authorization_not_found');
    if (authorization.status === 'captured') return { ...refused(409, 'already_captured'), authorization };
    if (authorization.status === 'declined')
      return { ...refused(409, 'authorization_declined'), authorization };
    // Voiding twice is the same void: nothing changes, so there is no second fact.
    if (authorization.status === 'voided') return { kind: 'done', authorization, fact: null };
    const { amountMinor, currency } = authorization;
    const fact = { type: 'voided', ...idsOf(authorization), amountMinor, currency };
    return { kind: 'done', authorization: this.#record(fact), fact };
  }

  refund(captureId: string, request: Money & { refundId: string }): LedgerOutcome {
    const authorization = this.findByCapture(captureId);
    if (!authorization) return refused(404, 'capture_not_found');
    if (request.currency !== authorization.currency) return refused(422, 'currency_mismatch');
    if (authorization.method === 'tok_refund_refused') return refused(409, 'refund_refused');
    if (refundedMinor(authorization) + request.amountMinor > authorization.capturedMinor) {
      return refused(409, 'refund_exceeds_captured');
    }
    const gatewayRefundId = newId('re');
    const fact = { type: 'refunded', gatewayRefundId, captureId, ...idsOf(authorization), ...request };
    const changed = this.#record(fact);
    const refund = { id: gatewayRefundId, refundId: request.refundId, amountMinor: request.amountMinor };
    return { kind: 'done', authorization: changed, fact, refund };
  }

  #record(fact: Evidence): LedgerAuthorization {
    const changed = this.#apply(fact);
    if (!changed) throw new TypeError(`${fact.type} changes no authorization`);
    return changed;
  }

  /** The one place that turns a fact into state, at the time it happens and after a restart alike. */
  #apply(fact: Evidence): LedgerAuthorization | undefined {
    const id = fact['authorizationId'] as string;
    if (CREATING_FACTS.has(fact.type)) this.#authorizations.set(id, authorizationOf(id, fact));
    const authorization = this.#authorizations.get(id);
    if (!authorization) return undefined;
    if (fact.type === 'captured') {
      authorization.status = 'captured';
      authorization.captureId = fact['captureId'] as string;
      authorization.capturedMinor = fact['amountMinor'] as number;
    } else if (fact.type === 'voided') {
      authorization.status = 'voided';
    } else if (fact.type === 'refunded') {
      authorization.refunds.push({
        id: fact['gatewayRefundId'] as string,
        refundId: fact['refundId'] as string,
        amountMinor: fact['amountMinor'] as number,
      });
    }
    return authorization;
  }
}

function authorizationOf(id: string, fact: Evidence): LedgerAuthorization {
  return {
    id,
    paymentId: fact['paymentId'] as string,
    orderId: fact['orderId'] as string,
    method: fact['method'] as string,
    status: fact.type as LedgerStatus,
    amountMinor: fact['amountMinor'] as number,
    currency: fact['currency'] as string,
    captureId: null,
    capturedMinor: 0,
    refunds: [],
  };
}

function captureRefusal(authorization: LedgerAuthorization, money: Money): ReturnType<typeof refused> | null {
  if (authorization.status === 'voided') return refused(409, 'authorization_voided');
  if (authorization.status === 'captured') return refused(409, 'already_captured');
  if (authorization.status === 'declined') return refused(409, 'authorization_declined');
  if (authorization.status === 'requires_action') return refused(409, 'authorization_requires_action');
  if (money.currency !== authorization.currency) return refused(422, 'currency_mismatch');
  if (money.amountMinor > authorization.amountMinor) return refused(409, 'capture_exceeds_authorized');
  return authorization.method === 'tok_capture_refused' ? refused(409, 'capture_refused') : null;
}

function refundedMinor(authorization: LedgerAuthorization): number {
  return authorization.refunds.reduce((sum, refund) => sum + refund.amountMinor, 0);
}

function refused(status: number, code: string): Extract<LedgerOutcome, { kind: 'refused' }> {
  return { kind: 'refused', status, code };
}

function idsOf(authorization: LedgerAuthorization): {
  authorizationId: string;
  paymentId: string;
  orderId: string;
} {
  return {
    authorizationId: authorization.id,
    paymentId: authorization.paymentId,
    orderId: authorization.orderId,
  };
}

function newId(kind: 'auth' | 'cap' | 're'): string {
  return `${kind}_${randomBytes(12).toString('hex')}`;
}
