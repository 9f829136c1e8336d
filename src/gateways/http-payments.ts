import { randomUUID } from 'node:crypto';
import { GatewayMismatchError, GatewayUnavailableError } from '../errors';
import {
  createGatewayHttp,
  isObject,
  type GatewayAnswer,
  type GatewayHttp,
  type JsonObject,
} from './gateway-http';
import type {
  Authorization,
  AuthorizeRequest,
  AuthorizeResult,
  CaptureRequest,
  CaptureResult,
  FoundRefund,
  PaymentGateway,
  RefundRequest,
  RefundResult,
  VoidRequest,
  VoidResult,
} from './payments';

export interface HttpPaymentGatewayOptions {
  /** Where `/v1/authorizations` is below. */
  baseUrl: string;
  /** Milliseconds from a call to the last byte of its answer. */
  timeoutMs: number;
  /** Sent as a bearer token. */
  apiKey?: string;
}

/**
 * The payment gateway over HTTP: a small JSON API with Stripe's idempotency keys, as `src/dev/fake-payments.ts` speaks
 * it. Keeps the contract of `PaymentGateway`.
 *
 * Every method throws `GatewayUnavailableError` (retryable, with `retryAfterSeconds` when the gateway asked for it) when
 * the outcome is unknown, and `GatewayMismatchError` (not retryable) when the answer contradicts the request or the key
 * was used for something else.
 */
export function createHttpPaymentGateway(options: HttpPaymentGatewayOptions): PaymentGateway {
  const http = createGatewayHttp(options);
  return {
    authorize: (request) => authorize(http, request),
    capture: (request) => capture(http, request),
    void: (request) => voidAuthorization(http, request),
    refund: (request) => refund(http, request),
    find: ({ paymentId }) => find(http, paymentId),
    close: () => http.close(),
  };
}

async function authorize(http: GatewayHttp, request: AuthorizeRequest): Promise<AuthorizeResult> {
  const { idempotencyKey, paymentId, orderId, amountMinor, currency, method } = request;
  const body = { paymentId, orderId, amountMinor, currency, method };
  const answer = await http.call({ method: 'POST', path: 'v1/authorizations', idempotencyKey, body });
  if (answer.kind === 'stored_error') return answer;
  if (answer.kind === 'refused') return { kind: 'declined', code: answer.code };

  requireSame(answer.body, { paymentId, amountMinor, currency });
  const authorizationId = requireText(answer.body, 'id');
  const status = requireText(answer.body, 'status');
  if (status === 'authorized' || status === 'requires_action') return { kind: status, authorizationId };
  throw unclear('status');
}

async function capture(http: GatewayHttp, request: CaptureRequest): Promise<CaptureResult> {
  const { idempotencyKey, authorizationId, amountMinor, currency } = request;
  const answer = await http.call({
    method: 'POST',
    path: `v1/authorizations/${encodeURIComponent(authorizationId)}/capture`,
    idempotencyKey,
    body: { amountMinor, currency },
  });
  if (answer.kind === 'stored_error') return answer;
  if (answer.kind === 'done') {
    requireSame(answer.body, { authorizationId, amountMinor, currency });
    return { kind: 'captured', captureId: requireText(answer.body, 'id') };
  }
  // An authorization is captured at most once, so an earlier capture of it under another key is this capture.
  const earlier = answer.code === 'already_captured' ? authorizationIn(answer) : null;
  if (earlier === null) return { kind: 'refused', code: answer.code };
  requireSame(earlier, { id: authorizationId, capturedMinor: amountMinor, currency });
  return { kind: 'captured', captureId: requireText(earlier, 'captureId') };
}

async function voidAuthorization(http: GatewayHttp, request: VoidRequest): Promise<VoidResult> {
  const { authorizationId, idempotencyKey } = request;
  const path = `v1/authorizations/${encodeURIComponent(authorizationId)}`;
  const voidWith = (key: string): Promise<GatewayAnswer> =>
    http.call({ method: 'POST', path: `${path}/void`, idempotencyKey: key, body: {} });

  let answer = await voidWith(idempotencyKey);
  if (answer.kind === 'stored_error') {
    // The key is burnt. Voiding one authorization twice is one void, so a key of its own is safe here, after a look.
    const found = await http.call({ method: 'GET', path });
    const settled = found.kind === 'done' ? settledVoid(found.body) : null;
    if (settled !== null) return settled;
    answer = await voidWith(`${idempotencyKey}:${randomUUID()}`);
  }
  if (answer.kind === 'stored_error') throw unclear('void');
  if (answer.kind === 'done') {
    const settled = settledVoid(answer.body);
    if (settled === null) throw unclear('status');
    return settled;
  }
  if (answer.code === 'authorization_declined') return { kind: 'voided' };
  const captured = authorizationIn(answer);
  if (answer.code === 'already_captured' && captured !== null) {
    return { kind: 'already_captured', captureId: requireText(captured, 'captureId') };
  }
  throw new GatewayMismatchError(`the payment gateway refused a void (${answer.code})`);
}

