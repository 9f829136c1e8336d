import { outcomeOfFailure } from './http-outcome';
import { believedRetryAfterMs } from './retry-after';
import type { SendOutcome } from './target';

/** What a service of AWS's says against a call, or against one entry of it. */
export interface AwsRefusal {
  /** Its own name for the error: "RequestThrottled". */
  name: string;
  /** Read for what it is about, never passed on: it may quote what was sent. */
  text: string;
  /** Of the answer; null for an entry of a call that was taken. */
  status: number | null;
  /** True when the same will be refused again. */
  isSenderFault: boolean;
  /** The Retry-After header as it came. */
  retryAfter?: unknown;
}

export interface AwsAttempt {
  latencyMs: number;
  /** Milliseconds since 1970, for a Retry-After that is a date. */
  now: number;
  /** The code for what does not exist: "unknown_queue". */
  notFoundCode: string;
}

/** The code of a refusal that new credentials may overcome. */
export const CREDENTIALS_REFUSED = 'credentials_refused';

/** Codes of refusals that are about one event, and say nothing of the others in the same call. */
const ABOUT_THE_EVENT = ['message_too_large', 'invalid_payload', 'request_refused'];

interface Meaning {
  names: RegExp;
  kind: 'retry' | 'dead';
  code: string;
}

/**
 * Names of errors by what they mean, in the spellings of all services and protocols; the first that matches counts.
 * Sources: "Common Errors" of the SQS, SNS and EventBridge API references, errors of SendMessageBatch, PublishBatch and
 * PutEvents, and the SDK's own list of throttling errors. 401 and 403 are final after one refresh of the credentials:
 * reliability, row 32.
 */
const MEANINGS: readonly Meaning[] = [
  {
    names:
      /throttl|SlowDown|TooManyRequests|RequestLimitExceeded|BandwidthLimitExceeded|PriorRequestNotComplete/i,
    kind: 'retry',
    code: 'throttled',
  },
  // The SDK has noted the difference by now and counts it in from the next attempt on.
  { names: /^Request(TimeTooSkewed|Expired|InTheFuture)$/, kind: 'retry', code: 'clock_skewed' },
  {
    names:
      /ExpiredToken|TokenRefreshRequired|InvalidClientTokenId|UnrecognizedClient|InvalidAccessKeyId|InvalidToken|SignatureDoesNotMatch|InvalidSignature|IncompleteSignature|MissingAuthenticationToken|AuthFailure/,
    kind: 'dead',
    code: CREDENTIALS_REFUSED,
  },
  {
    names: /AccessDenied|AuthorizationError|NotAuthorized|OptInRequired|OptedOut/i,
    kind: 'dead',
    code: 'access_denied',
  },
  // A key that is disabled or being changed is put right by its owner, and the events need not be sent again by hand.
  { names: /^KMS/i, kind: 'retry', code: 'encryption_key_unavailable' },
  {
    names: /NonExistentQueue|QueueDoesNotExist|ResourceNotFound|^NotFound/,
    kind: 'dead',
    code: 'not_found',
  },
  { names: /TooLong|TooLarge/, kind: 'dead', code: 'message_too_large' },
  { names: /^(MalformedDetail|InvalidMessageContents)/, kind: 'dead', code: 'invalid_payload' },
  { names: /^(Internal|ServiceUnavailable)/, kind: 'retry', code: 'broker_unavailable' },
];

/**
 * How the services say in words that a message is too large; its limit is a setting of queue and topic, up to 1 MiB, so
 * they are asked. Their names for it are those for any wrong parameter.
 */
const TOO_LARGE = /too long|shorter than|over the limit|exceeds/i;

/** Before an answer: AWS's own chain found no credentials or no region. The operator's to put right, so not final. */
const CREDENTIAL_ERRORS = /^(CredentialsProviderError|ProviderError|TokenProviderError)$/;
const REGION_MISSING = /^Region is missing/;

