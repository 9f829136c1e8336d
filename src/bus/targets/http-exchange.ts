import { request, type Agent } from 'undici';
import type { HttpTargetConfig } from './http-config';
import { outcomeOfAnswer, outcomeOfFailure, outcomeOfTimeout } from './http-outcome';
import type { TokenAnswer, TokenSource } from './oauth-token';
import type { SendOutcome } from './target';

/** An answer's body is read only so that the connection can be used again; beyond this it is cut. Source: reliability, row 35. */
const ANSWER_BODY_BYTES_MAX = 64 * 1_024;
/** How long reading it may hold up the outcome, which the status has decided already. */
const ANSWER_BODY_WAIT_MS_MAX = 1_000;
/** The credentials may be what is wrong. Source: reliability, row 32. */
const REFUSED_CREDENTIALS: readonly (number | null)[] = [401, 403];

export interface Exchange {
  agent: Agent;
  config: HttpTargetConfig;
  headers: Record<string, string>;
  body: string;
  /** Null when the headers hold all credentials that there are. */
  tokens: TokenSource | null;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** One request of an attempt, and what the attempt has left of its time. */
interface Attempt {
  exchange: Exchange;
  signal: AbortSignal;
  latencyMs: () => number;
}

/**
 * One attempt, which ends within the target's time. With a token it has up to two requests: a token that the endpoint
 * refuses is replaced once, because it may have been revoked before it expired.
 */
export async function attemptExchange(exchange: Exchange): Promise<SendOutcome> {
  const { config, tokens } = exchange;
  const startedAt = performance.now();
  const latencyMs = (): number => Math.round(performance.now() - startedAt);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), config.timeoutMs);
  const attempt = { exchange, signal: timeout.signal, latencyMs };
  try {
    return await (tokens === null ? ask(attempt, {}) : askWithToken(attempt, tokens));
  } catch (error) {
    if (timeout.signal.aborted) return outcomeOfTimeout(config.timeoutMs, latencyMs());
    const outcome = outcomeOfFailure(error, latencyMs());
    if (outcome === null) throw error;
    return outcome;
  } finally {
    clearTimeout(timer);
  }
}

async function askWithToken(attempt: Attempt, tokens: TokenSource): Promise<SendOutcome> {
  const first = await tokenWithin(attempt, tokens);
  if (first.kind === 'none') return first.outcome;
  const outcome = await ask(attempt, authorizationOf(first.token));
  if (!REFUSED_CREDENTIALS.includes(outcome.status)) return outcome;
  tokens.forget(first.token);
  const second = await tokenWithin(attempt, tokens);
  return second.kind === 'none' ? second.outcome : ask(attempt, authorizationOf(second.token));
}

function authorizationOf(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Others may wait for the same token, so that waiting ends with the attempt and the request for it goes on. */
function tokenWithin({ signal, latencyMs }: Attempt, tokens: TokenSource): Promise<TokenAnswer> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      const message = 'No token: timeout.';
      const outcome = { kind: 'retry', status: null, code: 'token_unavailable', message } as const;
      resolve({ kind: 'none', outcome: { ...outcome, latencyMs: latencyMs() } });
    };
    if (signal.aborted) return giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    tokens
      .token()
      .then((answer) =>
        answer.kind === 'token'
          ? answer
          : { ...answer, outcome: { ...answer.outcome, latencyMs: latencyMs() } },
      )
      .finally(() => signal.removeEventListener('abort', giveUp))
      .then(resolve, reject);
  });
}

async function ask(attempt: Attempt, credentials: Record<string, string>): Promise<SendOutcome> {
  const { exchange, signal, latencyMs } = attempt;
  const { agent, config, headers, body, now } = exchange;
  // Of this request only: what is cut here must not end a second one.
  const cut = new AbortController();
  const response = await request(config.url, {
    dispatcher: agent,
    method: config.method,
    headers: { ...headers, ...credentials },
    body,
    signal: AbortSignal.any([signal, cut.signal]),
  });
  const answer = {
    status: response.statusCode,
    retryAfter: response.headers['retry-after'],
    latencyMs: latencyMs(),
    now: now(),
  };
  await discard(response.body, cut);
  return outcomeOfAnswer(answer);
}

/** Reads the rest of an answer, within its caps. However that ends, the status counts. */
async function discard(
  body: { dump(options: { limit: number }): Promise<void> },
  cut: AbortController,
): Promise<void> {
  const timer = setTimeout(() => cut.abort(), ANSWER_BODY_WAIT_MS_MAX);
  await body.dump({ limit: ANSWER_BODY_BYTES_MAX }).catch(() => undefined);
  clearTimeout(timer);
}