/** What an authorization says about its void; null while it can still be captured. */
function settledVoid(authorization: JsonObject): VoidResult | null {
  const status = requireText(authorization, 'status');
  if (status === 'voided' || status === 'declined') return { kind: 'voided' };
  if (status !== 'captured') return null;
  return { kind: 'already_captured', captureId: requireText(authorization, 'captureId') };
}

async function refund(http: GatewayHttp, request: RefundRequest): Promise<RefundResult> {
  const { idempotencyKey, refundId, captureId, amountMinor, currency } = request;
  const answer = await http.call({
    method: 'POST',
    path: `v1/captures/${encodeURIComponent(captureId)}/refunds`,
    idempotencyKey,
    body: { refundId, amountMinor, currency },
  });
  if (answer.kind === 'stored_error') return answer;
  if (answer.kind === 'refused') return { kind: 'refused', code: answer.code };
  requireSame(answer.body, { refundId, captureId, amountMinor, currency });
  return { kind: 'refunded', gatewayRefundId: requireText(answer.body, 'id') };
}

async function find(http: GatewayHttp, paymentId: string): Promise<Authorization[]> {
  const answer = await http.call({ method: 'GET', path: 'v1/authorizations', query: { paymentId } });
  if (answer.kind !== 'done') throw new GatewayUnavailableError(`look-up refused (${answer.code})`);
  const found = answer.body['data'];
  if (!Array.isArray(found)) throw unclear('data');
  return found.map((document: unknown) => {
    if (!isObject(document)) throw unclear('data');
    requireSame(document, { paymentId });
    return readAuthorization(document);
  });
}

const STATUSES: readonly string[] = [
  'authorized',
  'declined',
  'requires_action',
  'captured',
  'voided',
] satisfies Authorization['status'][];

function readAuthorization(document: JsonObject): Authorization {
  const status = requireText(document, 'status');
  if (!STATUSES.includes(status)) throw unclear('status');
  const refunds = document['refunds'];
  if (!Array.isArray(refunds)) throw unclear('refunds');
  return {
    authorizationId: requireText(document, 'id'),
    status: status as Authorization['status'],
    amountMinor: requireWhole(document, 'amountMinor'),
    currency: requireText(document, 'currency'),
    captureId: document['captureId'] === null ? null : requireText(document, 'captureId'),
    refunds: refunds.map(readRefund),
  };
}

function readRefund(document: unknown): FoundRefund {
  if (!isObject(document)) throw unclear('refunds');
  return {
    refundId: requireText(document, 'refundId'),
    gatewayRefundId: requireText(document, 'id'),
    amountMinor: requireWhole(document, 'amountMinor'),
  };
}

function authorizationIn(answer: Extract<GatewayAnswer, { kind: 'refused' }>): JsonObject | null {
  const error = answer.body['error'];
  const authorization = isObject(error) ? error['authorization'] : null;
  return isObject(authorization) ? authorization : null;
}

/** Amounts, currencies and ids that come back must be those that were sent. */
function requireSame(answer: JsonObject, sent: Record<string, string | number>): void {
  for (const [member, value] of Object.entries(sent)) {
    if (answer[member] === undefined) throw unclear(member);
    if (answer[member] !== value) {
      throw new GatewayMismatchError(`the payment gateway answered with another ${member}`);
    }
  }
}

function requireText(document: JsonObject, member: string): string {
  const value = document[member];
  if (typeof value !== 'string' || value === '') throw unclear(member);
  return value;
}

function requireWhole(document: JsonObject, member: string): number {
  const value = document[member];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw unclear(member);
  return value;
}

/** An answer without what it must have proves nothing; the same call with the same key may still say more. */
function unclear(member: string): GatewayUnavailableError {
  return new GatewayUnavailableError(`the payment gateway's answer is unclear (${member})`);
}
