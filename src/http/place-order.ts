import type { Request, Response } from 'express';
import { fingerprintOf } from '../database/installation';
import { orderIdOf } from '../database/ids';
import { acceptRequest, readRequest, type KnownRequest, type StoredAnswer } from '../database/requests';
import type { OrderRequest } from '../domain/orders';
import {
  DatabaseUnavailableError,
  IdempotencyKeyReusedError,
  ParticipantMissingError,
  TemporalUnavailableError,
} from '../errors';
import { assertDatabase } from './availability';
import { callerOf } from './authentication';
import type { HttpDeps } from './deps';
import { idempotencyKeyOf } from './idempotency-key';
import { readJsonBody } from './json-body';
import { NewOrder } from './new-order';
import { acceptedView, decidedAnswer } from './order-views';
import { awaitDecision, ensureStarted, type StartableOrder } from './order-workflow';
import { assertAllowedCountry, countryOf } from './phone-numbers';
import { waitMsOf } from './prefer';
import { PROBLEM_MEDIA_TYPE } from './problems';
import { checkBody } from './validation';

/** One request to place an order, checked: from here on it has an id of its own, and repeating it is safe. */
interface PlacedRequest {
  orderId: string;
  caller: string;
  fingerprint: string;
  body: OrderRequest;
}

/**
 * `POST /v1/orders`. Nothing is written before the request is known to be sound and Temporal to be there; then the
 * request is written, the workflow is started and its decision is awaited. Whatever was heard of the workflow, the
 * receipt in the database says what is answered.
 */
export async function placeOrder(deps: HttpDeps, req: Request, res: Response): Promise<void> {
  const request = await readPlacedRequest(deps, req, callerOf(res));
  assertDatabase(deps.health);
  const waitMs = waitMsOf(req, res);
  await refuseMissing(deps, request);
  res.location(`/v1/orders/${request.orderId}`);
  if (!deps.health.temporal) return replayOrRefuse(deps, request, res);

  const known = await acceptRequest(deps.pool, request);
  refuseOtherBody(known, request);
  const earlier = await decidedAnswer(deps, request.orderId, known);
  if (earlier !== null) return sendStored(res, earlier, !known.inserted);

  const order = startable(request);
  await awaitDecision(deps, order, waitMs);
  const decided = await readDecision(deps, request.orderId);
  if (decided !== null) return sendStored(res, decided, !known.inserted);

  await ensureStarted(deps, order);
  const late = await readDecision(deps, request.orderId);
  if (late !== null) return sendStored(res, late, !known.inserted);
  const { orderId, body } = request;
  res.status(202).json(acceptedView({ orderId, createdAt: known.createdAt, body, places: deps.places }));
}

async function readPlacedRequest(deps: HttpDeps, req: Request, caller: string): Promise<PlacedRequest> {
  const key = idempotencyKeyOf(req);
  const sent = await readJsonBody(req);
  const body = checkBody(NewOrder, sent);
  const country = countryOf(body.customer.phone);
  assertAllowedCountry(country, deps.countries, '/customer/phone');
  const { installation } = deps;
  return {
    orderId: orderIdOf(installation.namespace, caller, key),
    caller,
    // Over the body as it was sent: a default that changes later must not make a repeat look like another order.
    fingerprint: fingerprintOf(installation, 'POST', '/v1/orders', sent),
    body: { ...body, customer: { ...body.customer, country } },
  };
}

/**
 * Nobody is there who could carry it out. An order that was accepted while there was somebody keeps its answer.
 * @throws ParticipantMissingError
 */
async function refuseMissing(
  { participants, pool }: HttpDeps,
  { orderId, body }: PlacedRequest,
): Promise<void> {
  const missing = [
    ...(body.shipping !== undefined && !participants.carrier ? [['shipping', 'carrier']] : []),
    ...(body.cartId !== undefined && !participants.cart ? [['cartId', 'shopping cart']] : []),
  ];
  if (missing.length === 0 || (await readRequest(pool, orderId)) !== null) return;
  const fields = missing.map(([member, what]) => ({
    pointer: `/${member}`,
    message: `no ${what} is configured`,
  }));
  throw new ParticipantMissingError('This installation has nobody who could do what the order needs.', {
    fields,
  });
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

function refuseOtherBody(known: KnownRequest, request: PlacedRequest): void {
  if (known.fingerprint === request.fingerprint) return;
  throw new IdempotencyKeyReusedError('This Idempotency-Key was used with another body.');
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

/** The stored bytes, untouched. */
function sendStored(res: Response, answer: StoredAnswer, replayed: boolean): void {
  const committed = answer.status < 400;
  if (!committed) res.removeHeader('Location');
  if (replayed) res.setHeader('Idempotent-Replayed', 'true');
  res
    .status(answer.status)
    .type(committed ? 'application/json' : PROBLEM_MEDIA_TYPE)
    .send(answer.body);
}
