import { GatewayMismatchError, GatewayUnavailableError } from '../errors';
import { createHttpExchange, isObject, unavailable, type JsonObject, type RawAnswer } from './http-exchange';

/** What the other side said for certain. Everything else is thrown. */
export type GatewayAnswer =
  | { kind: 'done'; body: JsonObject }
  | RefusedAnswer
  /** A stored failure: this key will never say anything else. */
  | { kind: 'stored_error'; code: string };

export interface RefusedAnswer {
  kind: 'refused';
  status: number;
  code: string;
  body: JsonObject;
}

export interface GatewayCall {
  method: 'GET' | 'POST' | 'PUT';
  /** Path below the base URL, without a leading slash, each part percent-encoded. */
  path: string;
  query?: Record<string, string>;
  idempotencyKey?: string;
  body?: JsonObject;
}

export interface GatewayHttp {
  /**
   * One request, never repeated here and never redirected.
   * @throws GatewayUnavailableError (retryable) when there was no answer in time, or one that proves nothing
   * @throws GatewayMismatchError when the other side knows the key for another request
   */
  call(call: GatewayCall): Promise<GatewayAnswer>;
  close(): Promise<void>;
}

export interface GatewayHttpOptions {
  baseUrl: string;
  /** Milliseconds from a call to the last byte of its answer, connecting included. */
  timeoutMs: number;
  /** Sent as a bearer token. */
  apiKey?: string | undefined;
}

/** Statuses by which a server says that it did not look at the request, or a proxy that it could not. */
const PROVES_NOTHING = new Set([401, 403, 407, 408, 421, 425, 429]);

/**
 * The small JSON API that all participants of ours speak: see docs/participants.md.
 * @param name - who answers, for messages, such as `payment gateway`
 */
export function createGatewayHttp(name: string, options: GatewayHttpOptions): GatewayHttp {
  const { baseUrl, timeoutMs, apiKey } = options;
  const headers: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const exchange = createHttpExchange({ name, baseUrl, timeoutMs, headers });
  return {
    async call({ method, path, query, idempotencyKey, body }) {
      const answer = await exchange.send({
        method,
        path,
        query,
        headers: idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey },
        body: body === undefined ? undefined : { type: 'application/json', text: JSON.stringify(body) },
      });
      return understand(name, answer);
    },
    close: () => exchange.close(),
  };
}

function understand(name: string, answer: RawAnswer): GatewayAnswer {
  const { status, body } = answer;
  if (status >= 200 && status < 300 && body !== null) return { kind: 'done', body };
  const code = refusalCode(body);
  if (status >= 500 && answer.headers['idempotent-replayed'] === 'true') {
    return { kind: 'stored_error', code: code ?? `http_${status}` };
  }
  if (status < 400 || status >= 500 || PROVES_NOTHING.has(status) || body === null || code === null) {
    throw unavailable(name, answer, code);
  }
  if (code === 'idempotency_key_in_use') throw unavailable(name, answer, code);
  if (code === 'idempotency_key_reused') {
    throw new GatewayMismatchError(`the ${name} knows this idempotency key for another request`);
  }
  return { kind: 'refused', status, code, body };
}

/** The error's code when it looks like one: free text of the other side may repeat what was sent. */
function refusalCode(body: JsonObject | null): string | null {
  const error = body?.['error'];
  const code = isObject(error) ? error['code'] : undefined;
  return typeof code === 'string' && /^[a-z0-9_]{1,64}$/.test(code) ? code : null;
}

/**
 * The answer to a call whose object is named by an id instead of a key.
 * @param notFound - the one code of a 404 that this call knows; any other 404 or 405 is a wrong address and no answer
 * @throws GatewayUnavailableError (retryable) for what proves nothing
 */
export function definite(
  name: string,
  answer: GatewayAnswer,
  notFound?: string,
): Exclude<GatewayAnswer, { kind: 'stored_error' }> {
  if (answer.kind === 'stored_error')
    throw new GatewayUnavailableError(`the ${name} failed (${answer.code})`);
  const isAddress = answer.kind === 'refused' && (answer.status === 404 || answer.status === 405);
  if (isAddress && answer.code !== notFound) {
    throw new GatewayUnavailableError(`the ${name} does not know the call (${answer.code})`);
  }
  return answer;
}
