import { compileTransformer, TemplateError, type TransformerConfig } from '../bus/transformer';
import type { SendOutcome, Target } from '../bus/targets/target';
import { envelopeText } from '../domain/events';
import { nextAttempt, type RetryPolicy } from '../domain/deliveries';
import { AppError } from '../errors';
import { readContact } from '../database/customers';
import {
  claimDeliveries,
  nextDeliveryInMs,
  recordDelivery,
  routeEvents,
  type ClaimedDelivery,
  type DeliveryResult,
} from '../database/deliveries';
import { unfinishedNotifications } from '../database/notifications';
import { activityName, withHeartbeat } from './heartbeat';
import { sendFirstAttempts, type NotificationDeps } from './notifications';
import type { RuleBook } from './rules';
import type { OpenTarget, TargetBook } from './targets';

/**
 * A claim lasts as long as a target's longest time-out (30 s) and some seconds to get there, so that nobody takes over a
 * delivery whose answer may still come.
 */
const SEND_WINDOW_MS = 40_000;
/** What became due meanwhile waits this long: a loop of activities must never be tight. */
const WAIT_MS_MIN = 100;
/** Rounds of claims in one activity: each lets the next event of an order go. More than an order has events. */
const ROUNDS_MAX = 100;

export interface DeliveryActivities {
  /**
   * Routes an order's new events, makes one attempt for each delivery that is due and sends the first message attempts,
   * all at once. What is not done after that is handed over to its own workflow.
   * @param input.handOver - false when the caller is the delivery workflow itself
   * @returns in how many milliseconds the next delivery is due, or null when none is open
   */
  deliverEvents(input: { orderId: string; handOver: boolean }): Promise<{ waitMs: number | null }>;
}

export interface DeliveryDeps extends NotificationDeps {
  rules: RuleBook;
  targets: TargetBook;
  now: () => Date;
  random: () => number;
  /** Starts what goes on by itself after this activity; see `successors.ts`. */
  successors: Successors;
}

/** Starts, or wakes, the workflows that go on with what an order leaves behind. */
export interface Successors {
  delivery(orderId: string): Promise<void>;
  notification(notificationId: string): Promise<void>;
}

export function createDeliveryActivities(deps: DeliveryDeps): DeliveryActivities {
  return {
    deliverEvents: ({ orderId, handOver }) =>
      withHeartbeat(async () => {
        const route = await deps.rules.current();
        await routeEvents(deps.pool, { orderId, at: deps.now().toISOString() }, route);
        await Promise.all([publishDue(deps, orderId), sendFirstAttempts(deps, orderId)]);
        return handOverRest(deps, orderId, handOver);
      }),
  };
}

async function handOverRest(
  deps: DeliveryDeps,
  orderId: string,
  handOver: boolean,
): Promise<{ waitMs: number | null }> {
  const [nextInMs, notifications] = await Promise.all([
    nextDeliveryInMs(deps.pool, orderId),
    unfinishedNotifications(deps.pool, orderId),
  ]);
  await Promise.all(notifications.map((notificationId) => deps.successors.notification(notificationId)));
  if (nextInMs === null) return { waitMs: null };
  if (handOver) await deps.successors.delivery(orderId);
  return { waitMs: Math.max(WAIT_MS_MIN, nextInMs) };
}

/** Claims and sends until nothing of the order is due: each delivery that ends lets the next one of its target go. */
async function publishDue(deps: DeliveryDeps, orderId: string): Promise<void> {
  const claimedBy = activityName();
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const claimed = await claimDeliveries(deps.pool, { orderId, claimedBy, sendForMs: SEND_WINDOW_MS });
    if (claimed.length === 0) return;
    await Promise.all(claimed.map((delivery) => deliver(deps, delivery, claimedBy)));
  }
}

async function deliver(deps: DeliveryDeps, delivery: ClaimedDelivery, claimedBy: string): Promise<void> {
  const target = await openTarget(deps, delivery.targetName);
  const outcome = 'kind' in target ? target : await attempt(deps, delivery, target.target);
  const result = resultOf(outcome, delivery, { deps, policy: 'kind' in target ? undefined : target.retry });
  await recordDelivery(deps.pool, delivery, claimedBy, result);
}

/**
 * A target that cannot be opened as it is stored holds up its own deliveries only: they are tried again, for it may be
 * mended, and end as dead letters by their age.
 */
async function openTarget(deps: DeliveryDeps, name: string): Promise<OpenTarget | SendOutcome> {
  const none = { status: null, latencyMs: 0 };
  try {
    const target = await deps.targets.open(name);
    return target ?? { ...none, kind: 'dead', code: 'target_missing', message: 'The target was deleted.' };
  } catch (error) {
    if (!(error instanceof AppError) || error.retryable) throw error;
    return { ...none, kind: 'retry', code: error.code, message: error.message };
  }
}

async function attempt(deps: DeliveryDeps, delivery: ClaimedDelivery, target: Target): Promise<SendOutcome> {
  const { event, deliveryId, ruleName } = delivery;
  try {
    const payload = await payloadOf(deps, delivery);
    return await target.send({ event, payload, deliveryId, ruleName });
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return { kind: 'dead', status: null, latencyMs: 0, code: 'template_error', message: error.message };
  }
}

async function payloadOf(deps: DeliveryDeps, delivery: ClaimedDelivery): Promise<string> {
  const { event, ruleName, transformer } = delivery;
  if (transformer === null) return envelopeText(event);
  const compiled = compileTransformer(transformer as unknown as TransformerConfig);
  const customer = compiled.usesCustomer ? await readContact(deps.pool, event.detail.orderId) : null;
  return compiled.render(event, { ruleName, customer });
}

function resultOf(
  outcome: SendOutcome,
  delivery: ClaimedDelivery,
  context: { deps: DeliveryDeps; policy: RetryPolicy | undefined },
): DeliveryResult {
  const { status, latencyMs } = outcome;
  if (outcome.kind === 'delivered') {
    return { result: 'delivered', status, latencyMs, code: null, message: null, retryInMs: null };
  }
  const { code, message } = outcome;
  if (outcome.kind === 'dead') return { result: 'dead', status, latencyMs, code, message, retryInMs: null };
  const { deps, policy } = context;
  const next = nextAttempt({
    attempt: delivery.attempt,
    firstAttemptAt: Date.parse(delivery.firstAttemptAt),
    now: deps.now().getTime(),
    retryAfterMs: outcome.retryAfterMs,
    ...(policy === undefined ? {} : { policy }),
    random: deps.random(),
  });
  return next.kind === 'retry'
    ? {
        result: 'retry',
        status,
        latencyMs,
        code,
        message,
        retryInMs: Math.max(0, next.at - deps.now().getTime()),
      }
    : {
        result: 'dead',
        status,
        latencyMs,
        code: next.code,
        message: `${code}: ${message}`,
        retryInMs: null,
      };
}
