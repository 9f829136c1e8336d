import { randomBytes } from 'node:crypto';
import type { LedgerFact } from './ledger-fact';

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
  /** RFC 3339. */
  createdAt: string;
}

/** An operation's outcome: the fact to be logged, or why nothing happened. */
export type LedgerOutcome =
  | { kind: 'done'; authorization: LedgerAuthorization; fact: LedgerFact | null; refund?: LedgerRefund }
  /** Only a decline is a fact: it leaves an authorization that can never be captured. */
  | { kind: 'refused'; status: number; code: string; authorization?: LedgerAuthorization; fact?: LedgerFact };

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

/** What a customer who did not prove who they are is told. */
const NOT_AUTHENTICATED = 'authentication_failed';

export interface PaymentsLedgerOptions {
  now: () => Date;
  /** An id that is not taken. Default: random. */
  newId?: (kind: 'auth' | 'cap' | 're') => string;
}

/**
 * The money rules of the simulated gateways, without transport: captured at most once and never more than authorized, refunded
 * never more than captured, nothing captured after a void. Each change is one fact; the state is what the facts say.
 */
export class PaymentsLedger {
  readonly #authorizations = new Map<string, LedgerAuthorization>();
  readonly #byPayment = new Map<string, LedgerAuthorization[]>();
  readonly #byCapture = new Map<string, LedgerAuthorization>();
  readonly #newId: (kind: 'auth' | 'cap' | 're') => string;
  readonly #now: () => Date;

  constructor(facts: Iterable<LedgerFact>, { now, newId = randomId }: PaymentsLedgerOptions) {
    this.#now = now;
    this.#newId = newId;
    for (const fact of facts) this.#apply(fact);
  }

  find(authorizationId: string): LedgerAuthorization | undefined {
    return this.#authorizations.get(authorizationId);
  }

  /** Newest first. */
  findByPayment(paymentId: string): LedgerAuthorization[] {
    return [...(this.#byPayment.get(paymentId) ?? [])].reverse();
  }

  findByCapture(captureId: string): LedgerAuthorization | undefined {
    return this.#byCapture.get(captureId);
  }

  /** Oldest first. */
  listSince(createdSince: Date): LedgerAuthorization[] {
    return [...this.#authorizations.values()].filter(
      ({ createdAt }) => Date.parse(createdAt) >= createdSince.getTime(),
    );
  }

  authorize(request: Money & { paymentId: string; orderId: string; method: string }): LedgerOutcome {
    const fallback = KNOWN_METHODS.has(request.method) ? null : 'unknown_method';
    const declineCode = DECLINE_CODES[request.method] ?? fallback;
    const granted = request.method === 'tok_requires_action' ? 'requires_action' : 'authorized';
    const status = declineCode === null ? granted : 'declined';
    const authorizationId = this.#newId('auth');
    const code = declineCode === null ? {} : { code: declineCode };
    const createdAt = this.#now().toISOString();
    const { paymentId, orderId, amountMinor, currency, method } = request;
    const about = { paymentId, orderId, amountMinor, currency, method, createdAt };
    const fact = { type: status, authorizationId, ...about, ...code };
    const authorization = this.#record(fact);
    if (declineCode === null) return { kind: 'done', authorization, fact };
    return { kind: 'refused', status: 402, code: declineCode, authorization, fact };
  }

  /** The customer proves who they are, or does not. */
  act(authorizationId: string, isApproved: boolean): LedgerOutcome {
    const authorization = this.#authorizations.get(authorizationId);
    if (!authorization) return refused(404, 'authorization_not_found');
    if (authorization.status !== 'requires_action') return refused(409, 'no_action_required');
    const { amountMinor, currency } = authorization;
    const about = { ...idsOf(authorization), amountMinor, currency };
    const fact = isApproved
      ? { type: 'action_completed', ...about }
      : { type: 'action_refused', ...about, code: NOT_AUTHENTICATED };
    return { kind: 'done', authorization: this.#record(fact), fact };
  }

  capture(authorizationId: string, money: Money): LedgerOutcome {
    const authorization = this.#authorizations.get(authorizationId);
    if (!authorization) return refused(404, 'authorization_not_found');
    const refusal = captureRefusal(authorization, money);
    if (refusal) return { ...refusal, authorization };
    const fact = { type: 'captured', captureId: this.#newId('cap'), ...idsOf(authorization), ...money };
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
    const gatewayRefundId = this.#newId('re');
    const fact = { type: 'refunded', gatewayRefundId, captureId, ...idsOf(authorization), ...request };
    const changed = this.#record(fact);
    const refund = { id: gatewayRefundId, refundId: request.refundId, amountMinor: request.amountMinor };
    return { kind: 'done', authorization: changed, fact, refund };
  }

  #record(fact: LedgerFact): LedgerAuthorization {
    const changed = this.#apply(fact);
    if (!changed) throw new TypeError(`${fact.type} changes no authorization`);
    return changed;
  }

  /** The one place that turns a fact into state, at the time it happens and after a restart alike. */
  #apply(fact: LedgerFact): LedgerAuthorization | undefined {
    const id = fact['authorizationId'] as string;
    if (CREATING_FACTS.has(fact.type)) this.#add(authorizationOf(id, fact));
    const authorization = this.#authorizations.get(id);
    if (!authorization) return undefined;
    if (fact.type === 'captured') {
      authorization.status = 'captured';
      authorization.captureId = fact['captureId'] as string;
      authorization.capturedMinor = fact['amountMinor'] as number;
      this.#byCapture.set(authorization.captureId, authorization);
    } else if (fact.type === 'action_completed') {
      authorization.status = 'authorized';
    } else if (fact.type === 'action_refused') {
      authorization.status = 'declined';
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

  #add(authorization: LedgerAuthorization): void {
    this.#authorizations.set(authorization.id, authorization);
    const { paymentId } = authorization;
    this.#byPayment.set(paymentId, [...(this.#byPayment.get(paymentId) ?? []), authorization]);
  }
}

function authorizationOf(id: string, fact: LedgerFact): LedgerAuthorization {
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
    createdAt: (fact['createdAt'] ?? fact['at']) as string,
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

function randomId(kind: 'auth' | 'cap' | 're'): string {
  return `${kind}_${randomBytes(12).toString('hex')}`;
}
