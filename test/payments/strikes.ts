import { orderIdOf } from '../../src/database/ids';
import { grouped, readLog, type LogEntry } from '../chaos/evidence';
import { controlFake } from '../dev/fake-control';
import type { Stack } from '../e2e/stack';
import type { Failure } from './failures';
import type { OrderPlan } from './plan';

/** How often each planned failure struck, by the gateway's own log: a failure that never came proves nothing. */
export async function countStrikes(
  stack: Stack,
  namespace: string,
  plans: readonly OrderPlan[],
): Promise<Record<string, number>> {
  const log = readLog(stack.logFiles.payments);
  const byOrder = grouped(
    log.filter((entry) => typeof entry['orderId'] === 'string'),
    (entry) => String(entry['orderId']),
  );
  const lookedUp = await ordersLookedUp(stack, log);
  const fired = await ordersWithFaults(stack);
  const strikes: Record<string, number> = {};
  for (const { failure, key } of plans) {
    if (failure === null) continue;
    const orderId = orderIdOf(namespace, 'local', key);
    const facts = byOrder.get(orderId) ?? [];
    const isStruck = hasStruck(failure, facts, {
      isFired: fired.has(orderId),
      isLookedUp: lookedUp.has(orderId),
    });
    strikes[failure.name] = (strikes[failure.name] ?? 0) + (isStruck ? 1 : 0);
  }
  return strikes;
}

function hasStruck(
  failure: Failure,
  facts: readonly LogEntry[],
  { isFired, isLookedUp }: { isFired: boolean; isLookedUp: boolean },
): boolean {
  const has = (type: string): boolean => facts.some((entry) => entry.type === type);
  if (failure.outlivesItsKey === true) return isFired && isLookedUp;
  if (failure.faults !== undefined) return isFired;
  const captures = facts.filter((entry) => entry.type === 'captured').length;
  if (failure.customer === 'pays_there_too') return captures + (has('voided') ? 1 : 0) > 1;
  if (failure.customer === 'pays_there_late') return captures > 0;
  // Stored under each key, nothing is ever authorized: there is no fact.
  return failure.method === 'tok_error' || facts.some((entry) => entry['method'] === failure.method);
}

/** Orders of which every planned fault has fired. */
async function ordersWithFaults({ fakeUrls }: Stack): Promise<Set<string>> {
  const { faults } = (await controlFake(fakeUrls.payments, {})) as {
    faults: { match: { orderId: string }; fired: number }[];
  };
  const byOrder = grouped(faults, ({ match }) => match.orderId);
  return new Set(
    [...byOrder].filter(([, own]) => own.every(({ fired }) => fired > 0)).map(([orderId]) => orderId),
  );
}

/** Orders of which the gateway was asked what it knows. */
async function ordersLookedUp(stack: Stack, log: readonly LogEntry[]): Promise<Set<string>> {
  const asked = log
    .filter((entry) => entry.type === 'request' && entry['method'] === 'GET')
    .map((entry) => (entry['query'] as { paymentId?: string }).paymentId ?? null);
  const { rows } = await stack.database.pool.query<{ order_id: string }>(
    'select distinct order_id from aftercommit.payments where payment_id::text = any($1)',
    [asked.filter((paymentId) => paymentId !== null)],
  );
  return new Set(rows.map((row) => row.order_id));
}
