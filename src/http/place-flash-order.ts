import type { Request, Response } from 'express';
import type { CommitOutcome } from '../database/commits';
import { readRequest, type KnownRequest } from '../database/requests';
import { underTerms } from '../domain/sales';
import { InvalidValueError, TemporalUnavailableError, type AppError } from '../errors';
import type { SaleRequest } from '../lanes/sold-out';
import { assertDatabase } from './availability';
import { callerOf } from './authentication';
import type { HttpDeps } from './deps';
import { decidedAnswer, saleRejectionOf } from './order-views';
import {
  readPlacedRequest,
  refuseMissing,
  refuseOtherBody,
  sendStored,
  type PlacedRequest,
} from './placed-request';

/**
 * Places an order in the flash lane: `POST /v1/sales/{saleId}/orders`, and `POST /v1/orders` where the lane is configured so.
 * Nothing is written before the request is known to be sound and, of a sale, to come in time: a request that comes too early,
 * or that memory knows to come too late, may be repeated with the same key. What the database decided is stored for its key.
 * @param saleId - of the path; null for an order of no sale
 */
export async function placeFlashOrder(
  deps: HttpDeps,
  req: Request,
  res: Response,
  saleId: string | null,
): Promise<void> {
  const path = saleId === null ? '/v1/orders' : `/v1/sales/${saleId}/orders`;
  const request = await readPlacedRequest(deps, req, { caller: callerOf(res), path });
  if (saleId === null) {
    assertDatabase(deps.health);
    return decide(deps, request, res, null);
  }
  const wanted = wantedOf(request, saleId);
  const known = deps.sales.look(wanted);
  if (known === 'sold_out') throw rejection('sold_out', request);
  assertDatabase(deps.health);
  if (known === 'decided') return replayOr(deps, request, res, rejection('sold_out', request));

  const sale = await deps.sales.read(saleId);
  if (sale === null) throw rejection('unknown_sale', request);
  if (request.body.lines[0]!.sku !== sale.sku) throw otherSku();
  if (sale.state === 'SCHEDULED') throw rejection('sale_not_open', request);
  if (sale.state === 'CLOSED') return replayOr(deps, request, res, rejection('sale_closed', request));
  await decide(deps, { ...request, body: underTerms(request.body, sale) }, res, wanted);
}

/** Has the order decided by the lane, and answers with what is stored then. */
async function decide(
  deps: HttpDeps,
  request: PlacedRequest,
  res: Response,
  wanted: SaleRequest | null,
): Promise<void> {
  await refuseMissing(deps, request);
  const { orderId, caller, fingerprint, body } = request;
  let outcome: CommitOutcome;
  try {
    const saleId = wanted?.saleId ?? null;
    outcome = await deps.flash.place({ orderId, caller, fingerprint, request: body, saleId });
  } catch (error) {
    // Without Temporal nothing new can be taken, but what was decided is in PostgreSQL.
    if (error instanceof TemporalUnavailableError) return replayOr(deps, request, res, error);
    throw error;
  }
  if (outcome.decidedNow && wanted !== null) deps.sales.hear(wanted, outcome.outcome.code ?? null);
  if (!outcome.decidedNow) refuseOtherBody(outcome, request);
  const answer = outcome.answer ?? (await decidedAnswer(deps, orderId, knownOf(outcome, request)));
  if (answer === null) throw new RangeError('an order that was placed has no decision');
  if (answer.status < 400) res.location(`/v1/orders/${orderId}`);
  sendStored(res, answer, !outcome.decidedNow);
}

/** The stored answer to a repeat, or the error: nothing new is begun. */
async function replayOr(
  deps: HttpDeps,
  request: PlacedRequest,
  res: Response,
  error: AppError,
): Promise<void> {
  const known = await readRequest(deps.pool, request.orderId);
  if (known === null) throw error;
  refuseOtherBody(known, request);
  const answer = await decidedAnswer(deps, request.orderId, known);
  if (answer === null) throw error;
  if (answer.status < 400) res.location(`/v1/orders/${request.orderId}`);
  sendStored(res, answer, true);
}

/** @throws InvalidValueError: an order of a sale is of one product */
function wantedOf({ orderId, body }: PlacedRequest, saleId: string): SaleRequest {
  const [line, ...others] = body.lines;
  if (others.length > 0) {
    const message = 'An order of a sale has one line.';
    throw new InvalidValueError(message, { fields: [{ pointer: '/lines', message }] });
  }
  return { saleId, orderId, units: line!.quantity };
}

function otherSku(): InvalidValueError {
  const message = 'The sale is of another SKU.';
  return new InvalidValueError(message, { fields: [{ pointer: '/lines/0/sku', message }] });
}

function rejection(code: string, { orderId }: PlacedRequest): AppError {
  return saleRejectionOf(code, { orderId })!;
}

function knownOf(outcome: CommitOutcome, request: PlacedRequest): KnownRequest {
  const { state, outcome: decided, answer, createdAt, decidedNow } = outcome;
  const { fingerprint, caller } = request;
  const receipt = state === null ? null : { state, outcome: decided, answer };
  return { inserted: decidedNow, fingerprint, caller, createdAt, receipt };
}
