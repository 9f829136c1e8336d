import { GatewayMismatchError } from '../errors';
import type { LedgerFact } from './ledger-fact';
import type { Authorization, PaymentGateway, VoidResult } from './payments';
import { PaymentsLedger, type LedgerAuthorization, type LedgerOutcome } from './payments-ledger';
import type { FaultRates, SeededFaults } from './seeded-faults';
import { SimulatedKeys, type SimulatedPaymentFault } from './simulated-keys';

export type { SimulatedPaymentFault } from './simulated-keys';

export interface SimulatedPaymentOptions {
  /** The same seed, the same faults and declines. Default 0. */
  seed?: number;
  /** Default: no faults. */
  faults?: FaultRates<SimulatedPaymentFault>;
  /** Part of the payments that are declined for good, whatever their method. Default 0. */
  declineRate?: number;
  /** Default: the clock. */
  now?: () => Date;
}

export interface SimulatedPaymentGateway extends PaymentGateway {
  readonly faults: SeededFaults<SimulatedPaymentFault>;
  /** What happened to money there, oldest first: the oracle of a test. */
  facts(): LedgerFact[];
  /** The customer proves who they are, or does not. @returns false when nothing waits for that */
  act(authorizationId: string, isApproved: boolean): boolean;
  /** As if the lifetime of all keys were over: the same key is a new request. */
  forgetKeys(): void;
}

const LIST_PAGE_SIZE = 50;

/** A payment gateway in memory, with the methods of the fake one. Keeps the contract of `PaymentGateway`. */
export function createSimulatedPaymentGateway(
  options: SimulatedPaymentOptions = {},
): SimulatedPaymentGateway {
  const keys = new SimulatedKeys({ seed: options.seed ?? 0, faults: options.faults ?? {} });
  const { faults } = keys;
  const facts: LedgerFact[] = [];
  let issued = 0;
  const ledger = new PaymentsLedger([], {
    now: options.now ?? (() => new Date()),
    newId: (kind) => `${kind}_${options.seed ?? 0}_${(issued += 1)}`,
  });
  const record = <Outcome extends LedgerOutcome>(outcome: Outcome): Outcome => {
    if (outcome.fact) facts.push(outcome.fact);
    return outcome;
  };
  const methodOf = (paymentId: string, method: string): string =>
    faults.decides('decline', paymentId, options.declineRate ?? 0) ? 'tok_declined' : method;

  return {
    faults,
    facts: () => [...facts],
    act: (authorizationId, isApproved) => record(ledger.act(authorizationId, isApproved)).kind === 'done',
    forgetKeys: () => {
      keys.forget();
    },
    authorize: ({ idempotencyKey, paymentId, orderId, amountMinor, currency, method }) => {
      const request = { paymentId, orderId, amountMinor, currency, method: methodOf(paymentId, method) };
      return keys.run('authorize', idempotencyKey, request, () => {
        const outcome = record(ledger.authorize(request));
        if (outcome.kind === 'refused') return { kind: 'declined', code: outcome.code };
        const { status, id: authorizationId } = outcome.authorization;
        return { kind: status === 'requires_action' ? status : 'authorized', authorizationId };
      });
    },
    capture: ({ idempotencyKey, authorizationId, amountMinor, currency }) => {
      const money = { amountMinor, currency };
      return keys.run('capture', idempotencyKey, { authorizationId, ...money }, () => {
        const outcome = record(ledger.capture(authorizationId, money));
        if (outcome.kind === 'done') return { kind: 'captured', captureId: outcome.authorization.captureId! };
        const known = outcome.authorization;
        // An authorization is captured at most once, so an earlier capture under another key is this capture.
        const isThis = outcome.code === 'already_captured' && known?.capturedMinor === amountMinor;
        return isThis
          ? { kind: 'captured', captureId: known.captureId! }
          : { kind: 'refused', code: outcome.code };
      });
    },
    void: async ({ idempotencyKey, authorizationId }) => {
      const work = () => voidedBy(record(ledger.void(authorizationId)));
      const result = await keys.run('void', idempotencyKey, { authorizationId }, work);
      // Voiding one authorization twice is one void: a burnt key is no reason to say less than a new one would.
      const settled = result.kind === 'stored_error' ? work() : result;
      if (settled.kind !== 'refused') return settled;
      throw new GatewayMismatchError(`the payment gateway refused a void (${settled.code})`);
    },
    refund: ({ idempotencyKey, refundId, captureId, amountMinor, currency }) => {
      const request = { refundId, amountMinor, currency };
      return keys.run('refund', idempotencyKey, { captureId, ...request }, () => {
        const outcome = record(ledger.refund(captureId, request));
        if (outcome.kind === 'refused') return { kind: 'refused', code: outcome.code };
        return { kind: 'refunded', gatewayRefundId: outcome.refund!.id };
      });
    },
    find: ({ paymentId }) =>
      keys.look('find', paymentId, () => ledger.findByPayment(paymentId).map(authorizationOf)),
    list: ({ createdSince, after }) =>
      keys.look('list', createdSince, () => {
        const all = ledger.listSince(new Date(createdSince));
        const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
        const page = all.slice(from, from + LIST_PAGE_SIZE);
        const isLast = from + LIST_PAGE_SIZE >= all.length;
        return {
          authorizations: page.map((known) => ({
            ...authorizationOf(known),
            paymentId: known.paymentId,
            orderId: known.orderId,
            createdAt: known.createdAt,
          })),
          next: isLast ? null : (page.at(-1)?.id ?? null),
        };
      }),
    close: () => Promise.resolve(),
  };
}

function voidedBy(outcome: LedgerOutcome): VoidResult | { kind: 'refused'; code: string } {
  if (outcome.kind === 'done' || outcome.code === 'authorization_declined') return { kind: 'voided' };
  const captureId = outcome.authorization?.captureId ?? null;
  return captureId === null
    ? { kind: 'refused', code: outcome.code }
    : { kind: 'already_captured', captureId };
}

function authorizationOf(known: LedgerAuthorization): Authorization {
  return {
    authorizationId: known.id,
    status: known.status,
    amountMinor: known.amountMinor,
    currency: known.currency,
    captureId: known.captureId,
    refunds: known.refunds.map(({ id, refundId, amountMinor }) => ({
      refundId,
      gatewayRefundId: id,
      amountMinor,
    })),
  };
}
