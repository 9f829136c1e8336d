import { outcomeOfFailure, outcomeOfTimeout } from './http-outcome';
import type { SendOutcome } from './target';

type Kind = 'retry' | 'dead';

/**
 * What an SQLSTATE says about a delivery; the first that matches counts. Source: PostgreSQL, "Error Codes". A row that
 * the table refuses today it refuses tomorrow; what is about the server, a lock or a lost race passes.
 */
const STATES: readonly { states: RegExp; kind: Kind; code: string; message: string }[] = [
  // Statement timeout, lock timeout.
  {
    states: /^(57014|55P03)$/,
    kind: 'retry',
    code: 'timeout',
    message: 'The row could not be written in time.',
  },
  { states: /^40/, kind: 'retry', code: 'conflict', message: 'The database asks for the same again.' },
  { states: /^53/, kind: 'retry', code: 'throttled', message: 'The database has no room at present.' },
  {
    states: /^(57P|08|58|25006|XX)/,
    kind: 'retry',
    code: 'database_unavailable',
    message: 'The database is not ready.',
  },
  { states: /^(42501|28|0P)/, kind: 'dead', code: 'access_denied', message: 'The database denies access.' },
  { states: /^3D/, kind: 'dead', code: 'unknown_database', message: 'There is no such database.' },
  {
    states: /^(42|3F|0A|23502|55)/,
    kind: 'dead',
    code: 'table_mismatch',
    message: 'The table is missing or is not as it is documented.',
  },
  {
    states: /^23/,
    kind: 'dead',
    code: 'constraint_violation',
    message: 'A constraint of the table refuses the row.',
  },
  { states: /^22/, kind: 'dead', code: 'value_refused', message: 'A column cannot hold the value.' },
  {
    states: /^(P0|09|27|38|39)/,
    kind: 'dead',
    code: 'refused',
    message: 'A trigger of the table refuses the row.',
  },
];

/** What the driver throws without a code when a connection ends, or when the other side does not offer TLS. */
const LOST = /Connection (terminated|ended)|Client has encountered a connection error/i;
const NO_CONNECTION = /timeout exceeded when trying to connect|timeout expired/i;
const NO_TLS = /does not support SSL|SSL connection/i;

/**
 * What a failed insert says about a delivery. Nothing is taken from the error's own text, which holds the row.
 * @returns null for a bug, to be thrown on
 */
export function outcomeOfDatabaseFailure(error: unknown, latencyMs: number): SendOutcome | null {
  const { code, message: text = '' } = (error ?? {}) as { code?: unknown; message?: string };
  const base = { status: null, latencyMs };
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) {
    const known = STATES.find(({ states }) => states.test(code));
    // EPIPE has five letters too, and a state that is not listed may pass.
    if (known !== undefined)
      return { ...base, kind: known.kind, code: known.code, message: `${known.message} (${code})` };
  }
  if (NO_CONNECTION.test(text)) return outcomeOfTimeoutOf(latencyMs);
  if (LOST.test(text)) {
    return {
      ...base,
      kind: 'retry',
      code: 'connection_reset',
      message: 'The connection to the database was lost.',
    };
  }
  if (NO_TLS.test(text)) {
    return { ...base, kind: 'retry', code: 'tls_error', message: 'The database does not offer TLS.' };
  }
  const outcome = outcomeOfFailure(error, latencyMs);
  // Its words are about endpoints over HTTP.
  return outcome?.kind === 'retry'
    ? { ...outcome, message: `The database cannot be reached: ${outcome.code}.` }
    : outcome;
}

function outcomeOfTimeoutOf(latencyMs: number): SendOutcome {
  return {
    ...outcomeOfTimeout(latencyMs, latencyMs),
    message: 'There was no free connection in time.',
  } as SendOutcome;
}
