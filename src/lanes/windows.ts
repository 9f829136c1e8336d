import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { giveUpGroup, openGroup } from '../database/groups';
import type { Pool } from '../database/pool';
import { GroupClosedError, TemporalUnavailableError } from '../errors';
import type { Logger } from '../log';
import { TASK_QUEUES, wakeUps, WORKFLOW_TYPES, workflowIds, type GroupInput } from '../workflows/messages';

/** How long a start of a window's workflow may take. Milliseconds. It is one write of Temporal's. */
const START_TIMEOUT_MS = 5_000;
/** After a start that failed. While Temporal is away this is how soon it is noticed that it is back. */
const AGAIN_AFTER_MS = 500;
/** How often unused windows are looked at; they are replaced long before their workflow closes them (10 min). */
const REFRESH_EVERY_MS = 30_000;
const UNUSED_MS_MAX = 480_000;

export interface WindowLimits {
  /** An idle process keeps a window ready. */
  keepOpen: boolean;
  /** How long orders are committed under one window, from the first of them. */
  windowMs: number;
  /** How long first deliveries may take after that before the workflow looks at what is left. */
  graceMs: number;
  /** Orders of one window at most, so that its workflow's steps stay short. */
  ordersMax: number;
}

/** A group that this process commits under. Times by `performance.now()`. */
export interface Window {
  groupId: string;
  openedAt: number;
  usedAt: number | null;
  orders: number;
}

export interface WindowDeps {
  pool: Pool;
  temporal: Client;
  log: Pick<Logger, 'warn' | 'info'>;
  /** Names this process, for people. */
  process: string;
  limits: WindowLimits;
}

/**
 * The windows of one process: one that is in use, and the next one, opened ahead of need. The workflow of each runs before
 * its row is written, and the row is there before the first order.
 */
export class Windows {
  readonly #deps: WindowDeps;
  /** In the order in which they are used. */
  readonly #open: Window[] = [];
  #opening: Promise<void> | undefined;
  readonly #refresh: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(deps: WindowDeps) {
    this.#deps = deps;
    if (!deps.limits.keepOpen) return;
    this.#refresh = setInterval(() => this.#replaceUnused(), REFRESH_EVERY_MS);
    this.#refresh.unref();
  }

  /** True while orders can be committed without asking Temporal first. */
  get isOpen(): boolean {
    return this.#open.some((window) => this.#isUsable(window));
  }

  /** Resolves once a window is open, or could not be opened at the first try: it is tried again in the background. */
  async start(): Promise<void> {
    await this.#openNext().catch(() => undefined);
  }

  /**
   * The window to commit some orders under, now.
   * @throws TemporalUnavailableError (retryable) when none is open and none can be opened
   */
  async take(orders: number): Promise<Window> {
    for (;;) {
      const [window] = this.#open;
      if (window === undefined) await this.#openNext();
      else if (!this.#isUsable(window)) this.#open.shift();
      else return this.#use(window, orders);
    }
  }

  /** It was closed, or nobody knows: it is used no more. */
  drop(window: Window): void {
    const index = this.#open.indexOf(window);
    if (index !== -1) this.#open.splice(index, 1);
  }

  /** Gives the unused ones up: their workflows end at once, instead of waiting for orders that do not come. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#refresh);
    clearTimeout(this.#retry);
    await this.#opening?.catch(() => undefined);
    const unused = this.#open.splice(0).filter((window) => window.usedAt === null);
    await Promise.allSettled(
      unused.map(async ({ groupId }) => {
        await giveUpGroup(this.#deps.pool, groupId);
        await this.#wake(groupId);
      }),
    );
  }

  #use(window: Window, orders: number): Window {
    window.orders += orders;
    if (window.usedAt === null) {
      window.usedAt = performance.now();
      this.#tellIfLate(window);
      // Ahead of need: the next one is there when this one ends.
      if (this.#open.length < 2) this.#openNext().catch(() => undefined);
    }
    return window;
  }

  #isUsable({ usedAt, openedAt, orders }: Window): boolean {
    const { windowMs, ordersMax } = this.#deps.limits;
    const now = performance.now();
    if (usedAt === null) return now - openedAt < UNUSED_MS_MAX;
    return now - usedAt < windowMs && orders < ordersMax;
  }

  /** The workflow of a window that was not used when it was meant to be sleeps for longer: it has to know. */
  #tellIfLate({ groupId, openedAt }: Window): void {
    const { windowMs, graceMs } = this.#deps.limits;
    if (performance.now() - openedAt < 2 * windowMs + graceMs) return;
    this.#wake(groupId).catch((error: unknown) =>
      this.#deps.log.warn({ groupId, error: String(error) }, 'a window could not tell that it is used'),
    );
  }

  async #wake(groupId: string): Promise<void> {
    const { workflowType, options } = wakeUps.group(groupId);
    const { temporal } = this.#deps;
    await temporal.withDeadline(Date.now() + START_TIMEOUT_MS, () =>
      temporal.workflow.signalWithStart(workflowType, options),
    );
  }

  /** One at a time. */
  #openNext(): Promise<void> {
    this.#opening ??= this.#openOne().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #openOne(): Promise<void> {
    const { pool, process } = this.#deps;
    const groupId = randomUUID();
    try {
      await this.#startWorkflow(groupId);
      await openGroup(pool, { groupId, process });
      this.#open.push({ groupId, openedAt: performance.now(), usedAt: null, orders: 0 });
    } catch (error) {
      this.#tryAgain();
      if (error instanceof GroupClosedError) throw unavailable(error);
      throw error;
    }
  }

  async #startWorkflow(groupId: string): Promise<void> {
    const { temporal, limits } = this.#deps;
    const { windowMs, graceMs } = limits;
    try {
      await temporal.withDeadline(Date.now() + START_TIMEOUT_MS, () =>
        temporal.workflow.start<(input: GroupInput) => Promise<unknown>>(WORKFLOW_TYPES.group, {
          workflowId: workflowIds.group(groupId),
          taskQueue: TASK_QUEUES.orders,
          args: [{ groupId, windowMs, graceMs }],
          workflowIdConflictPolicy: 'USE_EXISTING',
          staticSummary: `orders of ${this.#deps.process}`,
        }),
      );
    } catch (error) {
      throw unavailable(error);
    }
  }

  #tryAgain(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      const hasNext = this.#open.some(({ usedAt }) => usedAt === null);
      if (!this.#isClosed && !hasNext) this.#openNext().catch(() => undefined);
    }, AGAIN_AFTER_MS);
    this.#retry.unref();
  }

  /** An idle process keeps a window ready. */
  #replaceUnused(): void {
    if (this.#isClosed || this.isOpen) return;
    this.#openNext().catch(() => undefined);
  }
}

function unavailable(cause: unknown): TemporalUnavailableError {
  return new TemporalUnavailableError('No window could be opened for the order; repeat the request.', {
    cause,
  });
}
