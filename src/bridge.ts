import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { startEnqueued } from './activities/enqueued';
import {
  dueWorkflowStarts,
  hasPostponedStarts,
  readWorkflowStart,
  unroutedSubjects,
} from './database/enqueued';
import type { Pool, PoolClient } from './database/pool';
import type { Logger } from './log';
import { wakeUps } from './workflows/messages';

/** The channel of `aftercommit.insert_event` and `aftercommit.enqueue_workflow`. */
const CHANNEL = 'aftercommit_enqueued';
/** Any number that nothing else in the database locks: who holds it is the one bridge that works. */
export const BRIDGE_LOCK = 7_283_461_905;
/** How often the others ask for the lock. One that dies is followed within this time. */
const TAKE_OVER_EVERY_MS = 1_000;
/** After a lost connection, and for as long as a start that failed waits to be tried again. */
const AGAIN_AFTER_MS = 1_000;
/** Calls to Temporal at once. */
const CONCURRENCY_MAX = 32;
/** Rows of one look at what was enqueued while nobody listened; it looks again until none is left. */
const SCAN_MAX = 1_000;
/** A connection that died without a word is noticed by this. */
const HEARTBEAT_EVERY_MS = 5_000;

export interface Bridge {
  /** Gives the lock back; what is being started ends first. */
  close(): Promise<void>;
}

export interface BridgeDeps {
  pool: Pool;
  client: Client;
  log: Logger;
}

/**
 * Goes on with what callers enqueued inside their own transactions: wakes the delivery of their events, starts their
 * workflows. PostgreSQL says so at the commit (NOTIFY), so that nothing polls; what was enqueued while nobody listened is
 * looked for once, when this begins to listen. Of any number of processes one works at a time.
 */
export function startBridge(deps: BridgeDeps): Bridge {
  const stop = new AbortController();
  const running = runUntilStopped(deps, stop.signal);
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}

async function runUntilStopped(deps: BridgeDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    let client: PoolClient | undefined;
    try {
      client = await deps.pool.connect();
      await listen(deps, client, signal);
    } catch (error) {
      if (!signal.aborted) deps.log.warn({ error: String(error) }, 'the bridge lost its connection');
    } finally {
      // Destroyed, never returned: it listens, and may hold the lock.
      client?.release(true);
    }
    await pause(AGAIN_AFTER_MS, signal);
  }
}

/** Resolves when told to stop; throws when the connection is lost. */
async function listen(deps: BridgeDeps, client: PoolClient, signal: AbortSignal): Promise<void> {
  const lost = new Promise<never>((_resolve, reject) => {
    client.on('error', reject);
    client.on('end', () => reject(new Error('the connection ended')));
  });
  // Handled where it is raced; this keeps a loss between two races from ending the process.
  lost.catch(() => undefined);
  if (!(await takeLock(client, signal))) return;
  // Ends with this connection: whoever holds the lock next begins anew, and nobody looks beside it.
  const ending = new AbortController();
  const work = new BridgeWork(deps, AbortSignal.any([signal, ending.signal]));
  try {
    client.on('notification', ({ payload = '' }) => work.add(payload));
    await client.query(`listen ${CHANNEL}`);
    await work.addAllEnqueued();
    deps.log.info('the bridge is listening');
    while (!signal.aborted) {
      await Promise.race([pause(HEARTBEAT_EVERY_MS, signal), lost]);
      if (!signal.aborted) await client.query('select 1');
    }
  } finally {
    ending.abort();
    await work.done();
  }
}

async function takeLock(client: PoolClient, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [
      BRIDGE_LOCK,
    ]);
    if (rows[0]!.taken) return true;
    await pause(TAKE_OVER_EVERY_MS, signal);
  }
  return false;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

/** What was enqueued and is not yet in Temporal's hands. The same thing named twice is done once. */
class BridgeWork {
  readonly #deps: BridgeDeps;
  readonly #signal: AbortSignal;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #looksAgain = false;

  constructor(deps: BridgeDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** @param what - `event {aggregateId}` or `workflow {workflowId}` */
  add(what: string): void {
    this.#waiting.add(what);
    this.#pump();
  }

  /** Page by page, so that each is named once however many there are. */
  async addAllEnqueued(): Promise<void> {
    const starts = await dueWorkflowStarts(this.#deps.pool, SCAN_MAX);
    for (const { workflowId } of starts) this.add(`workflow ${workflowId}`);
    let after: string | null = null;
    for (;;) {
      const subjects: string[] = await unroutedSubjects(this.#deps.pool, { after, limit: SCAN_MAX });
      for (const aggregateId of subjects) this.add(`event ${aggregateId}`);
      after = subjects.at(-1) ?? null;
      if (subjects.length < SCAN_MAX) break;
    }
    // Some wait until they are tried again, or there are more than one look takes.
    if (starts.length === SCAN_MAX || (await hasPostponedStarts(this.#deps.pool))) this.#lookAgain();
  }

  async done(): Promise<void> {
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  #pump(): void {
    for (const what of this.#waiting) {
      if (this.#running.size >= CONCURRENCY_MAX || this.#signal.aborted) return;
      this.#waiting.delete(what);
      const run = this.#carryOut(what).finally(() => {
        this.#running.delete(run);
        this.#pump();
      });
      this.#running.add(run);
    }
  }

  /** Never throws: what failed is found again by the look that follows. */
  async #carryOut(what: string): Promise<void> {
    const [kind, id = ''] = splitOnce(what);
    try {
      if (kind === 'event') return await this.#wakeDelivery(id);
      const start = await readWorkflowStart(this.#deps.pool, id);
      if (start !== null && !(await startEnqueued(this.#deps, start))) this.#lookAgain();
    } catch (error) {
      this.#deps.log.warn({ kind, id, error: String(error) }, 'what was enqueued could not be begun yet');
      this.#lookAgain();
    }
  }

  async #wakeDelivery(aggregateId: string): Promise<void> {
    const { workflowType, options } = wakeUps.delivery(aggregateId);
    await this.#deps.client.workflow.signalWithStart(workflowType, options);
  }

  /** Once, a little later, however many ask for it. */
  #lookAgain(): void {
    if (this.#looksAgain) return;
    this.#looksAgain = true;
    void pause(AGAIN_AFTER_MS, this.#signal).then(() => {
      this.#looksAgain = false;
      if (!this.#signal.aborted) this.addAllEnqueued().catch(() => this.#lookAgain());
    });
  }
}

function splitOnce(what: string): [string, string] {
  const at = what.indexOf(' ');
  return [what.slice(0, at), what.slice(at + 1)];
}
