import { GatewayMismatchError } from '../errors';
import { createHttpExchange, isObject, unavailable, type JsonObject, type RawAnswer } from './http-exchange';
import { codeOf } from './payment-webhooks';
import { textOf } from './webhook-reader';

/** What Stripe said for certain. Everything else is thrown. */
export type StripeAnswer =
  | { kind: 'done'; body: JsonObject }
  | StripeRefusal
  /** A stored failure: this key will never say anything else. */
  | { kind: 'stored_error'; code: string };

export interface StripeRefusal {
  kind: 'refused';
  status: number;
  /** `decline_code` when it says more than `code`; `type` when there is neither. */
  code: string;
}

/** Members of a form: nested ones become `metadata[order_id]`, lists `expand[]`. Source: docs.stripe.com/api. */
export interface StripeParams {
  [name: string]: string | number | boolean | readonly string[] | StripeParams;
}

export interface StripeCall {
  method: 'GET' | 'POST';
  /** Below `/v1/`, each part percent-encoded. */
  path: string;
  params?: StripeParams;
  idempotencyKey?: string;
}

export interface StripeHttp {
  /**
   * One request, never repeated here.
   * @throws GatewayUnavailableError (retryable) when there was no answer in time, or one that proves nothing
   * @throws GatewayMismatchError when Stripe knows the key for another request
   */
  call(call: StripeCall): Promise<StripeAnswer>;
  close(): Promise<void>;
}

export interface StripeHttpOptions {
  /** `sk_…` or `rk_…`. */
  apiKey: string;
  /** Default https://api.stripe.com */
  baseUrl?: string;
  /** Milliseconds from a call to the last byte of its answer. */
  timeoutMs: number;
}

export const STRIPE = 'payment gateway';
const BASE_URL = 'https://api.stripe.com';
/** The shape that this driver was written for; an account's own default version would decide otherwise. */
const API_VERSION = '2024-06-20';
/** A list of 100 PaymentIntents with their charges and refunds; a PaymentIntent of the documentation is below 4 KiB. */
const ANSWER_BYTES_MAX = 4 * 1_048_576;
/**
 * Definite refusals. Source: docs.stripe.com/api/errors, "HTTP status code summary": 400, 402 and 404 speak of the
 * request; 401 and 403 of the key, 409 of another request with the same key, 424 of others, 429 of the pace.
 */
const REFUSALS = new Set([400, 402, 404]);

/** Source: docs.stripe.com/api: form-encoded requests, JSON answers, the key as a bearer token. */
export function createStripeHttp({ apiKey, baseUrl = BASE_URL, timeoutMs }: StripeHttpOptions): StripeHttp {
  const exchange = createHttpExchange({
    name: STRIPE,
    baseUrl,
    timeoutMs,
    headers: { authorization: `Bearer ${apiKey}`, 'stripe-version': API_VERSION },
    answerBytesMax: ANSWER_BYTES_MAX,
  });
  return {
    async call({ method, path, params = {}, idempotencyKey }) {
      const form = formOf(params);
      const isPost = method === 'POST';
      const query = form.toString();
      const answer = await exchange.send({
        method,
        path: isPost || query === '' ? `v1/${path}` : `v1/${path}?${query}`,
        headers: idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey },
        body: isPost ? { type: 'application/x-www-form-urlencoded', text: query } : undefined,
      });
      return understand(answer);
    },
    close: () => exchange.close(),
  };
}

function formOf(params: StripeParams): URLSearchParams {
  const form = new URLSearchParams();
  const add = (name: string, value: StripeParams[string]): void => {
    if (typeof value !== 'object') form.append(name, String(value));
    else if (isList(value)) for (const item of value) form.append(`${name}[]`, item);
    else for (const [member, inner] of Object.entries(value)) add(`${name}[${member}]`, inner);
  };
  for (const [name, value] of Object.entries(params)) add(name, value);
  return form;
}

function isList(value: StripeParams | readonly string[]): value is readonly string[] {
  return Array.isArray(value);
}

/** Source: docs.stripe.com/error-low-level and docs.stripe.com/api/idempotent_requests. */
function understand(answer: RawAnswer): StripeAnswer {
  const { status, body } = answer;
  if (status >= 200 && status < 300 && body !== null) return { kind: 'done', body };
  const error = isObject(body?.['error']) ? body['error'] : null;
  const type = error && codeOf(textOf(error, 'type'));
  const code = error && codeOf(textOf(error, 'code'));
  if (status >= 500 && answer.headers['idempotent-replayed'] === 'true') {
    return { kind: 'stored_error', code: code ?? type ?? `http_${status}` };
  }
  if (type === 'idempotency_error' && code !== 'idempotency_key_in_use') {
    throw new GatewayMismatchError(`the ${STRIPE} knows this idempotency key for another request`);
  }
  if (error === null || type === null || !REFUSALS.has(status)) throw unavailable(STRIPE, answer, code);
  const declineCode = codeOf(textOf(error, 'decline_code'));
  const isGeneric = declineCode === null || declineCode === 'generic_decline';
  return { kind: 'refused', status, code: (isGeneric ? code : declineCode) ?? type };
}
