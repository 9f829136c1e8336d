import {
  knownOrders,
  openOrders,
  type KnownOrder,
  type OpenOrder,
} from '../database/reconciliation-candidates';
import type { Pool } from '../database/pool';
import { DETECTORS, OVER_RETRIED, type Finding } from '../domain/reconciliation';
import { workflowIds } from '../workflows/messages';
import { concurrently } from './concurrently';
import type { RunState, WorkflowRuns } from './reconciliation-runs';

/** Orders that are asked about with one query, and workflows that are asked for at once: each answer takes some ms. */
const PAGE = 200;
const ASKED_AT_ONCE = 20;
/** The clocks of the database and of Temporal may differ by this: a run that is older than an epoch is so by minutes. */
const CLOCKS_MS = 5_000;

/** Where the database and Temporal disagree, page by page. Temporal is asked for each workflow by its id. */
export async function* findSplits(
  deps: { pool: Pool; runs: WorkflowRuns },
  now: Date,
): AsyncGenerator<Finding[], void, undefined> {
  yield* ordersWithoutTheirRun(deps, now);
  yield* runsWithoutTheirOrder(deps, now);
}

async function* ordersWithoutTheirRun(
  { pool, runs }: { pool: Pool; runs: WorkflowRuns },
  now: Date,
): AsyncGenerator<Finding[], void, undefined> {
  const olderThan = before(now, DETECTORS.order_without_run.graceMs);
  for (let after: string | null = null; ;) {
    const orders: OpenOrder[] = await openOrders(pool, { olderThan, after, limit: PAGE });
    const findings = await concurrently(orders, ASKED_AT_ONCE, async (order) =>
      findingsOf(order, await runs.describe(workflowIds.order(order.orderId))),
    );
    yield findings.flat();
    if (orders.length < PAGE) return;
    after = orders.at(-1)!.orderId;
  }
}

function findingsOf(order: OpenOrder, run: RunState): Finding[] {
  const { orderId, status, epoch, raisedAt } = order;
  const about = { subject: `order:${orderId}`, orderId };
  if (!run.isRunning) {
    const detail = { status, epoch, run: run.status };
    return [{ ...about, detector: 'order_without_run', detail }];
  }
  if (raisedAt !== null && run.startedAt !== null && run.startedAt < Date.parse(raisedAt) - CLOCKS_MS) {
    const detail = { status, epoch, runId: run.runId, raisedAt };
    return [{ ...about, detector: 'epoch_conflict', detail }];
  }
  return run.pending
    .filter(({ attempt }) => attempt >= OVER_RETRIED.step)
    .map(({ name, attempt }) => ({
      detector: 'over_retried_step',
      subject: `order:${orderId}:${name}`,
      orderId,
      detail: { status, step: name, attempts: attempt },
    }));
}

const ORDER_RUN = /^order\/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$/;

async function* runsWithoutTheirOrder(
  { pool, runs }: { pool: Pool; runs: WorkflowRuns },
  now: Date,
): AsyncGenerator<Finding[], void, undefined> {
  for await (const orderIds of pagesOf(runs)) {
    const known = await knownOrders(pool, orderIds);
    const suspicious = known.filter((order) => isSuspicious(order, now));
    const findings = await concurrently(suspicious, ASKED_AT_ONCE, async (order) =>
      confirm(runs, order, now),
    );
    yield findings.flat();
  }
}

async function* pagesOf(runs: WorkflowRuns): AsyncGenerator<string[], void, undefined> {
  let page: string[] = [];
  for await (const { workflowId } of runs.runningOrders()) {
    const orderId = ORDER_RUN.exec(workflowId)?.[1];
    if (orderId !== undefined) page.push(orderId);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  yield page;
}

function isSuspicious({ updatedAt, isOpen, isParked }: KnownOrder, now: Date): boolean {
  if (updatedAt === null) return true;
  return !isOpen && !isParked && updatedAt < before(now, DETECTORS.run_of_ended_order.graceMs);
}

/** The search may be behind: only a run that Temporal itself calls running is a finding. */
async function confirm(
  runs: WorkflowRuns,
  { orderId, updatedAt }: KnownOrder,
  now: Date,
): Promise<Finding[]> {
  const run = await runs.describe(workflowIds.order(orderId));
  if (!run.isRunning) return [];
  const about = { subject: `order:${orderId}`, orderId, detail: { runId: run.runId, updatedAt } };
  if (updatedAt !== null) return [{ ...about, detector: 'run_of_ended_order' }];
  const isYoung =
    run.startedAt !== null && run.startedAt > now.getTime() - DETECTORS.run_without_order.graceMs;
  return isYoung ? [] : [{ ...about, detector: 'run_without_order' }];
}

function before(now: Date, ms: number): string {
  return new Date(now.getTime() - ms).toISOString();
}
