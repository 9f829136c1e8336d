import type { SendOutcome } from '../bus/targets/target';
import { bringForward } from '../database/backlog';
import type { ClaimedDelivery, DeliveryResult } from '../database/deliveries';
import type { Pool } from '../database/pool';
import { disableTarget } from '../database/targets';
import { nextAttempt, type RetryPolicy } from '../domain/deliveries';
import type { Metrics } from '../metrics';
import type { Records } from './records';
import { wakeOwners, type Successors } from './successors';

export interface OutcomeDeps {
  pool: Pool;
  records: Records;
  successors: Successors;
  metrics: Pick<Metrics, 'deliveryAttempt' | 'delivered'>;
  now: () => Date;
  random: () => number;
}

/**
 * Stores what attempts came to and when failed ones are tried again. A target that is gone is disabled; one that is back is
 * told to those who wait for it. Idempotent.
 * @param sent.outcomes - one for each delivery, in their order
 * @param sent.policy - of the target; the default one when it could not be opened
 */
export async function recordOutcomes(
  deps: OutcomeDeps,
  sent: {
    claimedBy: string;
    deliveries: readonly ClaimedDelivery[];
    outcomes: readonly SendOutcome[];
    policy?: RetryPolicy;
  },
): Promise<void> {
  const { claimedBy, deliveries, outcomes, policy } = sent;
  await disableIfGone(deps.pool, deliveries, outcomes);
  const results = deliveries.map((delivery, index) => ({
    delivery,
    result: resultOf(deps, delivery, outcomes[index]!, policy),
  }));
  await record(deps, claimedBy, results);
}

/** Stores outcomes. One that got through after a failure says that its target is back: others need not wait any longer. */
async function record(
  { pool, metrics, now, successors, records }: OutcomeDeps,
  claimedBy: string,
  results: readonly { delivery: ClaimedDelivery; result: DeliveryResult }[],
): Promise<void> {
  for (const { delivery, result } of results) {
    const { targetName, event, replayId } = delivery;
    metrics.deliveryAttempt({ target: targetName, result: result.result, code: result.code });
    // A replay says nothing of how fast events travel.
    const isFirst = result.result === 'delivered' && replayId === null;
    if (isFirst) metrics.delivered(targetName, now().getTime() - Date.parse(event.time));
  }
  await Promise.all(results.map((result) => records.delivery({ claimedBy, ...result })));
  const recovered = results.find(
    ({ delivery, result }) => result.result === 'delivered' && delivery.attemptOfBudget > 1,
  );
  if (recovered === undefined) return;
  await wakeOwners(successors, await bringForward(pool, recovered.delivery.targetName));
}

/** Before the outcome is recorded: a crash between the two must not leave a dead endpoint enabled. Source: reliability, row 33. */
async function disableIfGone(
  pool: Pool,
  deliveries: readonly ClaimedDelivery[],
  outcomes: readonly SendOutcome[],
): Promise<void> {
  const index = outcomes.findIndex((outcome) => outcome.kind === 'dead' && outcome.code === 'endpoint_gone');
  const delivery = deliveries[index];
  if (delivery === undefined) return;
  await disableTarget(pool, { target: delivery.targetName, rule: delivery.ruleName, code: 'endpoint_gone' });
}

function resultOf(
  deps: OutcomeDeps,
  delivery: ClaimedDelivery,
  outcome: SendOutcome,
  policy?: RetryPolicy,
): DeliveryResult {
  const { status, latencyMs } = outcome;
  if (outcome.kind === 'delivered') {
    return { result: 'delivered', status, latencyMs, code: null, message: null, retryInMs: null };
  }
  const { code, message } = outcome;
  if (outcome.kind === 'dead') return { result: 'dead', status, latencyMs, code, message, retryInMs: null };
  const now = deps.now().getTime();
  const next = nextAttempt({
    attempt: delivery.attemptOfBudget,
    firstAttemptAt: Date.parse(delivery.firstAttemptAt),
    now,
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
        retryInMs: Math.max(0, next.at - now),
        askedToWait: outcome.retryAfterMs !== undefined,
      }
    : { result: 'dead', status, latencyMs, code: next.code, message: `${code}: ${message}`, retryInMs: null };
}
