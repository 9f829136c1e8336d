import { outcomeOfFailure } from './http-outcome';
import type { SendOutcome } from './target';

interface Meaning {
  kind: 'retry' | 'dead';
  code: string;
  message: string;
}

const UNAVAILABLE: Meaning = {
  kind: 'retry',
  code: 'temporal_unavailable',
  message: 'Temporal is not ready.',
};
const TIMEOUT: Meaning = { kind: 'retry', code: 'timeout', message: 'Temporal did not answer in time.' };
const DENIED: Meaning = { kind: 'dead', code: 'access_denied', message: 'Temporal denies access.' };
const INVALID: Meaning = {
  kind: 'dead',
  code: 'invalid_argument',
  message: 'Temporal refuses what it was sent.',
};

/** Source: gRPC, "Status codes and their use in gRPC", by number. */
const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [1, UNAVAILABLE], // CANCELLED
  [2, UNAVAILABLE], // UNKNOWN
  [3, INVALID], // INVALID_ARGUMENT
  [4, TIMEOUT], // DEADLINE_EXCEEDED
  [5, { kind: 'dead', code: 'not_found', message: 'There is no such namespace.' }], // NOT_FOUND
  [7, DENIED], // PERMISSION_DENIED
  [8, { kind: 'retry', code: 'throttled', message: 'Temporal has no room at present.' }], // RESOURCE_EXHAUSTED
  [9, INVALID], // FAILED_PRECONDITION
  [10, UNAVAILABLE], // ABORTED
  [11, INVALID], // OUT_OF_RANGE
  [12, { kind: 'dead', code: 'unimplemented', message: 'This Temporal server cannot do it.' }], // UNIMPLEMENTED
  [13, UNAVAILABLE], // INTERNAL
  [14, UNAVAILABLE], // UNAVAILABLE
  [15, UNAVAILABLE], // DATA_LOSS
  [16, DENIED], // UNAUTHENTICATED
]);

/**
 * What a failed start or signal says about a delivery. Whether it arrived is unknown for all that is tried again. Nothing
 * is taken from the error's own text.
 * @returns null for a bug, to be thrown on
 */
export function outcomeOfTemporalFailure(error: unknown, latencyMs: number): SendOutcome | null {
  const meaning = MEANINGS.get(grpcCodeOf(error) ?? -1) ?? meaningByName(error);
  if (meaning !== undefined) return { ...meaning, status: null, latencyMs };
  const outcome = outcomeOfFailure(error, latencyMs);
  if (outcome?.kind !== 'retry') return null;
  return outcome.code === 'timeout'
    ? { ...TIMEOUT, status: null, latencyMs }
    : { ...outcome, message: `Temporal cannot be reached: ${outcome.code}.` };
}

/** The client wraps gRPC's errors in its own, once or twice. Read by members: native errors are of another realm. */
function grpcCodeOf(error: unknown): number | undefined {
  for (let inner = error, depth = 0; depth < 4 && typeof inner === 'object' && inner !== null; depth += 1) {
    const { code, cause } = inner as { code?: unknown; cause?: unknown };
    if (typeof code === 'number') return code;
    inner = cause;
  }
  return undefined;
}

/** What the client names itself, without a code. */
function meaningByName(error: unknown): Meaning | undefined {
  switch ((error as { name?: unknown } | null | undefined)?.name) {
    case 'NamespaceNotFoundError':
      return MEANINGS.get(5);
    case 'WorkflowExecutionAlreadyStartedError':
      return { kind: 'dead', code: 'already_closed', message: 'The workflow takes no signals any more.' };
    case 'ServiceError':
    case 'TransportError':
      return UNAVAILABLE;
    default:
      return undefined;
  }
}
