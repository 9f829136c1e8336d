import { randomUUID } from 'node:crypto';
import { GatewayMismatchError, GatewayUnavailableError } from '../errors';
import { answerChecks } from './answer-checks';
import { createGatewayHttp, type GatewayAnswer, type GatewayHttp } from './gateway-http';
import { isObject, type JsonObject } from './http-exchange';
import type {
  Authorization,
  AuthorizationPage,
  AuthorizeRequest,
  AuthorizeResult,
  CaptureRequest,
  CaptureResult,
  FoundRefund,
  ListedAuthorization,
  ListQuery,
  PaymentGateway,
  RefundRequest,
  RefundResult,
  VoidRequest,
  VoidResult,
} from './payments';

const NAME = 'payment gateway';
const { requireSame, requireText, requireTime, requireWhole, unclear } = answerChecks(NAME);

export interface HttpPaymentGatewayOptions {
  /** Where `/v1/authorizations` is below. */
  baseUrl: string;
  /** Milliseconds from a call to the last byte of its answer. */
  timeoutMs: number;
  /** Sent as a bearer token. */
  apiKey?: string | undefined;
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
  const http = createGatewayHttp(NAME, options);
  return {
    authorize: (request) => authorize(http, request),
    capture: (request) => capture(http, request),
    void: (request) => voidAuthorization(http, request),
    refund: (request) => refund(http, request),
    find: ({ paymentId }) => find(http, paymentId),
    list: (query) => list(http, query),
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
  if (status === 'authorized') return { kind: status, authorizationId };
  if (status !== 'requires_action') throw unclear('status');
  const actionUrl = answer.body['actionUrl'];
  return { kind: status, authorizationId, ...(typeof actionUrl === 'string' ? { actionUrl } : {}) };
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

async function list(http: GatewayHttp, { createdSince, after }: ListQuery): Promise<AuthorizationPage> {
  const query = { createdSince, ...(after === undefined ? {} : { after }) };
  const answer = await http.call({ method: 'GET', path: 'v1/authorizations', query });
  if (answer.kind !== 'done') throw new GatewayUnavailableError(`list refused (${answer.code})`);
  const { data, next } = answer.body;
  if (!Array.isArray(data)) throw unclear('data');
  if (next !== null && (typeof next !== 'string' || next === '')) throw unclear('next');
  return { authorizations: data.map(readListed), next };
}

function readListed(document: unknown): ListedAuthorization {
  if (!isObject(document)) throw unclear('data');
  return {
    ...readAuthorization(document),
    paymentId: requireText(document, 'paymentId'),
    orderId: requireText(document, 'orderId'),
    createdAt: requireTime(document, 'createdAt'),
  };
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
