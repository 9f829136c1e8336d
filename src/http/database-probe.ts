import type { Pool, PoolClient } from '../database/pool';

/**
 * Asks the database whether it is there, on a connection that it keeps: behind a queue of busy connections, a probe would
 * call a busy database a dead one.
 */
export class DatabaseProbe {
  readonly #pool: Pool;
  readonly #timeoutMs: number;
  #client: PoolClient | null = null;

  constructor(pool: Pool, timeoutMs: number) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
  }

  /** Resolves within the timeout; never throws. */
  async isUp(): Promise<boolean> {
    const patience = new AbortController();
    const late = new Promise<false>((resolve) => {
      const timer = setTimeout(() => resolve(false), this.#timeoutMs);
      patience.signal.addEventListener('abort', () => clearTimeout(timer));
    });
    const up = await Promise.race([this.#ask(() => late, patience.signal), late]);
    patience.abort();
    if (!up) this.close();
    return up;
  }

  close(): void {
    const client = this.#client;
    this.#client = null;
    client?.release(true);
  }

  /** A kept connection may have been cut while the database is there: then a new one is asked, once. */
  async #ask(late: () => Promise<false>, patience: AbortSignal): Promise<boolean> {
    if (this.#client !== null) {
      if (await answers(this.#client)) return true;
      // The time was up: it is closed already, and nobody waits for another.
      if (patience.aborted) return false;
      this.close();
    }
    this.#client = await this.#connect(late);
    return this.#client !== null && answers(this.#client);
  }

  /** Null when there is none in time. A connection that comes after the time is up goes back at once. */
  async #connect(late: () => Promise<false>): Promise<PoolClient | null> {
    const connecting = this.#pool.connect();
    const first = await Promise.race([connecting, late()]).catch(() => false as const);
    if (first === false) {
      connecting.then(
        (client) => client.release(),
        () => undefined,
      );
      return null;
    }
    // A held client that breaks tells it by this event, and the next query fails; without a listener the process ends.
    first.on('error', () => undefined);
    return first;
  }
}

async function answers(client: PoolClient): Promise<boolean> {
  try {
    await client.query('select 1');
    return true;
  } catch {
    return false;
  }
}
