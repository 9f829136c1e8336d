import { AddressBlockedError } from './address-guard';
import { believedRetryAfterMs } from './retry-after';
import type { SendOutcome } from './target';

export interface HttpAnswer {
  status: number;
  /** The Retry-After header as it came. */
  retryAfter: unknown;
  latencyMs: number;
  /** Milliseconds since 1970, for a Retry-After that is a date. */
  now: number;
}

/** 408 and 425 ask for a repeat of the same request. Source: RFC 9110, section 15.5.9; RFC 8470. */
const REPEATABLE = [408, 425, 429];

/**
 * What an answer's status says about a delivery: 2xx is delivered whatever the body; redirects are never followed; 408,
 * 425, 429 and 5xx may work later (and so may what lies beyond 599, which RFC 9110, section 15, reads as 5xx); all else
 * never will. Source: reliability, rows 30-37.
 */
export function outcomeOfAnswer({ status, retryAfter, latencyMs, now }: HttpAnswer): SendOutcome {
  if (status >= 200 && status < 300) return { kind: 'delivered', status, latencyMs };
  const message = `The endpoint answered ${status}.`;
  if (status >= 300 && status < 400) {
    return { kind: 'dead', status, latencyMs, code: 'redirect_refused', message };
  }
  if (status === 410) return { kind: 'dead', status, latencyMs, code: 'endpoint_gone', message };
  if (status < 500 && !REPEATABLE.includes(status)) {
    return { kind: 'dead', status, latencyMs, code: `http_${status}`, message };
  }
  const retryAfterMs = status === 429 || status === 503 ? believedRetryAfterMs(retryAfter, now) : undefined;
  const outcome = { kind: 'retry', status, latencyMs, code: `http_${status}`, message } as const;
  return retryAfterMs === undefined ? outcome : { ...outcome, retryAfterMs };
}

/** Codes (and names) of Node's and undici's errors by what they mean to an operator; the first that matches counts. */
const FAILURES: readonly { causes: RegExp; code: string; message: string }[] = [
  { causes: /^ECONNREFUSED$/, code: 'connection_refused', message: 'The endpoint refused the connection.' },
  {
    causes: /^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/,
    code: 'connection_reset',
    message: 'The connection was closed before the answer was complete.',
  },
  {
    causes: /^(ETIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/,
    code: 'timeout',
    message: 'The endpoint did not answer in time.',
  },
  {
    causes: /^(ENOTFOUND|EAI_.*|ENODATA|ESERVFAIL)$/,
    code: 'dns_error',
    message: 'The host name could not be resolved.',
  },
  {
    causes: /^(EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN)$/,
    code: 'host_unreachable',
    message: 'There is no way to the endpoint.',
  },
  {
    causes:
      /^(ERR_(TLS|SSL|OSSL)_.*|EPROTO|CERT_.*|UNABLE_TO_.*|.*SELF_SIGNED_CERT.*|CRL_.*|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE))$/,
    code: 'tls_error',
    message: 'The secure connection could not be established.',
  },
  {
    causes: /^UND_ERR_HEADERS_OVERFLOW$/,
    code: 'answer_headers_too_large',
    message: "The answer's headers are too large.",
  },
  {
    causes: /^(HPE_|HTTPParserError$)/,
    code: 'invalid_answer',
    message: 'The endpoint did not answer in HTTP.',
  },
  {
    causes: /^UND_ERR_(DESTROYED|CLOSED|ABORTED)$/,
    code: 'target_closed',
    message: 'The target was closed while it was sending.',
  },
];

const OTHER_FAILURE = { code: 'connection_error', message: 'The connection failed.' };

/** What only a wrong call of ours raises, whatever the other side does. */
const BUG_CODES = /^(ERR_INVALID_|ERR_ASSERTION|UND_ERR_(INVALID_|NOT_SUPPORTED|REQ_))/;
const BUG_NAMES = ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'AssertionError'];

/**
 * What a failed exchange says about a delivery. Nothing is taken from the error's own text, which may hold addresses or
 * header values. Whether the request arrived is unknown, so everything but a blocked address is tried again.
 * @returns null for an error that no exchange raises: a bug, to be thrown on
 */
export function outcomeOfFailure(error: unknown, latencyMs: number): SendOutcome | null {
  if (error instanceof AddressBlockedError) {
    return { kind: 'dead', status: null, latencyMs, code: error.code, message: error.message };
  }
  const cause = causeOf(error);
  if (cause === null) return null;
  const { code, message } = FAILURES.find(({ causes }) => causes.test(cause)) ?? OTHER_FAILURE;
  return { kind: 'retry', status: null, latencyMs, code, message };
}

/** The outcome of an attempt whose whole time was used up. */
export function outcomeOfTimeout(timeoutMs: number, latencyMs: number): SendOutcome {
  const message = `The endpoint did not answer within ${timeoutMs} ms.`;
  return { kind: 'retry', status: null, latencyMs, code: 'timeout', message };
}

/**
 * The code of an error, or of what caused it, and its name when there is no code (some of undici's parser errors).
 * Read without `instanceof`: an error of Node itself need not be an Error of the realm that this code runs in.
 */
function causeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null;
  const { code, cause, name } = error as { code?: unknown; cause?: unknown; name?: unknown };
  if (typeof code === 'string') return BUG_CODES.test(code) ? null : code;
  const inner = causeOf(cause);
  if (inner !== null) return inner;
  return typeof name === 'string' && !BUG_NAMES.includes(name) ? name : null;
}
