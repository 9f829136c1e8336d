import type { DecidedAnswer } from '../domain/decisions';
import type { OrderRequest } from '../domain/orders';
import { WORKFLOW_TYPES } from '../workflows/messages';
import type { HttpDeps } from './deps';
import {
  isAnswerOfTemporal,
  nameOf,
  startOptions,
  WRITE_TIMEOUT_MS,
  type OrderWorkflow,
  type StartableOrder,
} from './order-workflow';

/**
 * How long a request waits for the commit of a run that began in its own process, before it asks the workflow by an update as
 * everybody else does. Milliseconds. Longer than a first try of the commit (3 s) with what a loaded process adds; half of the
 * time (10 s) after which the server takes a worker for dead and lets another one go on.
 */
const HEARD_HERE_MS_MAX = 5_000;

/** A decision that was heard in this process. `answer` is null when the receipt has to be read for it. */
export interface HeardHere {
  answer: DecidedAnswer | null;
}

/**
 * Starts the workflow of a new order where its first task can be carried out at once, by the worker of this process, and
 * waits for the commit in memory: an update of the workflow costs two events and a round trip more. Nothing depends on it.
 * @returns null when nothing was heard here: workers are elsewhere, the server gave the task to another one, it took too
 * long, or there is such a workflow already
 */
export async function decideHere(
  deps: Pick<HttpDeps, 'temporal' | 'log' | 'decisions'>,
  order: StartableOrder,
  { request, waitMs }: { request: { caller: string; body: OrderRequest }; waitMs: number },
): Promise<HeardHere | null> {
  if (deps.decisions === null || waitMs <= 0) return null;
  const { caller, body } = request;
  const expected = deps.decisions.expect(order.orderId, { caller, body });
  let timer: NodeJS.Timeout | undefined;
  const isLate = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), Math.min(waitMs, HEARD_HERE_MS_MAX));
  });
  try {
    return await Promise.race([
      expected.answer.then((answer) => ({ answer })),
      startHere(deps, order, waitMs).then((isHere) => (isHere ? isLate : null)),
      isLate,
    ]);
  } finally {
    clearTimeout(timer);
    expected.forget();
  }
}

/** @returns whether the first task of the workflow is carried out in this process */
async function startHere(
  { temporal, log }: Pick<HttpDeps, 'temporal' | 'log'>,
  order: StartableOrder,
  waitMs: number,
): Promise<boolean> {
  try {
    const { eagerlyStarted } = await temporal.withDeadline(
      Date.now() + Math.min(waitMs, WRITE_TIMEOUT_MS),
      () =>
        temporal.workflow.start<OrderWorkflow>(WORKFLOW_TYPES.order, {
          ...startOptions(order, 'REJECT_DUPLICATE'),
          requestEagerStart: true,
        }),
    );
    return eagerlyStarted;
  } catch (error) {
    if (!isAnswerOfTemporal(error)) throw error;
    log.debug({ orderId: order.orderId, error: nameOf(error) }, 'an order was not started here');
    return false;
  }
}
