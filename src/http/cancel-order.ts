import type { Request, Response } from 'express';
import { isTerminal } from '../domain/orders';
import { NotFoundError, OrderNotCancellableError, TemporalUnavailableError } from '../errors';
import type { HttpDeps } from './deps';
import { readOptionalJsonBody } from './json-body';
import { readVisibleOrder, startable, type VisibleOrder } from './order-views';
import { askToCancel } from './order-workflow';
import { waitMsOf } from './prefer';
import { Reason } from './schemas';
import { checkBody } from './validation';
import { z } from './zod';

export const Cancellation = z.strictObject({ reason: Reason.optional() }).openapi('Cancellation');

/**
 * `POST /v1/orders/{orderId}/cancel`. The workflow decides whether it is too late; here only what is already over is
 * answered at once. Cancelling twice is the same as cancelling once.
 */
export async function cancelOrder(
  deps: HttpDeps,
  orderId: string,
  req: Request,
  res: Response,
): Promise<void> {
  checkBody(Cancellation, await readOptionalJsonBody(req));
  const waitMs = waitMsOf(req, res);
  const order = await readKnown(deps, orderId);
  if (isOver(order)) return answerOutcome(order, res);
  if (!deps.health.temporal)
    throw new TemporalUnavailableError('Temporal cannot be reached; repeat the request.');

  const ended = await askToCancel(deps, startable(order), waitMs);
  const after = await readKnown(deps, orderId);
  if (ended !== null || isOver(after)) return answerOutcome(after, res);
  res.status(202).location(after.links.self).json(after);
}

async function readKnown(deps: HttpDeps, orderId: string): Promise<VisibleOrder> {
  const order = await readVisibleOrder(deps, orderId);
  if (order === null) throw new NotFoundError('There is no such order.');
  return order;
}

/** True when no cancel can change it any more. What ships can be cancelled until the carrier has it on its way. */
function isOver({ status, shipment }: VisibleOrder): boolean {
  if (status === 'ACCEPTED') return false;
  if (status === 'CONFIRMED') return (shipment ?? null) === null;
  return status === 'REJECTED' || status === 'SHIPPED' || isTerminal(status);
}

/** Cancelled after its commit, or closed before it: either way nothing of it will happen any more. */
function isCancelled(order: VisibleOrder): boolean {
  const closed = 'code' in order && order.code === 'transaction_closed';
  return order.status === 'CANCELLED' || (order.status === 'REJECTED' && closed);
}

function answerOutcome(order: VisibleOrder, res: Response): void {
  if (isCancelled(order)) {
    res.status(200).json(order);
    return;
  }
  throw new OrderNotCancellableError('It is too late to cancel this order.', {
    extensions: { state: order.status },
  });
}
