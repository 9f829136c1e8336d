import { Client as DatabaseClient } from 'pg';
import { readInstallation } from '../../src/database/installation';
import { WORKFLOW_TYPES } from '../../src/workflows/messages';
import { check, readLogs, type Evidence, type Violation } from '../chaos/checker';
import { statementOf, type Statement } from '../chaos/statement';
import { controlFake } from '../dev/fake-control';
import { Shop } from '../e2e/shop';
import { PHONE_CANARY, startStack, type Stack } from '../e2e/stack';
import { waitFor } from '../support/wait';
import { buy, type Buyers } from './buyers';
import { Disturbances, readDisturbances } from './disturbances';
import { Operator } from './operator';
import { planOrders, QUANTITY_MAX, SKUS, type OrderPlan } from './plan';
import { countStrikes } from './strikes';
import { hastenKeys, KEY_LIFETIME_MS } from './time-scale';
import { Watch } from './watch';

/** Settings of the product, where they differ from those of other tests. */
const SETTINGS = {
  // Long enough that two busy cores seldom make a call unknown that was not planned to be.
  AFTERCOMMIT_PAYMENT_TIMEOUT_MS: '2000',
  AFTERCOMMIT_CARRIER_TIMEOUT_MS: '5000',
  AFTERCOMMIT_POINTS_TIMEOUT_MS: '5000',
  AFTERCOMMIT_CART_TIMEOUT_MS: '5000',
  AFTERCOMMIT_TWILIO_TIMEOUT_MS: '5000',
};
/** Longer than the time-out above. */
const LATE_MS = 3_000;
/** Orders that live at once. Most of them wait, for a late answer or a deadline. */
const LANES = 40;

export interface RunOutcome {
  statement: Statement;
  violations: Violation[];
  /** How often each failure struck. */
  strikes: Record<string, number>;
  /** Orders that could not be lived through as they were planned. */
  troubles: string[];
  decided: Record<string, number>;
  seconds: number;
}

/** Lets all orders of a plan live on a system of its own, and looks at its books once nothing is under way. */
export async function runOrders(plan: { orders: number; seed: number }): Promise<RunOutcome> {
  const stack = await startStack({ lateMs: LATE_MS, settings: SETTINGS });
  const ends: (() => Promise<void>)[] = [() => stack.stop()];
  try {
    const begin = (one: { run(): Promise<void>; end(): void }): void => {
      const running = one.run();
      ends.push(async () => {
        one.end();
        await running;
      });
    };
    await prepare(stack, plan.orders);
    const startedAt = performance.now();
    const { namespace } = await readInstallation(stack.database.pool);
    const operator = new Operator(stack);
    const watch = new Watch(stack.database.pool);
    begin(operator);
    begin(watch);
    const { withoutWebhooks, others } = planOrders(plan);
    const troubles = await liveAll(stack, { shop: new Shop(stack), watch, namespace }, [
      withoutWebhooks,
      others,
    ]);
    await untilAtRest(stack);
    const seconds = (performance.now() - startedAt) / 1_000;
    const plans = [...withoutWebhooks, ...others];
    const strikes = { ...(await countStrikes(stack, namespace, plans)), ...(await readDisturbances(stack)) };
    const books = await look(stack, plans, { strikes, succeeded: plans.length - troubles.length });
    troubles.push(...[...operator.unexpected].map((what) => `nobody expected to be asked about ${what}`));
    return { ...books, strikes, troubles, decided: operator.decided, seconds };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function prepare(stack: Stack, orders: number): Promise<void> {
  await hastenKeys(stack.database.pool);
  await controlFake(stack.fakeUrls.payments, { keyLifetimeMs: KEY_LIFETIME_MS });
  for (const sku of SKUS) await stack.stock(sku, orders * QUANTITY_MAX);
  const types = ['order.confirmed', 'order.cancelled', 'order.expired', 'order.payment_failed'];
  await stack.sendToSink({ name: 'everything', path: '/everything', types });
}

/** First the orders whose webhooks are lost, all of them: nobody else's must be. */
async function liveAll(
  stack: Stack,
  buyers: Buyers,
  [withoutWebhooks, others]: [OrderPlan[], OrderPlan[]],
): Promise<string[]> {
  await controlFake(stack.fakeUrls.payments, { webhooks: { lose: true } });
  const troubles = await inLanes(withoutWebhooks, (plan) => buy(buyers, plan));
  const disturbances = new Disturbances(stack);
  const running = disturbances.run();
  try {
    return [...troubles, ...(await inLanes(others, (plan) => buy(buyers, plan)))];
  } finally {
    disturbances.end();
    await running;
  }
}

/** @returns what went otherwise than planned, in words */
async function inLanes(
  plans: readonly OrderPlan[],
  live: (plan: OrderPlan) => Promise<void>,
): Promise<string[]> {
  const waiting = [...plans];
  const troubles: string[] = [];
  const lane = async (): Promise<void> => {
    for (let plan = waiting.shift(); plan !== undefined; plan = waiting.shift()) {
      const { key, failure, fate } = plan;
      await live(plan).catch((error: unknown) => {
        troubles.push(`${key} (${failure?.name ?? 'no failure'}, ${fate}): ${String(error)}`);
      });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return troubles;
}

/** A call that is looked up, a deadline, a message that is looked up twice; and a slow machine. */
const REST_MS = 180_000;
const RUNNING = `ExecutionStatus = 'Running' and WorkflowType in
  ('${WORKFLOW_TYPES.order}', '${WORKFLOW_TYPES.refund}', '${WORKFLOW_TYPES.delivery}', '${WORKFLOW_TYPES.notification}')`;

/** What never comes to rest is told by the checker. */
async function untilAtRest({ temporal }: Stack): Promise<void> {
  const isQuiet = async (): Promise<boolean> => (await temporal.workflow.count(RUNNING)).count === 0;
  await waitFor('no workflow runs', isQuiet, { deadlineMs: REST_MS }).catch(() => undefined);
}

async function look(
  stack: Stack,
  plans: readonly OrderPlan[],
  { strikes, succeeded }: { strikes: Record<string, number>; succeeded: number },
): Promise<Pick<RunOutcome, 'statement' | 'violations'>> {
  const client = new DatabaseClient({ connectionString: stack.database.url });
  await client.connect();
  try {
    const evidence: Evidence = {
      ...readLogs(stack.logFiles),
      database: client,
      keys: plans.map(({ key }) => ({ caller: 'local', key })),
      canary: PHONE_CANARY,
      texts: [{ name: 'a log', text: stack.processLogs() }],
      counts: { planned: plans.length, attempted: plans.length, succeeded, faults: strikes },
    };
    return { statement: await statementOf(evidence), violations: await check(evidence) };
  } finally {
    await client.end();
  }
}
