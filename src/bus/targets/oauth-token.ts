import type { LookupFunction } from 'node:net';
import { request, type Dispatcher } from 'undici';
import { InvalidConnectionError, InvalidTargetError } from '../../errors';
import { AddressBlockedError, checkTargetName, checkTargetUrl, type AddressPolicy } from './address-guard';
import type { OAuthSecret } from './connection';
import { outcomeOfAnswer, outcomeOfFailure, outcomeOfTimeout } from './http-outcome';
import type { SendOutcome } from './target';

/** A token is taken for expired so long before it is, because it must live until the endpoint has read it. */
const EARLY_MS_MAX = 30_000;
/** Of a short life only this part is given away. */
const EARLY_SHARE = 0.1;
/** For servers that do not say how long a token lives; a 401 brings a new one sooner. Source: RFC 6749, section 5.1. */
const LIFETIME_SECONDS_DEFAULT = 300;
/** A longer life is not believed: secrets are rotated. */
const LIFETIME_SECONDS_MAX = 24 * 60 * 60;
/** A token answer has some kilobytes even with a large JSON Web Token in it. */
const ANSWER_BYTES_MAX = 64 * 1_024;
/** Longer ones meet header limits of common servers. Source of the characters: RFC 6750, section 2.1, and what a header can hold. */
const TOKEN = /^[\x21-\x7e]{1,8192}$/;

/** A token, or what its absence means for the delivery that needed it. */
export type TokenAnswer = { kind: 'token'; token: string } | { kind: 'none'; outcome: SendOutcome };

export interface TokenSourceOptions {
  secret: OAuthSecret;
  /** Guards addresses like those of the endpoint itself. */
  dispatcher: Dispatcher;
  policy: AddressPolicy;
  timeoutMs: number;
  /** Milliseconds since 1970. */
  now: () => number;
}

/**
 * Access tokens by client credentials (RFC 6749, section 4.4). One token serves all sends until shortly before it expires;
 * sends that need a new one at the same time share one request.
 *
 * When there is none: a token endpoint that refuses (4xx but 408, 425 and 429, or a redirect) is dead, `token_refused`,
 * like an endpoint that refuses the credentials themselves, because repeats with the same ones are as useless there and
 * may lock the client out (source: reliability, row 32); all else is tried again, `token_unavailable`.
 */
export class TokenSource {
  readonly #options: TokenSourceOptions;
  #current: { token: string; usableUntil: number } | undefined;
  #fetching: Promise<TokenAnswer> | undefined;

  constructor(options: TokenSourceOptions) {
    this.#options = options;
  }

  /** Resolves within the timeout. @throws for bugs only */
  token(): Promise<TokenAnswer> {
    const { token, usableUntil } = this.#current ?? { token: '', usableUntil: -Infinity };
    if (this.#options.now() < usableUntil) return Promise.resolve({ kind: 'token', token });
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  /** The endpoint refused this token. What was fetched since stays. */
  forget(token: string): void {
    if (this.#current?.token === token) this.#current = undefined;
  }

  async #fetch(): Promise<TokenAnswer> {
    const { secret, policy, timeoutMs } = this.#options;
    const startedAt = performance.now();
    const latencyMs = (): number => Math.round(performance.now() - startedAt);
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      checkTargetUrl(secret.tokenUrl, policy);
      return await this.#ask(signal, latencyMs);
    } catch (error) {
      const cause = error instanceof InvalidTargetError ? new AddressBlockedError(error.message) : error;
      const outcome = signal.aborted
        ? outcomeOfTimeout(timeoutMs, latencyMs())
        : outcomeOfFailure(cause, latencyMs());
      if (outcome === null) throw error;
      return { kind: 'none', outcome: unavailable(outcome) };
    }
  }

  async #ask(signal: AbortSignal, latencyMs: () => number): Promise<TokenAnswer> {
    const { secret, dispatcher, now } = this.#options;
    const { statusCode, headers, body } = await request(secret.tokenUrl, {
      dispatcher,
      method: 'POST',
      headers: { authorization: basicOf(secret), accept: 'application/json', 'content-type': FORM },
      body: formOf(secret),
      signal,
    });
    const answeredAt = now();
    const text = await limitedText(body);
    const outcome = outcomeOfAnswer({
      status: statusCode,
      retryAfter: headers['retry-after'],
      latencyMs: latencyMs(),
      now: answeredAt,
    });
    if (outcome.kind !== 'delivered') return { kind: 'none', outcome: unavailable(outcome) };
    const issued = readAnswer(text);
    if (issued === null) return { kind: 'none', outcome: unusable(latencyMs()) };
    const lifetimeMs = issued.lifetimeSeconds * 1_000;
    const earlyMs = Math.min(EARLY_MS_MAX, lifetimeMs * EARLY_SHARE);
    this.#current = { token: issued.token, usableUntil: answeredAt + lifetimeMs - earlyMs };
    return { kind: 'token', token: issued.token };
  }
}

