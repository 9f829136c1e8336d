import type { SendOutcome } from './target';

/** Why an attempt at a broker came to nothing, and what that means for the next one. */
export interface BrokerFailure {
  /** `retry`: may work later. `dead`: never will as it is. */
  kind: 'retry' | 'dead';
  code: string;
  message: string;
  /** Whether the connection can be used again. When in doubt it is lost: a new one costs less than one that hangs. */
  connection: 'kept' | 'lost';
}

/** A failure that may pass; the broker answered, so the connection is fine. */
export function later(code: string, message: string): BrokerFailure {
  return { kind: 'retry', code, message, connection: 'kept' };
}

/** A failure of the connection, after which nothing is known of the event. */
export function connectionLost(code: string, message: string): BrokerFailure {
  return { kind: 'retry', code, message, connection: 'lost' };
}

/** A refusal for good. */
export function refused(code: string, message: string): BrokerFailure {
  return { kind: 'dead', code, message, connection: 'kept' };
}

/** The broker does not know the credentials, or does not let them send here; a new connection may have new rights. */
export const ACCESS_DENIED: BrokerFailure = {
  kind: 'dead',
  code: 'access_denied',
  message: 'The broker does not let these credentials send here.',
  connection: 'lost',
};

export const MESSAGE_TOO_LARGE = refused('message_too_large', 'The event is larger than the broker takes.');
export const THROTTLED = later('throttled', 'The broker asks to send more slowly.');
export const BROKER_UNAVAILABLE = later('broker_unavailable', 'The broker cannot take events now.');
export const TARGET_CLOSED = connectionLost('target_closed', 'The target was closed.');

/** What an attempt comes to whose whole time was used up. */
export function timedOut(timeoutMs: number): BrokerFailure {
  return connectionLost('timeout', `The broker did not acknowledge within ${timeoutMs} ms.`);
}

/** Codes of Node's sockets by what they mean to an operator; the first that matches counts. */
const SOCKET_FAILURES: readonly { causes: RegExp; code: string; message: string }[] = [
  { causes: /^ECONNREFUSED$/, code: 'connection_refused', message: 'The broker refused the connection.' },
  {
    causes: /^(ECONNRESET|EPIPE|ECONNABORTED)$/,
    code: 'connection_reset',
    message: 'The connection was closed before the acknowledgement.',
  },
  { causes: /^ETIMEDOUT$/, code: 'timeout', message: 'The broker did not answer in time.' },
  {
    causes: /^(ENOTFOUND|EAI_.*|ENODATA|ESERVFAIL)$/,
    code: 'dns_error',
    message: "The broker's name could not be resolved.",
  },
  {
    causes: /^(EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN)$/,
    code: 'host_unreachable',
    message: 'There is no way to the broker.',
  },
  {
    causes: /^(ERR_(TLS|SSL|OSSL)_.*|EPROTO|CERT_.*|UNABLE_TO_.*|.*SELF_SIGNED_CERT.*|HOSTNAME_MISMATCH)$/,
    code: 'tls_error',
    message: 'The secure connection could not be established.',
  },
];

/** What a socket's error code means, or null when it is none. */
export function socketFailure(code: unknown): BrokerFailure | null {
  if (typeof code !== 'string') return null;
  const found = SOCKET_FAILURES.find(({ causes }) => causes.test(code));
  return found === undefined ? null : connectionLost(found.code, found.message);
}

/** How many errors may be wrapped in one another; a ring of causes must not be followed for ever. */
const CAUSES_MAX = 8;

/**
 * An error and what caused it, outermost first. Read without `instanceof`: an error of Node itself need not be an Error of
 * the realm that this code runs in.
 */
export function causesOf(error: unknown): Record<string, unknown>[] {
  const causes: Record<string, unknown>[] = [];
  let next = error;
  while (typeof next === 'object' && next !== null && causes.length < CAUSES_MAX) {
    const cause = next as Record<string, unknown>;
    causes.push(cause);
    next = cause['cause'] ?? cause['originalError'];
  }
  return causes;
}

/**
 * What an error says that no broker's own rules know. Nothing is taken from its text, which may hold addresses. Whether
 * the event arrived is unknown, so it is tried again, on a new connection.
 */
export function failureOfSocket(error: unknown): BrokerFailure {
  for (const { code } of causesOf(error)) {
    const failure = socketFailure(code);
    if (failure !== null) return failure;
  }
  return connectionLost('connection_error', 'The connection to the broker failed.');
}

/** The outcome of an attempt; null means that the broker acknowledged. No broker here answers with an HTTP status. */
export function outcomeOf(failure: BrokerFailure | null, latencyMs: number): SendOutcome {
  if (failure === null) return { kind: 'delivered', status: null, latencyMs };
  const { kind, code, message } = failure;
  return { kind, status: null, latencyMs, code, message };
}
