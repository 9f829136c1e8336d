import { AsyncLocalStorage } from 'node:async_hooks';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { RequestClient } from 'twilio';
import type PackageClient from 'twilio/lib/base/RequestClient';
import { TwilioCallError, understandAnswer } from './twilio-answer';

type TwilioResponse = Awaited<ReturnType<RequestClient['request']>>;

/** What is known of the request that an asynchronous call stack makes. */
interface Progress {
  /** Whether a byte of it may have left. Starts true, so that a request whose connection was not seen counts as sent. */
  maybeWritten: boolean;
  signal: AbortSignal;
}

/** No answer of the API is that long, a page of 1,000 messages included; what is longer is not Twilio speaking. */
const ANSWER_BYTES_MAX = 4_194_304;
/** 300 messages a second at 200 ms each are 60 at a time. The package's default of 20 would make them wait for sockets. */
const SOCKETS_MAX = 100;

const progressOfCall = new AsyncLocalStorage<Progress>();

/**
 * The package's own HTTP client with three additions: it may speak to another base URL, a call ends after `timeoutMs`
 * whatever happens (the package bounds only silence), and it knows whether a failed request may have been written,
 * because only then may a message have been accepted.
 *
 * `autoRetry` stays off: it repeats a POST after a reset or a time-out, which sends the message twice.
 */
export class TwilioTransport extends RequestClient {
  readonly #base: URL | null;
  readonly #timeoutMs: number;

  constructor(options: { baseUrl?: string; timeoutMs: number }) {
    super({
      autoRetry: false,
      timeout: options.timeoutMs,
      keepAlive: true,
      maxSockets: SOCKETS_MAX,
      maxFreeSockets: SOCKETS_MAX,
      maxTotalSockets: SOCKETS_MAX,
    });
    this.#base = options.baseUrl === undefined ? null : new URL(options.baseUrl);
    this.#timeoutMs = options.timeoutMs;
    this.axios.defaults.httpAgent = new http.Agent({
      keepAlive: true,
      timeout: options.timeoutMs,
      maxSockets: SOCKETS_MAX,
    });
    this.axios.interceptors.request.use((config) => {
      const progress = progressOfCall.getStore();
      return Object.assign(config, {
        transport: observedTransport,
        maxContentLength: ANSWER_BYTES_MAX,
        ...(progress === undefined ? {} : { signal: progress.signal }),
      });
    });
  }

  /** @throws TwilioCallError for anything but a 2xx answer with a JSON object */
  override async request<TData>(
    options: PackageClient.RequestOptions<TData>,
  ): Promise<TwilioResponse & { body: TData }> {
    const progress: Progress = { maybeWritten: true, signal: AbortSignal.timeout(this.#timeoutMs) };
    const uri = this.#rebase(options.uri);
    let response: TwilioResponse;
    try {
      response = await progressOfCall.run(progress, () => super.request<TData>({ ...options, uri }));
    } catch (error) {
      // The driver's error carries the whole request, phone number and token included: only its code goes on.
      throw noAnswer(error, progress);
    } finally {
      // The package keeps them for debugging; they hold phone numbers and the token.
      delete this.lastRequest;
      delete this.lastResponse;
    }
    return understandAnswer(response) as TwilioResponse & { body: TData };
  }

  /** Closes idle connections; what is open ends with its call. */
  close(): void {
    for (const agent of [this.axios.defaults.httpAgent, this.axios.defaults.httpsAgent] as http.Agent[]) {
      agent.destroy();
    }
  }

  #rebase(uri: string): string {
    if (this.#base === null) return uri;
    const { pathname, search } = new URL(uri);
    return new URL(`${this.#base.pathname.replace(/\/$/, '')}${pathname}${search}`, this.#base).href;
  }
}

function noAnswer(error: unknown, { maybeWritten, signal }: Progress): TwilioCallError {
  const given = (error as { code?: unknown }).code;
  const timedOut = signal.aborted || given === 'ECONNABORTED';
  const code = timedOut ? 'timeout' : typeof given === 'string' ? given : 'no_answer';
  return maybeWritten
    ? new TwilioCallError('ambiguous', code, `no answer from Twilio (${code})`)
    : new TwilioCallError('unsent', code, `no connection to Twilio (${code})`);
}

/** Node's own transport that tells when the connection stands: from then on bytes of the request may be on their way. */
const observedTransport = {
  request(options: https.RequestOptions, onResponse: (response: IncomingMessage) => void): ClientRequest {
    const isTls = options.protocol === 'https:';
    const request = (isTls ? https : http).request(options, onResponse);
    const progress = progressOfCall.getStore();
    if (progress === undefined) return request;
    progress.maybeWritten = false;
    request.once('socket', (socket: Socket) => {
      if (request.reusedSocket) progress.maybeWritten = true;
      else onConnected(socket, isTls, () => (progress.maybeWritten = true));
    });
    return request;
  },
};

function onConnected(socket: Socket, isTls: boolean, connected: () => void): void {
  if (isTls && socket instanceof TLSSocket) {
    // Nothing of the request can leave before the handshake is done. A request that waited for a free socket may get one
    // whose handshake was done for another.
    if (socket.getFinished() === undefined) socket.once('secureConnect', connected);
    else connected();
  } else if (socket.connecting) {
    socket.once('connect', connected);
  } else {
    connected();
  }
}
