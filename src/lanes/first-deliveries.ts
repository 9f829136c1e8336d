import { sendDue, type DeliveryDeps } from '../activities/deliveries';
import { sendAttempts } from '../activities/notification-sending';
import type { Logger } from '../log';
import { Breakers } from './breaker';

export interface DeliveryLimits {
  /** Orders that are delivered together: one claim for all of them. */
  batchMax: number;
  /** Batches at once. */
  inFlightMax: number;
  /** Orders that are committed and not delivered yet; no more are committed while there are so many. */
  backlogMax: number;
}

/** Deliveries of one claim: more than a batch of orders has targets. */
const CLAIM_MAX = 1_000;
/** Name of the breaker of messages to people; no target is called so. */
const MESSAGES = ' messages';

/**
 * Makes the first delivery of orders at once, in the process that committed them, with the functions of the activities. What
 * fails, or what it leaves alone, is `READY`, and the workflow of the group goes on with it.
 */
export class FirstDeliveries {
  readonly #deps: DeliveryDeps;
  readonly #log: Pick<Logger, 'warn'>;
  readonly #limits: DeliveryLimits;
  readonly #breakers = new Breakers();
  readonly #process: string;
  readonly #waiting: string[] = [];
  #running = 0;
  #sending = 0;
  #batches = 0;
  #roomWaiters: (() => void)[] = [];

  constructor(
    deps: DeliveryDeps,
    { log, limits, process }: { log: Pick<Logger, 'warn'>; limits: DeliveryLimits; process: string },
  ) {
    this.#deps = { ...deps, metrics: watched(deps.metrics, this.#breakers) };
    this.#log = log;
    this.#limits = limits;
    this.#process = process;
  }

  /** Orders that are committed and not delivered yet. */
  get backlog(): number {
    return this.#waiting.length + this.#sending;
  }

  /** Resolves once there is room for more: the lag of deliveries stays bounded, whatever the load. */
  async room(): Promise<void> {
    while (this.backlog >= this.#limits.backlogMax)
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Orders that were committed just now. */
  add(orderIds: readonly string[]): void {
    this.#waiting.push(...orderIds);
    this.#pump();
  }

  /** Resolves once nothing is on its way. */
  async idle(): Promise<void> {
    while (this.backlog > 0) await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#running < this.#limits.inFlightMax) {
      const batch = this.#waiting.splice(0, this.#limits.batchMax);
      this.#running += 1;
      this.#sending += batch.length;
      void this.#deliver(batch).finally(() => {
        this.#running -= 1;
        this.#sending -= batch.length;
        this.#pump();
        for (const wake of this.#roomWaiters.splice(0)) wake();
      });
    }
  }

  /** Never throws: the workflow finds what is left. */
  async #deliver(orderIds: readonly string[]): Promise<void> {
    const claimedBy = `${this.#process}:${(this.#batches += 1)}`;
    const open = this.#breakers.open();
    const settled = await Promise.allSettled([
      sendDue(
        this.#deps,
        { aggregateIds: orderIds },
        { claimedBy, limit: CLAIM_MAX, roundsMax: 1, exceptTargets: open },
      ),
      ...(open.includes(MESSAGES) ? [] : [sendAttempts(this.#deps, { orderIds }, claimedBy)]),
    ]);
    for (const one of settled) {
      if (one.status === 'rejected')
        this.#log.warn(
          { error: String(one.reason) },
          'a first delivery is left to the workflow of its group',
        );
    }
  }
}

/** Lets the breakers see what the metrics are told. */
function watched(metrics: DeliveryDeps['metrics'], breakers: Breakers): DeliveryDeps['metrics'] {
  return {
    delivered: (target, lagMs) => metrics.delivered(target, lagMs),
    notificationSettled: (settled) => metrics.notificationSettled(settled),
    deliveryAttempt(attempt) {
      breakers.saw(attempt.target, attempt.result === 'retry');
      metrics.deliveryAttempt(attempt);
    },
    notificationAttempt(attempt) {
      breakers.saw(MESSAGES, attempt.result === 'unsent' || attempt.result === 'ambiguous');
      metrics.notificationAttempt(attempt);
    },
  };
}
