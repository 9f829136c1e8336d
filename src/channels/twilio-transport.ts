import { Pool, ProxyAgent, type Dispatcher } from 'undici';
import { RequestClient } from 'twilio';
import type PackageClient from 'twilio/lib/base/RequestClient';
import { understandAnswer } from './twilio-answer';
import { exchange } from './twilio-exchange';
import { encodeForm } from './twilio-form';

type TwilioResponse = Awaited<ReturnType<RequestClient['request']>>;

/** What the package made of its environment: `HTTP_PROXY`, as a URL's href, or `TWILIO_CA_BUNDLE`. */
interface PackageAgent {
  proxy?: { href: string };
  options?: { ca?: string | Buffer };
}

/** No answer of the API is that long, a page of 1,000 messages included; what is longer is not Twilio speaking. */
const ANSWER_BYTES_MAX = 4_194_304;
/** 300 messages a second at 200 ms each are 60 at a time. The package's default of 20 would make them wait for sockets. */
const CONNECTIONS_MAX = 100;

const FORM = 'application/x-www-form-urlencoded';

/**
 * The package's HTTP client with another inside: undici in the place of axios, with which a message takes a third of the
 * CPU (measured: 0.35 of it, 5,000 messages to a server on the same machine, 40 at once). It asks what the package's own
 * client would ask, and beyond that it may speak to another base URL, a call ends after `timeoutMs` whatever happens (the
 * package bounds only silence), and it knows whether a failed request may have been written, because only then may a
 * message have been accepted.
 *
 * It repeats nothing and follows no redirect; the package's `autoRetry` repeats a POST after a reset or a time-out, which
 * sends the message twice. It keeps nothing of a call, where the package keeps the last one for debugging, phone number
 * and token included.
 */
export class TwilioTransport extends RequestClient {
  readonly #base: URL | null;
  readonly #timeoutMs: number;
  /** By origin. One, unless the package is told of other regions. */
  readonly #dispatchers = new Map<string, Dispatcher>();

  constructor(options: { baseUrl?: string; timeoutMs: number }) {
    super({ autoRetry: false, timeout: options.timeoutMs });
    this.#base = options.baseUrl === undefined ? null : new URL(options.baseUrl);
    this.#timeoutMs = options.timeoutMs;
  }

  /** @throws TwilioCallError for anything but a 2xx answer with a JSON object */
  override async request<TData>(
    options: PackageClient.RequestOptions<TData>,
  ): Promise<TwilioResponse & { body: TData }> {
    const { origin, path } = this.#placeOf(options);
    const answer = await exchange({
      dispatcher: this.#dispatcherOf(origin),
      origin,
      path,
      method: options.method.toUpperCase(),
      headers: await headersOf(options),
      body: bodyOf(options),
      timeoutMs: this.#timeoutMs,
    });
    return understandAnswer(answer) as TwilioResponse & { body: TData };
  }

  /** Closes idle connections; what is open ends with its call. */
  close(): void {
    for (const dispatcher of this.#dispatchers.values()) void dispatcher.close();
    this.#dispatchers.clear();
  }

  #placeOf({ uri, params }: PackageClient.RequestOptions): { origin: string; path: string } {
    const { origin, pathname, search } = new URL(uri);
    const query = params === undefined ? '' : encodeForm(params);
    const path = `${pathname}${search}${query === '' ? '' : `${search === '' ? '?' : '&'}${query}`}`;
    if (this.#base === null) return { origin, path };
    return { origin: this.#base.origin, path: `${this.#base.pathname.replace(/\/$/, '')}${path}` };
  }

  #dispatcherOf(origin: string): Dispatcher {
    const known = this.#dispatchers.get(origin);
    if (known !== undefined) return known;
    const opened = this.#open(origin);
    this.#dispatchers.set(origin, opened);
    return opened;
  }

  #open(origin: string): Dispatcher {
    const options = {
      connections: CONNECTIONS_MAX,
      // One request at a time on a connection: with more, one that is cut takes others with it.
      pipelining: 1,
      maxResponseSize: ANSWER_BYTES_MAX,
      // A call has one time-out for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    const { proxy, options: agentOptions } = this.axios.defaults.httpsAgent as PackageAgent;
    // As the package does: plain HTTP goes through no proxy.
    if (proxy !== undefined && origin.startsWith('https:')) return this.#openProxy(proxy.href, options);
    const ca = agentOptions?.ca;
    return new Pool(origin, {
      ...options,
      connect: { timeout: this.#timeoutMs, ...(ca === undefined ? {} : { ca }) },
    });
  }

  #openProxy(uri: string, options: Pool.Options): Dispatcher {
    return new ProxyAgent({
      ...options,
      uri,
      requestTls: { timeout: this.#timeoutMs },
      proxyTls: { timeout: this.#timeoutMs },
      // Asks for the tunnels. Without a time-out of its own a silent proxy would hold a connection for good.
      clientFactory: (proxy, { connect }: { connect?: Pool.Options['connect'] }) =>
        new Pool(proxy, { headersTimeout: this.#timeoutMs, ...(connect === undefined ? {} : { connect }) }),
    });
  }
}

/** Without a coding: to take a compressed answer apart, which the package's client asks for, costs more than its length. */
async function headersOf(options: PackageClient.RequestOptions): Promise<Record<string, string>> {
  const { headers, username, password, authStrategy } = options;
  const known: Record<string, string> = { ...(headers as Record<string, string> | undefined) };
  known['Accept-Encoding'] = 'identity';
  if (username && password) {
    known['Authorization'] = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  } else if (authStrategy !== undefined) {
    known['Authorization'] = await authStrategy.getAuthString();
  }
  return known;
}

/** The package's resources know these two types and no other. */
function bodyOf({ data, headers }: PackageClient.RequestOptions): string | null {
  const type = (headers as Record<string, string> | undefined)?.['Content-Type'];
  if (data === undefined || data === null) return null;
  if (type === FORM) return encodeForm(data as object);
  return type === 'application/json' ? JSON.stringify(data) : null;
}
