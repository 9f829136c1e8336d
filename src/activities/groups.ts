import { Context } from '@temporalio/activity';
import {
  countGroup,
  notificationsInNeedOfRun,
  ordersInNeedOfRun,
  ordersInTrouble,
  ordersToTell,
  type GroupCounts,
} from '../database/group-rest';
import { closeAtOnce, closeGroup, endGroup, takeOver, type Closing } from '../database/groups';
import type { NotificationRef } from '../database/notifications';
import type { Pool } from '../database/pool';
import { routeEvents } from '../database/routing';
import { releaseUnpaid } from '../database/unpaid-orders';
import { PAYMENT_EXPIRED } from '../domain/orders';
import { sendDue, WAIT_MS_MIN, type DeliveryDeps } from './deliveries';
import { withHeartbeat } from './heartbeat';
import { sendAttempts } from './notification-sending';
import type { Successors } from './successors';

/** A window that nobody has used is closed at this age; its process opens another one before. */
export const UNUSED_MS_MAX = 600_000;
/** Calls at once: as many as one target's connections bear well. */
const SENDS_AT_ONCE = 100;
/** Workflows that one look starts at most; the next look starts others. Each is a call to Temporal of some milliseconds. */
const STARTS_MAX = 200;
/** Starts at once. */
const STARTS_AT_ONCE = 16;
/** Orders that are released in one transaction, while the stock's rows are held. */
const RELEASED_MAX = 500;
/** Messages are dealt with in pages; more pages than a group has make sure that a loop ends. */
const PAGES_MAX = 400;

/** How far a group is. `waitMs`: until there is something to do again; null when nothing is left. */
export interface GroupProgress {
  counts: Omit<GroupCounts, 'nextInMs' | 'hasRest'>;
  waitMs: number | null;
}

export interface GroupActivities {
  /** Closes a group whose window is over; waits for the commits that are under way. Idempotent. */
  closeGroup(input: { groupId: string; windowMs: number }): Promise<Closing>;
  /**
   * Does what is due of a group: unpaid orders released, events delivered, messages sent; starts workflows for what one order
   * needs by itself. Closes the group when nobody has. Idempotent: everything is claimed.
   */
  finishGroup(input: { groupId: string }): Promise<GroupProgress>;
}

export type GroupDeps = DeliveryDeps & { successors: Successors };

export function createGroupActivities(deps: GroupDeps): GroupActivities {
  const { pool } = deps;
  return {
    closeGroup: (close) => closeGroup(pool, { ...close, unusedMsMax: UNUSED_MS_MAX }),
    finishGroup: ({ groupId }) =>
      withHeartbeat(async () => {
        await closeAtOnce(pool, groupId);
        await startRuns(deps, await ordersInNeedOfRun(pool, groupId, STARTS_MAX));
        await releaseDue(deps, groupId);
        // As a rule the process that committed has delivered everything, and one look is all.
        const counts = await countGroup(pool, groupId, deps.providerTimeoutMs);
        if (!counts.hasRest) return progressOf(deps, groupId, counts);
        await Promise.all([sendDue(deps, { groupId }, { limit: SENDS_AT_ONCE }), tellDue(deps, groupId)]);
        await startRuns(deps, await ordersInTrouble(pool, groupId, STARTS_MAX));
        await handOverMessages(deps, groupId);
        return progressOf(deps, groupId, await countGroup(pool, groupId, deps.providerTimeoutMs));
      }),
  };
}

/** Starts workflows of their own for orders; from then on the group leaves them alone. */
export async function startRuns(
  { pool, successors }: { pool: Pool; successors: Pick<Successors, 'order'> },
  orderIds: readonly string[],
): Promise<void> {
  for (let start = 0; start < orderIds.length; start += STARTS_AT_ONCE) {
    const some = orderIds.slice(start, start + STARTS_AT_ONCE);
    await Promise.all(some.map((orderId) => successors.order(orderId)));
    await takeOver(pool, some);
  }
}

/** Payment deadlines, in pages, with the events that they cause. */
async function releaseDue(deps: GroupDeps, groupId: string): Promise<void> {
  for (;;) {
    const at = deps.now().toISOString();
    const released = await releaseUnpaid(deps.pool, {
      groupId,
      ending: PAYMENT_EXPIRED,
      at,
      limit: RELEASED_MAX,
    });
    if (released.length === 0) return;
    await routeEvents(deps.pool, { aggregateIds: released, at }, await deps.rules.current());
    Context.current().heartbeat();
  }
}

async function tellDue(deps: GroupDeps, groupId: string): Promise<void> {
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const orderIds = await ordersToTell(deps.pool, groupId, SENDS_AT_ONCE);
    if (orderIds.length === 0) return;
    await sendAttempts(deps, { orderIds });
  }
}

/** All of them in this look: one that nobody knows the outcome of keeps no group from its end. */
async function handOverMessages(deps: GroupDeps, groupId: string): Promise<void> {
  const { pool, successors, providerTimeoutMs } = deps;
  let after: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const some: NotificationRef[] = await notificationsInNeedOfRun(pool, groupId, {
      providerTimeoutMs,
      after,
      limit: STARTS_AT_ONCE,
    });
    await Promise.all(some.map((notification) => successors.notification(notification)));
    if (some.length < STARTS_AT_ONCE) return;
    after = some.at(-1)!.notificationId;
  }
}

async function progressOf(deps: GroupDeps, groupId: string, found: GroupCounts): Promise<GroupProgress> {
  const { nextInMs, orders, confirmed, waitingForPayment, undone, takenOver, deliveriesOpen, messagesOpen } =
    found;
  const counts = { orders, confirmed, waitingForPayment, undone, takenOver, deliveriesOpen, messagesOpen };
  if (nextInMs !== null) return { counts, waitMs: Math.max(WAIT_MS_MIN, Math.ceil(nextInMs)) };
  // What was found more than one look may start is found by the next one.
  const more = await ordersInNeedOfRun(deps.pool, groupId, 1);
  if (more.length > 0) return { counts, waitMs: WAIT_MS_MIN };
  await endGroup(deps.pool, groupId);
  return { counts, waitMs: null };
}
