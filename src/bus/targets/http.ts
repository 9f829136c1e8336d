import { Agent } from 'undici';
import { InvalidTargetError } from '../../errors';
import {
  AddressBlockedError,
  checkTargetName,
  checkTargetUrl,
  guardedConnector,
  type AddressPolicy,
} from './address-guard';
import { credentialHeader, isHeaderSecret } from './connection';
import { formBody } from './form-body';
import { HTTP_PROPERTIES, parseHttpTargetConfig, type HttpTargetConfig } from './http-config';
import { attemptExchange } from './http-exchange';
import type { OpenTargetDeps, TargetKind } from './kind';
import { TokenSource } from './oauth-token';
import type { SendOutcome, Target, TargetRequest } from './target';
import { signatureHeaders } from './webhook-signature';

export { clampRetryAfterMs } from '../../domain/deliveries';

/** Node's own limit for headers; a larger answer fails. */
const ANSWER_HEADER_BYTES_MAX = 16 * 1_024;
/** Sockets to one endpoint. More sends than this wait for a free one, on their own time. */
const CONNECTIONS_MAX = 128;
/** A connection lives on no longer than this without a send, whatever the endpoint offers, so that names are asked again. */
const KEEP_ALIVE_MS_MAX = 30_000;

/** What of the dependencies a target over HTTP uses. */
export type HttpTargetDeps = Pick<OpenTargetDeps, 'allowPrivate' | 'connection' | 'now' | 'lookup'> &
  Partial<Pick<OpenTargetDeps, 'signature'>>;

/**
 * An API destination. Each attempt is one request that never follows a redirect and ends within `timeoutMs`. Beside the
 * static headers it carries `webhook-id` (the event's id) and `idempotency-key` and `x-aftercommit-delivery-id` (the
 * delivery's id: two rules may send one event to the same endpoint). A repeat has the same bytes and the same headers, but
 * for the time and the signature of one that is signed.
 * Outcomes: see outcomeOfAnswer and outcomeOfFailure; messages never hold payloads, header values or the answer's text.
 */
export function createHttpTarget(config: HttpTargetConfig, deps: HttpTargetDeps): Target {
  const agent = new Agent({
    connect: guardedConnector({ ...deps, timeoutMs: config.timeoutMs }),
    connections: CONNECTIONS_MAX,
    maxHeaderSize: ANSWER_HEADER_BYTES_MAX,
    keepAliveMaxTimeout: KEEP_ALIVE_MS_MAX,
    // The time of the whole attempt is bounded in `attemptExchange`.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const fixedHeaders = headersOfTarget(config, deps);
  const blocked = addressRefusal(config.url, deps);
  const now = deps.now ?? Date.now;
  const tokens = tokensOf(config, deps, agent);
  let closing: Promise<void> | undefined;
  return {
    send: async (delivery) => {
      if (blocked !== null) return outcomeOfBlocked(blocked);
      const body = config.encoding === 'form' ? formBody(delivery.payload) : null;
      if (body?.kind === 'refused') return outcomeOfPayload(body.message);
      const text = body?.text ?? delivery.payload;
      const headers = {
        ...fixedHeaders,
        ...headersOfDelivery(delivery),
        ...headersOfSignature(delivery, text, { signature: deps.signature ?? null, now }),
      };
      return attemptExchange({ agent, config, headers, body: text, tokens, now });
    },
    close: () => (closing ??= agent.close().then(() => undefined)),
  };
}

/** The kind `http` of the registry. */
export const httpKind: TargetKind = {
  properties: HTTP_PROPERTIES,
  connections: ['basic', 'bearer', 'api_key', 'oauth_client_credentials'],
  signs: true,
  validate: parseHttpTargetConfig,
  verify: (config, policy, lookup) =>
    checkTargetName(new URL((config as HttpTargetConfig).url), policy, lookup),
  // Stored addresses were checked under the policy of their day; today's policy is applied to each send.
  open: (config, deps) => createHttpTarget(parseHttpTargetConfig(config, { allowPrivate: true }), deps),
};

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
  if (connection !== null && isHeaderSecret(connection)) {
    const { name, value } = credentialHeader(connection);
    headers[name] = value;
  }
  return headers;
}

function headersOfDelivery({ event, deliveryId, replayId }: TargetRequest): Record<string, string> {
  return {
    'webhook-id': event.id,
    'idempotency-key': deliveryId,
    'x-aftercommit-delivery-id': deliveryId,
    ...(replayId === null ? {} : { 'replay-id': replayId }),
  };
}

/** The time is that of this attempt, so that a receiver can refuse what is old; the body is that of every attempt. */
function headersOfSignature(
  { event }: TargetRequest,
  body: string,
  { signature, now }: { signature: OpenTargetDeps['signature']; now: () => number },
): Record<string, string> {
  if (signature === null) return {};
  const timestampSeconds = Math.floor(now() / 1_000);
  return signatureHeaders({ id: event.id, timestampSeconds, body }, signature);
}

function tokensOf(config: HttpTargetConfig, deps: HttpTargetDeps, agent: Agent): TokenSource | null {
  const { connection, allowPrivate, now = Date.now } = deps;
  if (connection?.kind !== 'oauth_client_credentials') return null;
  const { timeoutMs } = config;
  return new TokenSource({ secret: connection, dispatcher: agent, policy: { allowPrivate }, timeoutMs, now });
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
