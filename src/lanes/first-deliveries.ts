import { DELIVERY_WINDOW_MS, type DeliveryDeps } from '../activities/deliveries';
import {
  messageClaimOf,
  MESSAGE_WINDOW_MS,
  returnAttempts,
  sendClaimedAttempts,
} from '../activities/notification-sending';
import { sendClaimed } from '../activities/sending';
import { postponeDeliveries, type ClaimedDelivery } from '../database/deliveries';
import type { FirstClaims, FirstSender } from '../database/first-claims';
import type { Logger } from '../log';
import { Breakers } from './breaker';

export interface DeliveryLimits {
  /** Orders whose deliveries are under way at once. */
  sendingMax: number;
  /** Orders that are committed and not delivered yet; no more are committed while there are so many. */
  backlogMax: number;
}

/** Name of the breaker of messages to people; no target is called so. */
const MESSAGES = ' messages';

/** The first deliveries of one commit, which are claimed with it. */
export interface FirstBatch {
  sender: FirstSender;
  /** By `performance.now()`: nothing of it is sent after this. */
  deadline: number;
}

interface ClaimedBatch extends FirstBatch {
  claims: readonly FirstClaims[];
}

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
  readonly #waiting: ClaimedBatch[] = [];
  /** Orders in `#waiting`. */
  #queued = 0;
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
    return this.#queued + this.#sending;
  }

  /** Resolves once there is room for more: the lag of deliveries stays bounded, whatever the load. */
  async room(): Promise<void> {
    while (this.backlog >= this.#limits.backlogMax)
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Before a commit: what it is to claim. Where a breaker is open, nothing. */
  begin(): FirstBatch {
    const open = this.#breakers.open();
    return {
      deadline: performance.now() + MESSAGE_WINDOW_MS,
      sender: {
        claimedBy: `${this.#process}:${(this.#batches += 1)}`,
        deliveriesForMs: DELIVERY_WINDOW_MS,
        exceptTargets: open.filter((name) => name !== MESSAGES),
        messages: open.includes(MESSAGES) ? null : messageClaimOf(this.#deps),
      },
    };
  }

  /** After it: what it claimed. */
  add(batch: FirstBatch, claims: readonly FirstClaims[]): void {
    if (claims.length === 0) return;
    this.#waiting.push({ ...batch, claims });
    this.#queued += claims.length;
    this.#pump();
  }

  /** Resolves once nothing is on its way. */
  async idle(): Promise<void> {
    while (this.backlog > 0) await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#sending < this.#limits.sendingMax) {
      const batch = this.#waiting.shift()!;
      const orders = batch.claims.length;
      this.#queued -= orders;
      this.#sending += orders;
      void this.#deliver(batch).finally(() => {
        this.#sending -= orders;
        this.#pump();
        for (const wake of this.#roomWaiters.splice(0)) wake();
      });
    }
  }

  /** Never throws: the workflow finds what is left. */
  async #deliver({ sender, deadline, claims }: ClaimedBatch): Promise<void> {
    const { claimedBy } = sender;
    const isLate = performance.now() > deadline;
    const open = this.#breakers.open();
    const attempts = claims.flatMap(({ message }) => message ?? []);
    const deliveries = claims.flatMap((claim) => claim.deliveries);
    const isLeft = ({ targetName }: ClaimedDelivery): boolean => isLate || open.includes(targetName);
    const left = deliveries.filter(isLeft);
    const tell = isLate || open.includes(MESSAGES) ? returnAttempts : sendClaimedAttempts;
    const settled = await Promise.allSettled([
      left.length > 0 && postponeDeliveries(this.#deps.pool, claimedBy, left, 0),
      sendClaimed(this.#deps, left.length === 0 ? deliveries : deliveries.filter((one) => !isLeft(one)), {
        claimedBy,
      }),
      tell(this.#deps, attempts, { claimedBy, deadline }),
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
