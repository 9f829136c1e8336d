import { Agent, request } from 'undici';
import { InvalidTargetError } from '../../errors';
import {
  AddressBlockedError,
  checkTargetName,
  checkTargetUrl,
  guardedConnector,
  type AddressPolicy,
} from './address-guard';
import { credentialHeader } from './connection';
import { formBody } from './form-body';
import { parseHttpTargetConfig, type HttpTargetConfig } from './http-config';
import { outcomeOfAnswer, outcomeOfFailure, outcomeOfTimeout, type HttpAnswer } from './http-outcome';
import type { OpenTargetDeps, TargetKind } from './kind';
import type { SendOutcome, Target, TargetRequest } from './target';

export { clampRetryAfterMs } from '../../domain/deliveries';

/** An answer's body is read only so that the connection can be used again; beyond this it is cut. Source: reliability, row 35. */
const ANSWER_BODY_BYTES_MAX = 64 * 1_024;
/** How long reading it may hold up the outcome, which the status has decided already. */
const ANSWER_BODY_WAIT_MS_MAX = 1_000;
/** Node's own limit for headers; a larger answer fails. */
const ANSWER_HEADER_BYTES_MAX = 16 * 1_024;
/** Sockets to one endpoint. More sends than this wait for a free one, on their own time. */
const CONNECTIONS_MAX = 128;
/** A connection lives on no longer than this without a send, whatever the endpoint offers, so that names are asked again. */
const KEEP_ALIVE_MS_MAX = 30_000;

/**
 * An API destination. Each attempt is one request that never follows a redirect and ends within `timeoutMs`. Beside the
 * static headers it carries `webhook-id` (the event's id) and `idempotency-key` and `x-aftercommit-delivery-id` (the
 * delivery's id: two rules may send one event to the same endpoint). A repeat has the same headers and the same bytes.
 * Outcomes: see outcomeOfAnswer and outcomeOfFailure; messages never hold payloads, header values or the answer's text.
 */
export function createHttpTarget(config: HttpTargetConfig, deps: Omit<OpenTargetDeps, 'logger'>): Target {
  const agent = new Agent({
    connect: guardedConnector({ ...deps, timeoutMs: config.timeoutMs }),
    connections: CONNECTIONS_MAX,
    maxHeaderSize: ANSWER_HEADER_BYTES_MAX,
    keepAliveMaxTimeout: KEEP_ALIVE_MS_MAX,
    // The time of the whole attempt is bounded in `exchange`.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const fixedHeaders = headersOfTarget(config, deps);
  const blocked = addressRefusal(config.url, deps);
  const now = deps.now ?? Date.now;
  let closing: Promise<void> | undefined;
  return {
    send: async (delivery) => {
      if (blocked !== null) return outcomeOfBlocked(blocked);
      const body = config.encoding === 'form' ? formBody(delivery.payload) : null;
      if (body?.kind === 'refused') return outcomeOfPayload(body.message);
      const headers = { ...fixedHeaders, ...headersOfDelivery(delivery) };
      return exchange({ agent, config, headers, body: body?.text ?? delivery.payload, now });
    },
    close: () => (closing ??= agent.close().then(() => undefined)),
  };
}

/** The kind `http` of the registry. */
export const httpKind: TargetKind = {
  validate: parseHttpTargetConfig,
  verify: (config, policy, lookup) =>
    checkTargetName(new URL((config as HttpTargetConfig).url), policy, lookup),
  // Stored addresses were checked under the policy of their day; today's policy is applied to each send.
  open: (config, deps) => createHttpTarget(parseHttpTargetConfig(config, { allowPrivate: true }), deps),
};

interface Exchange {
  agent: Agent;
  config: HttpTargetConfig;
  headers: Record<string, string>;
  body: string;
  now: () => number;
}

async function exchange({ agent, config, headers, body, now }: Exchange): Promise<SendOutcome> {
  const startedAt = performance.now();
  const latencyMs = (): number => Math.round(performance.now() - startedAt);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), config.timeoutMs);
  try {
    const response = await request(config.url, {
      dispatcher: agent,
      method: config.method,
      headers,
      body,
      signal: timeout.signal,
    });
    const { statusCode: status, headers: answered } = response;
    const answer: HttpAnswer = {
      status,
      retryAfter: answered['retry-after'],
      latencyMs: latencyMs(),
      now: now(),
    };
    await discard(response.body, timeout);
    return outcomeOfAnswer(answer);
  } catch (error) {
    if (timeout.signal.aborted) return outcomeOfTimeout(config.timeoutMs, latencyMs());
    const outcome = outcomeOfFailure(error, latencyMs());
    if (outcome === null) throw error;
    return outcome;
  } finally {
    clearTimeout(timer);
  }
}

/** Reads the rest of an answer, within its caps. However that ends, the status counts. */
async function discard(
  body: { dump(options: { limit: number }): Promise<void> },
  timeout: AbortController,
): Promise<void> {
  const timer = setTimeout(() => timeout.abort(), ANSWER_BODY_WAIT_MS_MAX);
  await body.dump({ limit: ANSWER_BODY_BYTES_MAX }).catch(() => undefined);
  clearTimeout(timer);
}

function headersOfTarget(
  config: HttpTargetConfig,
  { connection }: Pick<OpenTargetDeps, 'connection'>,
): Record<string, string> {
  const contentType = config.encoding === 'form' ? 'application/x-www-form-urlencoded' : 'application/json';
  const headers: Record<string, string> = {
    'content-type': contentType,
    'user-agent': 'aftercommit',
    ...config.headers,
  };
  if (connection !== null) {
    const { name, value } = credentialHeader(connection);
    headers[name] = value;
  }
  return headers;
}

function headersOfDelivery({ event, deliveryId }: TargetRequest): Record<string, string> {
  return { 'webhook-id': event.id, 'idempotency-key': deliveryId, 'x-aftercommit-delivery-id': deliveryId };
}

function addressRefusal(url: string, policy: AddressPolicy): AddressBlockedError | null {
  try {
    checkTargetUrl(url, policy);
    return null;
  } catch (error) {
    if (!(error instanceof InvalidTargetError)) throw error;
    return new AddressBlockedError(error.message, { cause: error });
  }
}

function outcomeOfBlocked({ code, message }: AddressBlockedError): SendOutcome {
  return { kind: 'dead', status: null, latencyMs: 0, code, message };
}

function outcomeOfPayload(message: string): SendOutcome {
  return { kind: 'dead', status: null, latencyMs: 0, code: 'template_error', message };
}
