import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import { AppError, DatabaseUnavailableError } from '../errors';

/** What can run a statement: the pool for one statement by itself, a client inside a transaction. */
export type Queryable = Pick<PoolClient, 'query'>;

/** Tries of a transaction that lost a race. Others finish theirs meanwhile, so ten losses in a row mean something is wrong. */
const LOST_RACES_MAX = 10;
/** Tries over lost connections. Few: whoever waits for this answer is told to come back, and Temporal repeats activities. */
const LOST_CONNECTIONS_MAX = 3;
/** All tries together. Below an activity's time (10 s), so that its end is told and not cut off. */
const ELAPSED_MS_MAX = 7_000;
const FIRST_WAIT_MS = 25;
const LONGEST_WAIT_MS = 1_000;

/** The transaction certainly did not happen, and may succeed at once: serialization failure, deadlock, lock timeout. */
const REPEATABLE = new Set(['40001', '40P01', '55P03']);
/** The server is going away, coming up, full or read-only after a failover: the same statement may succeed elsewhere or later. */
const UNAVAILABLE = new Set([
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '53400',
  '25006',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '08007',
  // Our own statement timeout, and a server without memory or disk: the transaction did not happen.
  '57014',
  '53100',
  '53200',
  '58030',
  '40003',
]);
const SOCKET = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'ENETUNREACH',
  'ENOENT',
]);
/** What the pg package throws without a code when a connection ends under a statement or none is had in time. */
const LOST =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Connection ended|Query read timeout/i;

export type Failure = 'repeatable' | 'lost' | 'other';

/** Tells a transaction that may be repeated at once from a connection that was lost (outcome unknown) and from a bug. */
export function classify(error: unknown): Failure {
  if (error instanceof AppError) return error.retryable ? 'lost' : 'other';
  if (error instanceof AggregateError)
    return error.errors.some((one) => classify(one) === 'lost') ? 'lost' : 'other';
  // By its members: an error of another realm, as of a caller's own pool in a sandbox, is no instance of our Error.
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string') {
    if (REPEATABLE.has(code)) return 'repeatable';
    if (UNAVAILABLE.has(code) || SOCKET.has(code)) return 'lost';
  }
  return typeof message === 'string' && LOST.test(message) ? 'lost' : 'other';
}

export interface Repeats {
  /** True for what must not be done twice: after a lost connection the caller is told that the outcome is unknown. */
  onceIfLost?: boolean;
}

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

/** How a transaction runs. */
export interface TransactionOptions extends Repeats {
  /** Default: `read committed`, for which everything in this room is written. */
  isolation?: Isolation;
}

/** For changes by hand: a repeat after an unknown outcome could undo what others did meanwhile, or answer 404 to a success. */
export const ONCE: Repeats = { onceIfLost: true };

function triesOf(failure: Failure, { onceIfLost = false }: Repeats): number {
  if (failure === 'repeatable') return LOST_RACES_MAX;
  return onceIfLost ? 1 : LOST_CONNECTIONS_MAX;
}

/**
 * Runs `work` until it ends definitely: serialization failures, deadlocks, lock timeouts and lost connections repeat it
 * whole, with full jitter. After a lost connection the outcome is unknown, so `work` must be idempotent; everything in
 * this room is, by a unique key.
 * @throws DatabaseUnavailableError (retryable) when the database stays away or busy
 */
export async function repeating<T>(work: () => Promise<T>, options: Repeats = {}): Promise<T> {
  const deadline = performance.now() + ELAPSED_MS_MAX;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const failure = classify(error);
      if (failure === 'other') throw withoutRows(error);
      if (attempt >= triesOf(failure, options) || performance.now() > deadline) {
        throw new DatabaseUnavailableError(
          'The database could not finish the statement; repeat the request.',
          {
            cause: error,
            retryAfterSeconds: 2,
          },
        );
      }
      await delay(Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt));
    }
  }
}

/** PostgreSQL puts whole rows into the details of an error, and rows hold personal data: nothing of them may reach a log. */
function withoutRows(error: unknown): unknown {
  if (error instanceof Error && 'severity' in error)
    Object.assign(error, { detail: undefined, where: undefined });
  return error;
}

/** One statement, which is a transaction by itself, repeated as `repeating` says. */
export async function statement<Row extends object>(
  pool: Pool,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  return repeating(async () => (await pool.query<Row>(text, values)).rows);
}

/** Names of prepared statements, by their texts. A text is one of ours: there are as many as places that prepare one. */
const names = new Map<string, string>();

function nameOf(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  // Part of the digest is enough to tell our own texts apart, and PostgreSQL cuts names after 63 bytes.
  const name = `aftercommit_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
  names.set(text, name);
  return name;
}

/**
 * The same for a statement that runs for every order: each connection parses and plans it once. Planning these anew took
 * longer than running them.
 * @param text - always the same for one place in the code: every text that was ever given is kept
 */
export async function prepared<Row extends object>(
  pool: Pool,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  return repeating(async () => (await pool.query<Row>({ name: nameOf(text), text, values })).rows);
}

/**
 * The same for a statement that names rows by keys, some thousands of them: each is looked up by its index. Left to the
 * statistics, tables that grew since their last `analyze` were read whole (measured: 150 to 270 ms instead of a few).
 */
export async function keyed<Row extends object>(pool: Pool, text: string, values: unknown[]): Promise<Row[]> {
  return transaction(pool, async (client) => {
    await client.query(
      'set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off',
    );
    return (await client.query<Row>(text, values)).rows;
  });
}

/**
 * Runs `work` in one transaction, READ COMMITTED unless told otherwise, and resolves only when it is committed. It is
 * repeated as `repeating` says: whole, after a serialization failure, a deadlock, a lock timeout or a lost connection.
 * After a lost connection nobody knows whether it has committed, so `work` must be idempotent, by a receipt or another
 * unique key, or `onceIfLost` be set. A client on which anything went wrong is destroyed, never returned: a half-open
 * transaction must not reach the next user.
 * @throws what `work` throws, and then nothing was kept
 * @throws RangeError when `work` swallowed the error of a statement: PostgreSQL then rolls back without another word
 * @throws DatabaseUnavailableError (retryable) when the database stays away or busy
 */
export async function transaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  { isolation = 'read committed', ...options }: TransactionOptions = {},
): Promise<T> {
  return repeating(async () => {
    const client = await pool.connect();
    let failure: Error | undefined;
    // The pool listens for errors of idle clients only; a socket that dies between two statements must not end the process.
    const remember = (error: Error): void => void (failure = error);
    client.on('error', remember);
    try {
      await client.query(`begin isolation level ${isolation}`);
      const result = await work(client);
      const { command } = await client.query('commit');
      if (command !== 'COMMIT') throw new RangeError('a failed statement was ignored: nothing is committed');
      return result;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      client.removeListener('error', remember);
      client.release(failure);
    }
  }, options);
}
