import type { Request, Response } from 'express';
import { acceptRequest, readRequest, type StoredAnswer } from '../database/requests';
import { DatabaseUnavailableError, TemporalUnavailableError } from '../errors';
import { assertDatabase } from './availability';
import { callerOf } from './authentication';
import type { HttpDeps } from './deps';
import { decideHere } from './eager-start';
import { acceptedView, decidedAnswer } from './order-views';
import { awaitDecision, ensureStarted, type StartableOrder } from './order-workflow';
import { placeFlashOrder } from './place-flash-order';
import {
  readPlacedRequest,
  refuseMissing,
  refuseOtherBody,
  sendStored,
  type PlacedRequest,
} from './placed-request';
import { waitMsOf } from './prefer';

/**
 * `POST /v1/orders`. Nothing is written before the request is known to be sound and Temporal to be there; then the
 * request is written, the workflow is started and its decision is awaited. Whatever was heard of the workflow, the
 * receipt in the database says what is answered.
 */
export async function placeOrder(deps: HttpDeps, req: Request, res: Response): Promise<void> {
  if (deps.lane === 'flash') return placeFlashOrder(deps, req, res, null);
  const request = await readPlacedRequest(deps, req, { caller: callerOf(res), path: '/v1/orders' });
  assertDatabase(deps.health);
  const waitMs = waitMsOf(req, res);
  await refuseMissing(deps, request);
  res.location(`/v1/orders/${request.orderId}`);
  if (!deps.health.temporal) return replayOrRefuse(deps, request, res);

  const known = await acceptRequest(deps.pool, request);
  refuseOtherBody(known, request);
  const earlier = await decidedAnswer(deps, request.orderId, known);
  if (earlier !== null) return sendStored(res, earlier, !known.inserted);

  const decided = await decide(deps, { request, isNew: known.inserted, waitMs });
  if (decided !== null) return sendStored(res, decided, !known.inserted);

  await ensureStarted(deps, startable(request));
  const late = await readDecision(deps, request.orderId);
  if (late !== null) return sendStored(res, late, !known.inserted);
  const { orderId, body } = request;
  res.status(202).json(acceptedView({ orderId, createdAt: known.createdAt, body, places: deps.places }));
}

/**
 * Has the order decided by its workflow, and waits for it: in this process where its worker is here, else by an update of
 * the workflow. A repeat joins the update.
 * @returns null when nothing is decided yet
 */
async function decide(
  deps: HttpDeps,
  { request, isNew, waitMs }: { request: PlacedRequest; isNew: boolean; waitMs: number },
): Promise<StoredAnswer | null> {
  const deadline = Date.now() + waitMs;
  const order = startable(request);
  const heard = isNew ? await decideHere(deps, order, { request, waitMs }) : null;
  if (heard !== null && heard.answer !== null) return heard.answer;
  if (heard === null) await awaitDecision(deps, order, deadline - Date.now());
  return readDecision(deps, request.orderId);
}

function startable({ orderId, body }: PlacedRequest): StartableOrder {
  return { orderId, status: 'ACCEPTED', contents: body };
}

/** Without Temporal nothing new can start, but what was decided is in PostgreSQL. */
async function replayOrRefuse(deps: HttpDeps, request: PlacedRequest, res: Response): Promise<void> {
  const known = await readRequest(deps.pool, request.orderId);
  if (known !== null) {
    refuseOtherBody(known, request);
    const decided = await decidedAnswer(deps, request.orderId, known);
    if (decided !== null) return sendStored(res, decided, true);
  }
  res.removeHeader('Location');
  throw new TemporalUnavailableError('Temporal cannot be reached; repeat the request with the same key.');
}

/** Null also when the database has gone: the start is known to Temporal by then, and the order's page will tell. */
async function readDecision(deps: HttpDeps, orderId: string): Promise<StoredAnswer | null> {
  try {
    const known = await readRequest(deps.pool, orderId);
    return known === null ? null : await decidedAnswer(deps, orderId, known);
  } catch (error) {
    if (error instanceof DatabaseUnavailableError) return null;
    throw error;
  }
}
