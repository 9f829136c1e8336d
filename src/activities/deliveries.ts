import { claimDeliveries, nextDeliveryInMs, type DeliveryScope } from '../database/deliveries';
import { unfinishedNotifications } from '../database/notifications';
import { routeEvents } from '../database/routing';
import { activityName, withHeartbeat } from './heartbeat';
import { sendAttempts, type NotificationDeps } from './notification-sending';
import type { RuleBook } from './rules';
import { sendClaimed, type Rate, type SendingDeps } from './sending';

/**
 * A claim lasts as long as a target's longest time-out (30 s), a share of a rate and some seconds to get there, so that
 * nobody takes over a delivery whose answer may still come.
 */
export const DELIVERY_WINDOW_MS = 45_000;
/** What became due meanwhile waits this long: a loop of activities must never be tight. */
export const WAIT_MS_MIN = 100;
/** Rounds of claims in one activity: each lets the next event of an order go. More than an order has events. */
const ROUNDS_MAX = 100;
/** No further round begins after this long: the activity's own time is 2 min, and one more round may take 45 s. */
const ROUNDS_MS_MAX = 60_000;

export interface DeliveryActivities {
  /**
   * Routes the new events of an order (or of a subject of callers' own events), makes one attempt for each delivery that is
   * due and sends the first message attempts, all at once. What is not done after that is handed over to its own workflow.
   * @param input.handOver - false when the caller is the delivery workflow itself
   * @returns in how many milliseconds the next delivery is due, or null when none is
   */
  deliverEvents(input: { aggregateId: string; handOver: boolean }): Promise<{ waitMs: number | null }>;
}

export interface DeliveryDeps extends Omit<NotificationDeps, 'metrics'>, SendingDeps {
  rules: RuleBook;
  metrics: NotificationDeps['metrics'] & SendingDeps['metrics'];
}

export function createDeliveryActivities(deps: DeliveryDeps): DeliveryActivities {
  return {
    deliverEvents: ({ aggregateId, handOver }) =>
      withHeartbeat(async () => {
        const route = await deps.rules.current();
        await routeEvents(deps.pool, { aggregateIds: [aggregateId], at: deps.now().toISOString() }, route);
        await Promise.all([sendDue(deps, { aggregateId }), sendAttempts(deps, { orderIds: [aggregateId] })]);
        return handOverRest(deps, aggregateId, handOver);
      }),
  };
}

async function handOverRest(
  deps: DeliveryDeps,
  aggregateId: string,
  handOver: boolean,
): Promise<{ waitMs: number | null }> {
  const [nextInMs, notifications] = await Promise.all([
    nextDeliveryInMs(deps.pool, { aggregateId }),
    unfinishedNotifications(deps.pool, aggregateId),
  ]);
  await Promise.all(notifications.map((notification) => deps.successors.notification(notification)));
  if (nextInMs === null) return { waitMs: null };
  if (handOver) await deps.successors.delivery(aggregateId);
  return { waitMs: Math.max(WAIT_MS_MIN, nextInMs) };
}

/**
 * Claims and sends until nothing is due: each delivery that ends lets the next one of its order and target go.
 * @param how.limit - deliveries of one claim at most
 */
export async function sendDue(
  deps: SendingDeps,
  scope: DeliveryScope,
  how: { rate?: Rate; limit?: number } = {},
): Promise<void> {
  const claimedBy = activityName();
  const { rate, limit } = how;
  const deadline = performance.now() + ROUNDS_MS_MAX;
  for (let round = 0; round < ROUNDS_MAX && performance.now() < deadline; round += 1) {
    const claimed = await claimDeliveries(deps.pool, {
      scope,
      claimedBy,
      sendForMs: DELIVERY_WINDOW_MS,
      ...(limit === undefined ? {} : { limit }),
    });
    if (claimed.length === 0) return;
    await sendClaimed(deps, claimed, rate === undefined ? { claimedBy } : { claimedBy, rate });
  }
}
