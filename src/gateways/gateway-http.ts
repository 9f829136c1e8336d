import { Agent, request, type Dispatcher } from 'undici';
import { GatewayMismatchError, GatewayUnavailableError } from '../errors';

export type JsonObject = Record<string, unknown>;

/** What the gateway said for certain. Everything else is thrown. */
export type GatewayAnswer =
  | { kind: 'done'; body: JsonObject }
  | { kind: 'refused'; status: number; code: string; body: JsonObject }
  /** A stored failure: this key will never say anything else. */
  | { kind: 'stored_error'; code: string };

export interface GatewayCall {
  method: 'GET' | 'POST';
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
   * @throws GatewayMismatchError when the gateway knows the key for another request
   */
  call(call: GatewayCall): Promise<GatewayAnswer>;
  close(): Promise<void>;
}

/** No answer of the API comes near it; what is longer is not the API speaking. */
const ANSWER_BYTES_MAX = 65_536;
/** Enough for the pace of one worker; more calls wait for a connection instead of opening one each. */
const CONNECTIONS_MAX = 64;
/** Statuses by which a server says that it did not look at the request, or a proxy that it could not. */
const PROVES_NOTHING = new Set([401, 403, 407, 408, 421, 425, 429]);

interface RawAnswer {
  status: number;
  headers: Dispatcher.ResponseData['headers'];
  body: JsonObject | null;
}

/** @param options.timeoutMs - from the call to the last byte of its answer, connecting included */
export function createGatewayHttp(options: {
  baseUrl: string;
  timeoutMs: number;
  apiKey?: string;
}): GatewayHttp {
  const { timeoutMs } = options;
  const agent = new Agent({ connections: CONNECTIONS_MAX, connect: { timeout: timeoutMs } });
  const base = options.baseUrl.endsWith('/') ? options.baseUrl : `${options.baseUrl}/`;
  const credentials = options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };

  const exchange = async ({ method, path, query, idempotencyKey, body }: GatewayCall): Promise<RawAnswer> => {
    const url = new URL(path, base);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const response = await request(url, {
      dispatcher: agent,
      method,
      headers: {
        ...credentials,
        accept: 'application/json',
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.statusCode, headers: response.headers, body: await readObject(response.body) };
  };

  return {
    async call(call) {
      let answer: RawAnswer;
      try {
        answer = await exchange(call);
      } catch (error) {
        // Only the code goes on: the error of the driver may carry the request, and with it the payment method.
        throw new GatewayUnavailableError(`no answer from the payment gateway (${errorCode(error)})`);
      }
      return understand(answer);
    },
    close: () => agent.close(),
  };
}

function understand(answer: RawAnswer): GatewayAnswer {
  const { status, body } = answer;
  if (status >= 200 && status < 300 && body !== null) return { kind: 'done', body };
  const code = refusalCode(body);
  if (status >= 500 && answer.headers['idempotent-replayed'] === 'true') {
    return { kind: 'stored_error', code: code ?? `http_${status}` };
  }
  if (status < 400 || status >= 500 || PROVES_NOTHING.has(status) || body === null || code === null) {
    throw unavailable(answer, code);
  }
  if (code === 'idempotency_key_in_use') throw unavailable(answer, code);
  if (code === 'idempotency_key_reused') {
    throw new GatewayMismatchError('the payment gateway knows this idempotency key for another request');
  }
  return { kind: 'refused', status, code, body };
}

function unavailable(answer: RawAnswer, code: string | null): GatewayUnavailableError {
  const retryAfterSeconds = parseRetryAfter(answer.headers['retry-after']);
  return new GatewayUnavailableError(
    `the payment gateway answered ${answer.status}${code === null ? '' : ` (${code})`}`,
    retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
  );
}

/** The error's code when it looks like one: free text of the other side may repeat what was sent. */
function refusalCode(body: JsonObject | null): string | null {
  const error = body?.['error'];
  const code = isObject(error) ? error['code'] : undefined;
  return typeof code === 'string' && /^[a-z0-9_]{1,64}$/.test(code) ? code : null;
}

/** Whole seconds from a Retry-After of either form; undefined when there is none that makes sense. */
function parseRetryAfter(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) || /^-?\d/.test(header)
    ? undefined
    : Math.max(0, Math.ceil((atMs - Date.now()) / 1000));
}

/** @returns null for anything but a JSON object. @throws Error when the answer is longer than the cap */
async function readObject(stream: Dispatcher.ResponseData['body']): Promise<JsonObject | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw Object.assign(new Error('answer too long'), { code: 'answer_too_long' });
    }
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function errorCode(error: unknown): string {
  const { name, code } = error as { name?: unknown; code?: unknown };
  if (name === 'TimeoutError') return 'timeout';
  return typeof code === 'string' ? code : 'unknown';
}
