import { hostname } from 'node:os';
import type { Client } from '@temporalio/client';
import { createCoalescer, type Coalescer } from '../activities/coalescer';
import type { DeliveryDeps } from '../activities/deliveries';
import { startRuns } from '../activities/groups';
import { commitOrders, type CommitOutcome } from '../database/commits';
import type { PhoneHash } from '../database/phone-hash';
import type { Pool } from '../database/pool';
import { groupWorkflowId, type Places } from '../domain/orders';
import { GroupClosedError, QueueFullError, RulesChangedError, TemporalUnavailableError } from '../errors';
import type { Logger } from '../log';
import { FirstDeliveries, type DeliveryLimits } from './first-deliveries';
import type { FlashLane, FlashOrder } from './lane';
import { Windows, type Window, type WindowLimits } from './windows';

export interface FlashLimits extends WindowLimits, DeliveryLimits {
  /** A window is kept open from the start, because orders come all the time; else the first order opens one. */
  keepOpen: boolean;
  /** Orders of one transaction. */
  groupMax: number;
  /** Transactions at once. */
  commitsMax: number;
  /** Orders that may wait to be committed. */
  queueMax: number;
}

export interface FlashDeps {
  pool: Pool;
  temporal: Client;
  deliveries: DeliveryDeps;
  places: Places;
  phoneHash: PhoneHash;
  log: Logger;
  limits: FlashLimits;
}

/** Windows that were closed under an order's commit; more in a row mean that clocks or limits are wrong. */
const WINDOWS_MAX = 3;
/** A full queue is empty again after about this long. */
const RETRY_AFTER_SECONDS = 1;

/** Opens the flash lane of this process. */
export async function openFlashLane(deps: FlashDeps): Promise<FlashLane> {
  const lane = new WindowedLane(deps);
  if (deps.limits.keepOpen) await lane.start();
  return lane;
}

class WindowedLane implements FlashLane {
  readonly #deps: FlashDeps;
  readonly #windows: Windows;
  readonly #firstDeliveries: FirstDeliveries;
  readonly #commits: Coalescer<FlashOrder, CommitOutcome>;
  /** Of any number of requests for one order at once, one is committed. */
  readonly #underWay = new Map<string, Promise<CommitOutcome>>();
  readonly #starting = new Set<Promise<void>>();

  constructor(deps: FlashDeps) {
    const { pool, temporal, log, limits } = deps;
    const name = `${hostname()}:${process.pid}`;
    this.#deps = deps;
    this.#windows = new Windows({ pool, temporal, log, process: name, limits });
    this.#firstDeliveries = new FirstDeliveries(deps.deliveries, { log, limits, process: name });
    this.#commits = createCoalescer({
      batchMax: limits.groupMax,
      inFlightMax: limits.commitsMax,
      run: (orders) => this.#commitGroup(orders),
    });
  }

  get isOpen(): boolean {
    return this.#windows.isOpen;
  }

  start(): Promise<void> {
    return this.#windows.start();
  }

  async place(order: FlashOrder): Promise<CommitOutcome> {
    const same = this.#underWay.get(order.orderId);
    // Its outcome, as a repeat; whose key it is, its fingerprint tells.
    if (same !== undefined) return { ...(await same), decidedNow: false };
    if (this.#commits.waiting >= this.#deps.limits.queueMax) {
      throw new QueueFullError(
        'More orders wait than can be taken now; repeat the request with the same key.',
        {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        },
      );
    }
    const outcome = this.#commits.add(order).finally(() => this.#underWay.delete(order.orderId));
    this.#underWay.set(order.orderId, outcome);
    return outcome;
  }

  async close(): Promise<void> {
    await this.#commits.idle();
    await this.#firstDeliveries.idle();
    await Promise.all(this.#starting);
    await this.#windows.close();
  }

  async #commitGroup(orders: readonly FlashOrder[]): Promise<CommitOutcome[]> {
    await this.#firstDeliveries.room();
    for (let tries = 0; tries < WINDOWS_MAX; tries += 1) {
      const window = await this.#windows.take(orders.length);
      try {
        return await this.#commitUnder(window, orders);
      } catch (error) {
        if (!(error instanceof GroupClosedError)) throw error;
        // Nothing was committed: the same orders go into the next one.
        this.#windows.drop(window);
      }
    }
    throw new TemporalUnavailableError('No window stayed open for the order; repeat the request.');
  }

  async #commitUnder(window: Window, orders: readonly FlashOrder[]): Promise<CommitOutcome[]> {
    const { pool, places, phoneHash, deliveries } = this.#deps;
    const { groupId } = window;
    const workflowId = groupWorkflowId(groupId);
    const asked = orders.map((order) => ({ ...order, workflowId }));
    const context = { groupId, places, phoneHash, at: deliveries.now().toISOString() };
    const batch = this.#firstDeliveries.begin();
    const commit = async (): Promise<CommitOutcome[]> =>
      commitOrders(pool, asked, { ...context, rules: await deliveries.rules.known(), sender: batch.sender });
    const outcomes = await commit().catch(async (error: unknown) => {
      if (!(error instanceof RulesChangedError)) throw error;
      await deliveries.rules.current();
      return commit();
    });
    this.#firstDeliveries.add(
      batch,
      outcomes.flatMap(({ claims }) => claims ?? []),
    );
    return this.#goOn(orders, outcomes);
  }

  /** Starts workflows for new orders that need one. @returns the outcomes in the orders' order */
  #goOn(orders: readonly FlashOrder[], outcomes: readonly CommitOutcome[]): CommitOutcome[] {
    const byId = new Map(outcomes.map((outcome) => [outcome.orderId, outcome]));
    const committed = orders.filter(({ orderId }) => {
      const outcome = byId.get(orderId);
      return outcome?.decidedNow === true && outcome.state === 'done';
    });
    this.#startRunsOf(committed);
    return orders.map(({ orderId }) => byId.get(orderId)!);
  }

  #startRunsOf(committed: readonly FlashOrder[]): void {
    const inNeed = committed.filter(({ request }) => needsRun(request));
    if (inNeed.length === 0) return;
    const { pool, deliveries, log } = this.#deps;
    const orderIds = inNeed.map(({ orderId }) => orderId);
    const starting = startRuns({ pool, successors: deliveries.successors }, orderIds)
      .catch((error: unknown) =>
        log.warn({ error: String(error) }, 'orders are left to the workflow of their group'),
      )
      .finally(() => this.#starting.delete(starting));
    this.#starting.add(starting);
  }
}

/** A payment is to be taken, or goods or a cart are to be seen to at once. */
function needsRun({ payment, shipping, cartId }: FlashOrder['request']): boolean {
  return (
    payment.mode === 'charge' || (payment.mode === 'none' && (shipping !== undefined || cartId !== undefined))
  );
}
