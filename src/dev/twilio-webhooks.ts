import { createHmac, randomUUID } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest, type ClientRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { EvidenceLog } from './evidence-log';

/** One request of Twilio to the account's server. */
export interface Webhook {
  sid: string;
  status: string;
  url: string;
  params: Record<string, string>;
  /** What it is signed with. */
  authToken: string;
}

/**
 * Source: Twilio, "Webhook connection overrides", defaults: 5 s to connect (`ct`), 15 s in all (`tt`), one more try
 * (`rc`) and only when the connection failed (`rp=ct`). So a 5xx or a slow answer is not repeated.
 */
const CONNECT_TIMEOUT_MS = 5_000;
const TOTAL_TIMEOUT_MS = 15_000;
const ATTEMPTS_MAX = 2;
/** Far below the ports of loopback, far above what 2 cores answer at once. */
const CONNECTIONS_MAX = 64;

interface Attempt {
  /** The HTTP status, or null when there was none. */
  answered: number | null;
  error: string | null;
  isConnectionFailure: boolean;
}

/**
 * The signature of a form. Source: Twilio, "Webhooks security": HMAC-SHA1 over the full URL and then each parameter's
 * name and value, sorted by name, with the auth token as key, in base64.
 */
export function signatureOf(authToken: string, url: string, params: Record<string, string>): string {
  const signed = Object.keys(params)
    .sort()
    .reduce((text, name) => `${text}${name}${params[name] ?? ''}`, url);
  return createHmac('sha1', authToken).update(signed, 'utf8').digest('base64');
}

/** Posts webhooks and writes down what they were answered. */
export class TwilioWebhooks {
  readonly #agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets: CONNECTIONS_MAX }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets: CONNECTIONS_MAX }),
  };
  readonly #open = new Set<ClientRequest>();
  #isClosed = false;

  constructor(readonly log: EvidenceLog) {}

  /**
   * Resolves once the webhook was answered or given up; never rejects.
   * @param token - the same for each copy, as with Twilio's own repeats
   */
  async post(webhook: Webhook, token: string): Promise<void> {
    const { sid, status } = webhook;
    // A fragment holds connection overrides, which are for Twilio and are not sent.
    const url = webhook.url.split('#')[0] ?? '';
    for (let attempt = 1; attempt <= ATTEMPTS_MAX && !this.#isClosed; attempt += 1) {
      const { answered, error, isConnectionFailure } = await this.#attempt({ ...webhook, url }, token);
      // The log is closed with the fake, and an attempt that the fake cut itself is no fact of the receiver.
      if (this.#isClosed) return;
      const failure = error === null ? {} : { error };
      this.log.append({ type: 'callback', sid, status, url, answered, attempt, ...failure });
      if (!isConnectionFailure) return;
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const request of this.#open) request.destroy();
    this.#agents['http:'].destroy();
    this.#agents['https:'].destroy();
  }

  #attempt({ url, params, authToken }: Webhook, token: string): Promise<Attempt> {
    const body = new URLSearchParams(params).toString();
    const isTls = url.startsWith('https:');
    const request = (isTls ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      agent: this.#agents[isTls ? 'https:' : 'http:'],
      headers: {
        'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'TwilioProxy/1.1',
        'x-twilio-signature': signatureOf(authToken, url, params),
        'i-twilio-idempotency-token': token,
      },
    });
    this.#open.add(request);
    const outcome = outcomeOf(request, isTls ? 'secureConnect' : 'connect');
    request.end(body);
    return outcome.finally(() => this.#open.delete(request));
  }
}

function outcomeOf(request: ClientRequest, connected: 'connect' | 'secureConnect'): Promise<Attempt> {
  return new Promise((resolve) => {
    let isConnected = false;
    const timers: NodeJS.Timeout[] = [];
    const destroyAfter = (delayMs: number, code: string): NodeJS.Timeout => {
      const timer = setTimeout(() => {
        request.destroy(Object.assign(new Error(code), { code }));
      }, delayMs);
      timers.push(timer);
      return timer;
    };
    const finish = (attempt: Attempt): void => {
      timers.forEach(clearTimeout);
      resolve(attempt);
    };
    request.once('socket', (socket) => {
      destroyAfter(TOTAL_TIMEOUT_MS, 'timeout');
      const connecting = destroyAfter(CONNECT_TIMEOUT_MS, 'connect_timeout');
      const onConnected = (): void => {
        isConnected = true;
        clearTimeout(connecting);
      };
      if (socket.connecting) socket.once(connected, onConnected);
      else onConnected();
    });
    request.once('response', (response) => {
      response.resume();
      finish({ answered: response.statusCode ?? null, error: null, isConnectionFailure: false });
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      // A kept connection that the receiver closed meanwhile took nothing with it: Node's reusedSocket tells.
      const isStale = request.reusedSocket && error.code === 'ECONNRESET';
      const isConnectionFailure = !isConnected || isStale;
      finish({ answered: null, error: error.code ?? error.message, isConnectionFailure });
    });
  });
}

/** What Twilio sends as I-Twilio-Idempotency-Token. */
export function newIdempotencyToken(): string {
  return randomUUID();
}