/**
 * The checks of a token URL before it is stored, the same that an endpoint's own URL gets.
 * @throws InvalidConnectionError (not retryable), pointer `/tokenUrl`
 */
export async function verifyTokenUrl(
  tokenUrl: string,
  policy: AddressPolicy,
  lookup?: LookupFunction,
): Promise<void> {
  try {
    await checkTargetName(checkTargetUrl(tokenUrl, policy), policy, lookup);
  } catch (error) {
    if (!(error instanceof InvalidTargetError)) throw error;
    const { message } = error;
    throw new InvalidConnectionError(message, { fields: [{ pointer: '/tokenUrl', message }] });
  }
}

const FORM = 'application/x-www-form-urlencoded';

function formOf({ scope }: OAuthSecret): string {
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  if (scope !== '') form.append('scope', scope);
  return form.toString();
}

/** Both parts are form-encoded before they are joined. Source: RFC 6749, section 2.3.1. */
function basicOf({ clientId, clientSecret }: OAuthSecret): string {
  const [id, secret] = [clientId, clientSecret].map((part) =>
    new URLSearchParams({ part }).toString().slice(5),
  );
  return `Basic ${Buffer.from(`${id}:${secret}`, 'utf8').toString('base64')}`;
}

/** At most `ANSWER_BYTES_MAX`; what is longer is cut, and then is no JSON. */
async function limitedText(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) break;
  }
  return Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX).toString('utf8');
}

/** Null for what is no token that can be used as a bearer token. Source: RFC 6749, sections 5.1 and 7.1. */
function readAnswer(text: string): { token: string; lifetimeSeconds: number } | null {
  const answer = parseObject(text);
  const { access_token: token, token_type: type, expires_in: expiresIn } = answer;
  if (typeof token !== 'string' || !TOKEN.test(token)) return null;
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') return null;
  // Some servers write the number as a text.
  const seconds =
    expiresIn === undefined || expiresIn === null ? LIFETIME_SECONDS_DEFAULT : Number(expiresIn);
  if (!Number.isFinite(seconds)) return null;
  return { token, lifetimeSeconds: Math.min(Math.max(seconds, 0), LIFETIME_SECONDS_MAX) };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The endpoint itself was not asked, so there is no status of it; the message names that of the token endpoint. */
function unavailable(outcome: SendOutcome): SendOutcome {
  if (outcome.kind === 'delivered') return outcome;
  if (outcome.kind === 'dead' && outcome.status === null) {
    return { ...outcome, message: `The token URL: ${outcome.message}` };
  }
  const { status, code } = outcome;
  const message = status === null ? `No token: ${code}.` : `No token: the token endpoint answered ${status}.`;
  return outcome.kind === 'dead'
    ? { ...outcome, status: null, code: 'token_refused', message }
    : { ...outcome, status: null, code: 'token_unavailable', message };
}

function unusable(latencyMs: number): SendOutcome {
  const message = 'No token: the token endpoint gave none that can be used.';
  return { kind: 'retry', status: null, latencyMs, code: 'token_unavailable', message };
}
