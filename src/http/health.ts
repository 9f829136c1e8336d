import type { Client } from '@temporalio/client';
import { missingMigrations } from '../database/migrate';
import type { Pool } from '../database/pool';
import type { Logger } from '../log';
import { DatabaseProbe } from './database-probe';

/** A part that does not answer within this time is down. Milliseconds. */
const PROBE_TIMEOUT_MS = 2_000;
const PROBE_EVERY_MS = 1_000;

/** What a background probe last saw: requests ask it instead of the parts themselves. */
export interface Health {
  readonly database: boolean;
  readonly temporal: boolean;
  /** Null until the database could be asked. */
  readonly migrationsMissing: string[] | null;
  /** True once the process is to end: it takes no new requests. */
  readonly draining: boolean;
  /** Resolves after the first probe of every part. */
  start(): Promise<void>;
  /** Gives its database connection back; call it before the pool ends. */
  stop(): Promise<void>;
  drain(): void;
}

export interface HealthOptions {
  pool: Pool;
  temporal: Client;
  log: Logger;
  /** Pause between two probes of one part, in milliseconds. */
  everyMs?: number;
}

/** Probes PostgreSQL and Temporal, each on its own, so that a slow one does not age what is known of the other. */
export function createHealth(options: HealthOptions): Health {
  return new ProbedHealth(options);
}

class ProbedHealth implements Health {
  database = false;
  temporal = false;
  migrationsMissing: string[] | null = null;
  draining = false;

  readonly #options: HealthOptions;
  readonly #databaseProbe: DatabaseProbe;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#databaseProbe = new DatabaseProbe(options.pool, PROBE_TIMEOUT_MS);
  }

  async start(): Promise<void> {
    await Promise.all([this.#repeat(() => this.#probeDatabase()), this.#repeat(() => this.#probeTemporal())]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#running);
    this.#databaseProbe.close();
  }

  drain(): void {
    this.draining = true;
  }

  /** Resolves after the first run; the following ones happen in the background and never keep the process alive. */
  async #repeat(probe: () => Promise<void>): Promise<void> {
    const run = probe();
    this.#running.add(run);
    await run;
    this.#running.delete(run);
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#repeat(probe);
    }, this.#options.everyMs ?? PROBE_EVERY_MS);
    timer.unref();
    this.#timers.add(timer);
  }

  async #probeDatabase(): Promise<void> {
    const up = await this.#databaseProbe.isUp();
    this.#tell('database', up);
    this.database = up;
    if (up && this.migrationsMissing?.length !== 0) await this.#findMissingMigrations();
  }

  /** Asked until none is missing; migrations are never taken back. */
  async #findMissingMigrations(): Promise<void> {
    try {
      this.migrationsMissing = await missingMigrations(this.#options.pool);
    } catch {
      // The database went away in between; the next probe says so.
    }
  }

  async #probeTemporal(): Promise<void> {
    const { temporal } = this.#options;
    let up = true;
    try {
      await temporal.withDeadline(Date.now() + PROBE_TIMEOUT_MS, () =>
        temporal.workflowService.getSystemInfo({}),
      );
    } catch {
      up = false;
    }
    this.#tell('temporal', up);
    this.temporal = up;
  }

  /** Logs changes only. */
  #tell(part: 'database' | 'temporal', up: boolean): void {
    if (this[part] === up || this.#stopped) return;
    if (up) this.#options.log.info({ part }, 'a part is reachable');
    else this.#options.log.warn({ part }, 'a part is not reachable');
  }
}
