import { Agent, request, type Dispatcher } from 'undici';
import { parseRetryAfterMs } from '../domain/retry-after';
import { GatewayUnavailableError } from '../errors';

export type JsonObject = Record<string, unknown>;

/** One request: never repeated here and never redirected. */
export interface ExchangeRequest {
  method: 'GET' | 'POST' | 'PUT';
  /** Path below the base URL, without a leading slash, each part percent-encoded. */
  path: string;
  query?: Record<string, string> | undefined;
  headers?: Record<string, string>;
  /** With its content type; absent for none. */
  body?: { type: string; text: string } | undefined;
}

export interface RawAnswer {
  status: number;
  headers: Dispatcher.ResponseData['headers'];
  /** Null for anything but a JSON object. */
  body: JsonObject | null;
}

export interface HttpExchange {
  /** @throws GatewayUnavailableError (retryable) when there was no whole answer in time */
  send(request: ExchangeRequest): Promise<RawAnswer>;
  close(): Promise<void>;
}

/** No answer of the APIs comes near it; what is longer is not the API speaking. */
const ANSWER_BYTES_MAX = 65_536;
/** Enough for the pace of one worker; more calls wait for a connection instead of opening one each. */
const CONNECTIONS_MAX = 64;

export interface HttpExchangeOptions {
  /** Who answers, for messages, such as `payment gateway`. */
  name: string;
  baseUrl: string;
  /** Milliseconds from the call to the last byte of its answer, connecting included. */
  timeoutMs: number;
  /** Go with every request. */
  headers: Record<string, string>;
  /** Longest answer that is read, in bytes. Default 64 KiB. */
  answerBytesMax?: number;
}

export function createHttpExchange(options: HttpExchangeOptions): HttpExchange {
  const { name, timeoutMs, answerBytesMax = ANSWER_BYTES_MAX } = options;
  const agent = new Agent({ connections: CONNECTIONS_MAX, connect: { timeout: timeoutMs } });
  const base = options.baseUrl.endsWith('/') ? options.baseUrl : `${options.baseUrl}/`;

  const exchange = async ({ method, path, query, headers, body }: ExchangeRequest): Promise<RawAnswer> => {
    const url = new URL(path, base);
    for (const [member, value] of Object.entries(query ?? {})) url.searchParams.set(member, value);
    const response = await request(url, {
      dispatcher: agent,
      method,
      headers: {
        ...options.headers,
        accept: 'application/json',
        ...headers,
        ...(body === undefined ? {} : { 'content-type': body.type }),
      },
      body: body === undefined ? null : body.text,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const { statusCode: status, headers: answered } = response;
    return { status, headers: answered, body: await readObject(response.body, answerBytesMax) };
  };

  return {
    async send(asked) {
      try {
        return await exchange(asked);
      } catch (error) {
        // Only the code goes on: the error of the driver may carry the request, and with it what must not be told.
        throw new GatewayUnavailableError(`no answer from the ${name} (${errorCode(error)})`);
      }
    },
    close: () => agent.close(),
  };
}

/** An answer that proves nothing, as an error. `code` is the other side's word for it, when it has one. */
export function unavailable(name: string, answer: RawAnswer, code: string | null): GatewayUnavailableError {
  const retryAfterMs = parseRetryAfterMs(answer.headers['retry-after'], Date.now());
  return new GatewayUnavailableError(
    `the ${name} answered ${answer.status}${code === null ? '' : ` (${code})`}`,
    retryAfterMs === undefined ? {} : { retryAfterSeconds: Math.max(0, Math.ceil(retryAfterMs / 1_000)) },
  );
}

/**
 * One part of a path, encoded. Dot segments would be resolved even in their encoded form, and lead elsewhere.
 * @throws RangeError for an id that cannot be one part of a path: a bug in the caller
 */
export function pathPart(id: string): string {
  if (id === '' || id === '.' || id === '..') throw new RangeError('this id cannot be part of a path');
  return encodeURIComponent(id);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns null for anything but a JSON object. @throws Error when the answer is longer than the cap */
async function readObject(
  stream: Dispatcher.ResponseData['body'],
  answerBytesMax: number,
): Promise<JsonObject | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) {
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

function errorCode(error: unknown): string {
  const { name, code } = error as { name?: unknown; code?: unknown };
  if (name === 'TimeoutError') return 'timeout';
  return typeof code === 'string' ? code : 'unknown';
}
