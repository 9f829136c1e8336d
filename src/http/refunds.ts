import { Router, type Request, type Response } from 'express';
import { fingerprintOf } from '../database/installation';
import { refundIdOf } from '../database/ids';
import { readOrder } from '../database/order-views';
import { listRefunds, readRefund, requestRefund } from '../database/refunds';
import { readRequest } from '../database/requests';
import { formatMoney } from '../domain/money';
import { InvalidValueError, NothingCapturedError, NotFoundError, TemporalUnavailableError } from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import { startRefund } from './bus-workflows';
import type { HttpDeps } from './deps';
import { idempotencyKeyOf } from './idempotency-key';
import { readJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { IdempotencyKeyHeader, orderIdIn } from './orders';
import { NewRefund, RefundView, viewOf } from './refund-documents';
import { parameter, route, type Handler } from './routes';
import { pageMembers, pageOf, readUuid, Uuid } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

const REFUNDS_PATH = '/v1/orders/{orderId}/refunds';
const REFUND_PATH = `${REFUNDS_PATH}/{refundId}`;

/** Refunds: the intent is written here, the rest is done by the refund's own workflow. */
export function refundsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, REFUNDS_PATH, {
    get: { scope: 'orders:read', handle: withDatabase(list(deps)) },
    post: { scope: 'orders:write', handle: withDatabase((req, res) => refundOrder(deps, req, res)) },
  });
  route(router, REFUND_PATH, { get: { scope: 'orders:read', handle: withDatabase(readOne(deps)) } });
  return router;
}

function list({ pool, places }: HttpDeps): Handler {
  return async (req, res) => {
    const page = checkQuery(z.strictObject(pageMembers), req);
    const orderId = orderIdIn(req);
    const refunds = await listRefunds(pool, { orderId, ...page });
    if (refunds.data.length === 0 && page.cursor === undefined) await readKnownOrder(pool, orderId, places);
    res.json({ ...refunds, data: refunds.data.map(viewOf) });
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const orderId = orderIdIn(req);
    const refundId = readUuid(parameter(req, 'refundId'));
    const refund = refundId === null ? null : await readRefund(pool, refundId);
    if (refund?.orderId !== orderId) throw new NotFoundError('There is no such refund.');
    res.json(viewOf(refund));
  };
}

/** @throws NotFoundError @returns null for a request that has come to no order */
async function readKnownOrder(
  pool: HttpDeps['pool'],
  orderId: string,
  places: HttpDeps['places'],
): Promise<Awaited<ReturnType<typeof readOrder>>> {
  const order = await readOrder(pool, orderId, places);
  if (order === null && (await readRequest(pool, orderId)) === null)
    throw new NotFoundError('There is no such order.');
  return order;
}

interface AskedRefund {
  refundId: string;
  orderId: string;
  actor: string;
  fingerprint: string;
  body: z.output<typeof NewRefund>;
}

async function refundOrder(deps: HttpDeps, req: Request, res: Response): Promise<void> {
  const asked = await readAsked(deps, req, callerOf(res));
  await checkOrder(deps, asked);
  if (!deps.health.temporal) await refuseUnlessDone(deps, asked);

  const { body, refundId, orderId, actor, fingerprint } = asked;
  const { refund, inserted } = await requestRefund(deps.pool, {
    refundId,
    orderId,
    amountMinor: body.amountMinor ?? null,
    lines: body.lines ?? null,
    reason: body.reason ?? null,
    restock: body.restock,
    actor,
    fingerprint,
  });
  if (refund.state === 'PENDING' || refund.state === 'PARKED')
    await startRefund(deps, refund, formatMoney(refund.amountMinor, refund.currency));
  if (!inserted) res.setHeader('Idempotent-Replayed', 'true');
  res.status(202).json(viewOf(refund));
}

async function readAsked({ installation }: HttpDeps, req: Request, actor: string): Promise<AskedRefund> {
  const orderId = orderIdIn(req);
  const key = idempotencyKeyOf(req);
  const sent = await readJsonBody(req);
  const body = checkBody(NewRefund, sent);
  const fingerprint = fingerprintOf(installation, 'POST', '/v1/orders/{orderId}/refunds', sent);
  return { refundId: refundIdOf(orderId, actor, key), orderId, actor, fingerprint, body };
}

async function checkOrder({ pool, places }: HttpDeps, { orderId, body }: AskedRefund): Promise<void> {
  const order = await readKnownOrder(pool, orderId, places);
  if (order === null)
    throw new NothingCapturedError('Nothing was captured for this order, so nothing can be refunded.');
  if (body.currency === undefined || body.currency === order.currency) return;
  const message = `The order was paid in ${order.currency}.`;
  throw new InvalidValueError(message, { fields: [{ pointer: '/currency', message }] });
}

/** Without Temporal nothing is written that nobody would carry out; what is already done can be told. */
async function refuseUnlessDone({ pool }: HttpDeps, { refundId }: AskedRefund): Promise<void> {
  if ((await readRefund(pool, refundId))?.state === 'DONE') return;
  throw new TemporalUnavailableError('Temporal cannot be reached; repeat the request with the same key.');
}

const ofOrder = z.object({ orderId: Uuid });

export const refundOperations: Operation[] = [
  {
    method: 'post',
    path: REFUNDS_PATH,
    tags: ['Orders'],
    summary: 'Refund an order, partly or all that is left',
    description:
      'Of the payment that paid for the order. A repeat with the same key gets the same refund with its status now. 409 ' +
      '`nothing_captured` or `order_not_settled`. 422 `refund_exceeds_captured` with `refundableMinor`, of the order or of ' +
      'the line that `errors` points at, or `idempotency_key_reused` for another body.',
    request: {
      params: ofOrder,
      headers: z.object({ 'Idempotency-Key': IdempotencyKeyHeader }),
      body: jsonBody(NewRefund),
    },
    responses: guardedAnswers({ 202: RefundView }, [...BODY_PROBLEMS, 404, 409]),
  },
  {
    method: 'get',
    path: REFUNDS_PATH,
    tags: ['Orders'],
    summary: "List an order's refunds, newest first",
    description: 'Those included that were part of its undo.',
    request: { params: ofOrder, query: z.object(pageMembers) },
    responses: guardedAnswers({ 200: pageOf(RefundView) }, [400, 404]),
  },
  {
    method: 'get',
    path: REFUND_PATH,
    tags: ['Orders'],
    summary: 'Read a refund',
    request: { params: ofOrder.extend({ refundId: Uuid }) },
    responses: guardedAnswers({ 200: RefundView }, [404]),
  },
];
