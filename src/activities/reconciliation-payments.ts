import { knownPayments, type KnownPayment } from '../database/reconciliation-candidates';
import type { Pool } from '../database/pool';
import { isUndone } from '../domain/orders';
import { DETECTORS, type Finding } from '../domain/reconciliation';
import type { ListedAuthorization, PaymentGateway } from '../gateways/payments';

/** Pages of the gateway's list that one run reads: some million authorizations. */
const PAGES_MAX = 20_000;

/** Where the database and the gateway disagree about money, page by page of the gateway's list. */
export async function* findMoney(
  deps: { pool: Pool; gateway: PaymentGateway },
  look: { now: Date; since: string },
): AsyncGenerator<Finding[], void, undefined> {
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const listed = await deps.gateway.list({
      createdSince: look.since,
      ...(after === undefined ? {} : { after }),
    });
    // Read after the gateway was asked: what it said was true before this, and what is written by now counts.
    const known = await knownPayments(
      deps.pool,
      listed.authorizations.map(({ paymentId }) => paymentId),
    );
    yield listed.authorizations.flatMap((one) => compare(one, known.get(one.paymentId) ?? null, look.now));
    if (listed.next === null) return;
    after = listed.next;
  }
}

/** What is wrong with one authorization. Pure. */
export function compare(at: ListedAuthorization, known: KnownPayment | null, now: Date): Finding[] {
  if (isYoung(at.createdAt, now, DETECTORS.unknown_capture.graceMs)) return [];
  if (at.status === 'captured') return known === null ? unknown(at) : captured(at, known, now);
  return known === null ? [] : notCaptured(at, known, now);
}

function unknown(at: ListedAuthorization): Finding[] {
  if (leftOf(at) === 0) return [];
  return [
    { detector: 'unknown_capture', subject: `capture:${at.captureId}`, orderId: null, detail: moneyOf(at) },
  ];
}

function captured(at: ListedAuthorization, known: KnownPayment, now: Date): Finding[] {
  if (isYoung(known.updatedAt, now, DETECTORS.unrecorded_capture.graceMs)) return [];
  const { orderId, paymentId } = known;
  const detail = { ...moneyOf(at), state: known.state, status: known.orderStatus };
  if (known.state === 'CAPTURED' && known.captureId !== at.captureId) {
    if (leftOf(at) === 0) return [];
    return [{ detector: 'doubled_capture', subject: `capture:${at.captureId}`, orderId, detail }];
  }
  const expectedMinor = known.state === 'CAPTURED' ? known.capturedMinor : known.amountMinor;
  if (at.amountMinor !== expectedMinor || at.currency !== known.currency) {
    const mismatch = { ...detail, expectedMinor, expectedCurrency: known.currency };
    return [{ detector: 'capture_mismatch', subject: `capture:${at.captureId}`, orderId, detail: mismatch }];
  }
  const unrecorded: Finding[] =
    known.state === 'CAPTURED'
      ? []
      : [{ detector: 'unrecorded_capture', subject: `payment:${paymentId}`, orderId, detail }];
  return [...unrecorded, ...refunds(at, known, now)];
}

/** Every refund is on both sides, or on its way. */
function refunds(at: ListedAuthorization, known: KnownPayment, now: Date): Finding[] {
  const { orderId } = known;
  const ours = new Map(known.refunds.map((refund) => [refund.refundId, refund]));
  const strangers = at.refunds.filter(({ refundId }) => {
    const state = ours.get(refundId)?.state;
    // One that is pending was sent and its answer lost: its workflow adopts it.
    return state !== 'DONE' && state !== 'PENDING';
  });
  const theirs = new Set(at.refunds.map(({ refundId }) => refundId));
  const missing = known.refunds.filter(
    ({ refundId, state, updatedAt }) =>
      state === 'DONE' && !theirs.has(refundId) && !isYoung(updatedAt, now, DETECTORS.missing_refund.graceMs),
  );
  return [
    ...strangers.map(({ refundId, gatewayRefundId, amountMinor }): Finding => ({
      detector: 'unknown_refund',
      subject: `refund:${gatewayRefundId}`,
      orderId,
      detail: { refundId, gatewayRefundId, amountMinor, state: ours.get(refundId)?.state ?? null },
    })),
    ...missing.map(({ refundId, amountMinor }): Finding => ({
      detector: 'missing_refund',
      subject: `refund:${refundId}`,
      orderId,
      detail: { refundId, amountMinor },
    })),
  ];
}

/** States in which nobody will capture an authorization any more. */
const CLOSED = new Set(['DECLINED', 'VOIDED', 'FAILED']);

function notCaptured(at: ListedAuthorization, known: KnownPayment, now: Date): Finding[] {
  const { orderId, paymentId } = known;
  const detail = {
    ...moneyOf(at),
    state: known.state,
    status: known.orderStatus,
    keyNumber: known.keyNumber,
  };
  const isSame = known.authorizationId === at.authorizationId;
  if (known.state === 'CAPTURED' && isSame) {
    if (isYoung(known.updatedAt, now, DETECTORS.missing_capture.graceMs)) return [];
    return [{ detector: 'missing_capture', subject: `payment:${paymentId}`, orderId, detail }];
  }
  if (at.status !== 'authorized' && at.status !== 'requires_action') return [];
  const { graceMs } = DETECTORS.leftover_authorization;
  if (isYoung(at.createdAt, now, graceMs) || isYoung(known.updatedAt, now, graceMs)) return [];
  const isOver = CLOSED.has(known.state) || isUndone(known.orderStatus) || known.state === 'CAPTURED';
  if (!isOver) return [];
  return [
    { detector: 'leftover_authorization', subject: `authorization:${at.authorizationId}`, orderId, detail },
  ];
}

/** What is still there of a capture, in minor units. */
function leftOf({ amountMinor, refunds: given }: ListedAuthorization): number {
  return amountMinor - given.reduce((sum, refund) => sum + refund.amountMinor, 0);
}

function moneyOf(at: ListedAuthorization): Record<string, unknown> {
  const { paymentId, orderId, authorizationId, captureId, amountMinor, currency, status } = at;
  return { paymentId, orderId, authorizationId, captureId, amountMinor, currency, gateway: status };
}

function isYoung(at: string, now: Date, graceMs: number): boolean {
  return Date.parse(at) > now.getTime() - graceMs;
}