/** What a refusal says about a delivery. */
export function outcomeOfRefusal(refusal: AwsRefusal, attempt: AwsAttempt): SendOutcome {
  const { kind, code } = meaningOf(refusal);
  const name = /^[\w.:-]{1,100}$/.test(refusal.name) ? refusal.name : 'an unknown error';
  const outcome = {
    status: refusal.status,
    latencyMs: attempt.latencyMs,
    code: code === 'not_found' ? attempt.notFoundCode : code,
    message: `AWS refused it: ${name}.`,
  };
  if (kind === 'dead') return { kind, ...outcome };
  const retryAfterMs = believedRetryAfterMs(refusal.retryAfter, attempt.now);
  return retryAfterMs === undefined ? { kind, ...outcome } : { kind, ...outcome, retryAfterMs };
}

/** True for a refusal that is about one of the events of a call, so that the others must be sent without it. */
export function isAboutOneEvent(outcome: SendOutcome): boolean {
  return outcome.kind === 'dead' && ABOUT_THE_EVENT.includes(outcome.code);
}

/**
 * What an error of the SDK says about a delivery.
 * @returns null for an error that no exchange raises: a bug, to be thrown on
 */
export function outcomeOfAwsError(error: unknown, attempt: AwsAttempt): SendOutcome | null {
  const refusal = refusalOf(error);
  if (refusal !== null) return outcomeOfRefusal(refusal, attempt);
  const { name, message, code } = error as { name?: unknown; message?: unknown; code?: unknown };
  const before = { kind: 'retry', status: null, latencyMs: attempt.latencyMs } as const;
  if (typeof name === 'string' && CREDENTIAL_ERRORS.test(name)) {
    return { ...before, code: 'credentials_unavailable', message: 'AWS credentials could not be had.' };
  }
  if (typeof message === 'string' && REGION_MISSING.test(message)) {
    return {
      ...before,
      code: 'region_unknown',
      message: 'Neither the target nor the environment has a region.',
    };
  }
  // The SDK gives this name to resets too, which their code tells apart.
  if (name === 'TimeoutError' && code === undefined) {
    return { ...before, code: 'timeout', message: 'The endpoint did not answer in time.' };
  }
  return outcomeOfFailure(error, attempt.latencyMs);
}

function meaningOf({ name, text, status, isSenderFault }: AwsRefusal): Pick<Meaning, 'kind' | 'code'> {
  const meaning = MEANINGS.find(({ names }) => names.test(name));
  if (meaning !== undefined) return meaning;
  if (status !== null && status < 300) return { kind: 'retry', code: 'invalid_answer' };
  if (status !== null && status < 400) return { kind: 'dead', code: 'redirect_refused' };
  if (status === 429) return { kind: 'retry', code: 'throttled' };
  if (status === 408) return { kind: 'retry', code: 'timeout' };
  if (!isSenderFault) return { kind: 'retry', code: 'broker_unavailable' };
  if (status === 413 || TOO_LARGE.test(text)) return { kind: 'dead', code: 'message_too_large' };
  // A proxy before the service that answers in its own words.
  if (status === 401 || status === 403) return { kind: 'dead', code: 'access_denied' };
  return { kind: 'dead', code: 'request_refused' };
}

/** An error that came of an answer, also of one that the SDK could not read; null when there was none. */
function refusalOf(error: unknown): AwsRefusal | null {
  if (typeof error !== 'object' || error === null) return null;
  const { name, message, $metadata, $response } = error as {
    name?: unknown;
    message?: unknown;
    $metadata?: { httpStatusCode?: unknown };
    $response?: { statusCode?: unknown; headers?: Record<string, unknown> };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  if (typeof status !== 'number') return null;
  return {
    name: typeof name === 'string' ? name : '',
    text: typeof message === 'string' ? message : '',
    status,
    isSenderFault: status >= 400 && status < 500,
    retryAfter: $response?.headers?.['retry-after'],
  };
}
