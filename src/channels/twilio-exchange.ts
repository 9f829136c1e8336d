import type { Dispatcher } from 'undici';
import { TwilioCallError } from './twilio-answer';

/** One request, as the wire has it. */
export interface TwilioExchange {
  dispatcher: Dispatcher;
  origin: string;
  /** With its query. */
  path: string;
  method: string;
  headers: Record<string, string>;
  body: string | null;
  /** Milliseconds from the call to the last byte of its answer, waiting for a connection included. */
  timeoutMs: number;
}

/** A whole answer. `body` is its document, or its text when that is no JSON. */
export interface TwilioHttpAnswer {
  statusCode: number;
  headers: Dispatcher.ResponseData['headers'];
  body: unknown;
}

/** The driver's words for what has a plainer one. All other codes go on as they are. */
const CODES: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_SOCKET: 'ECONNRESET',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'answer_too_long',
};

/**
 * Makes one request, never repeated and never redirected.
 * @throws TwilioCallError when there was no whole answer in time: `unsent` when certainly no byte of the request has left,
 * `ambiguous` otherwise
 */
export function exchange(asked: TwilioExchange): Promise<TwilioHttpAnswer> {
  const { dispatcher, origin, path, method, headers, body, timeoutMs } = asked;
  return new Promise((resolve, reject) => {
    const call = new Call({ timeoutMs, resolve, reject });
    dispatcher.dispatch({ origin, path, method, headers, body }, call);
  });
}

interface CallOptions {
  timeoutMs: number;
  resolve: (answer: TwilioHttpAnswer) => void;
  reject: (error: TwilioCallError) => void;
}

/** What the driver tells of one request. The driver's own `request` makes a stream of each answer, which costs more. */
class Call implements Dispatcher.DispatchHandler {
  readonly #resolve: CallOptions['resolve'];
  readonly #reject: CallOptions['reject'];
  readonly #timer: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  /** Set when the request has its connection, in the same tick in which the first byte is written. */
  #controller: Dispatcher.DispatchController | null = null;
  #isGivenUp = false;
  #statusCode = 0;
  #headers: TwilioHttpAnswer['headers'] = {};

  constructor({ timeoutMs, resolve, reject }: CallOptions) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#giveUp(), timeoutMs);
  }

  /** For a connection that stands, TLS included: until now nothing can have left. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    // It waited for a connection for too long. The error takes it out of the queue and leaves the connection to others;
    // to abort would close that.
    if (this.#isGivenUp) throw new Error('this call has ended');
    this.#controller = controller;
  }

  /** Comes once more before, for an interim answer (103). */
  onResponseStart(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: TwilioHttpAnswer['headers'],
  ): void {
    this.#statusCode = statusCode;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    clearTimeout(this.#timer);
    const body = documentOf(Buffer.concat(this.#chunks).toString('utf8'));
    this.#resolve({ statusCode: this.#statusCode, headers: this.#headers, body });
  }

  onResponseError(_controller: unknown, error: Error & { code?: unknown }): void {
    clearTimeout(this.#timer);
    // The driver's error may carry what was asked, phone number and token included: only its code goes on.
    const given = typeof error.code === 'string' ? error.code : 'no_answer';
    this.#fail(CODES[given] ?? given);
  }

  #giveUp(): void {
    this.#isGivenUp = true;
    this.#fail('timeout');
    this.#controller?.abort(new Error('time-out'));
  }

  #fail(code: string): void {
    this.#reject(
      this.#controller === null
        ? new TwilioCallError('unsent', code, `no connection to Twilio (${code})`)
        : new TwilioCallError('ambiguous', code, `no answer from Twilio (${code})`),
    );
  }
}

function documentOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
