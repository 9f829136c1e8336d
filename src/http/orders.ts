import { Router, type Request } from 'express';
import { listOrders } from '../database/order-views';
import { readTimeline } from '../database/timeline';
import { MalformedRequestError, NotFoundError } from '../errors';
import { Cancellation, cancelOrder } from './cancel-order';
import type { HttpDeps } from './deps';
import { requireDatabase } from './availability';
import { NewOrder } from './new-order';
import { OneOrderQuery, OrderAsOf, readOrderAt } from './order-history';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { Order, ORDER_STATUSES, readVisibleOrder, UndecidedOrder } from './order-views';
import { placeOrder } from './place-order';
import { parameter, route, type Handler } from './routes';
import { CustomerId, pageMembers, pageOf, queryMembers, readUuid, Timestamp, Uuid } from './schemas';
import { checkQuery } from './validation';
import { z } from './zod';

/** Orders: placed, read, cancelled. Everything is done by their workflow; what is read comes from PostgreSQL. */
export function ordersRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/orders', {
    get: { scope: 'orders:read', handle: withDatabase(list(deps)) },
    post: { scope: 'orders:write', handle: (req, res) => placeOrder(deps, req, res) },
  });
  route(router, '/v1/orders/{orderId}', {
    get: { scope: 'orders:read', handle: withDatabase(readOne(deps)) },
  });
  route(router, '/v1/orders/{orderId}/timeline', {
    get: { scope: 'orders:read', handle: withDatabase(timeline(deps)) },
  });
  route(router, '/v1/orders/{orderId}/cancel', {
    post: {
      scope: 'orders:write',
      handle: withDatabase((req, res) => cancelOrder(deps, orderIdIn(req), req, res)),
    },
  });
  return router;
}

/**
 * The id in the path, in lower case.
 * @throws NotFoundError for a text that is no UUID: no order has such an id
 */
export function orderIdIn(req: Request): string {
  const orderId = readUuid(parameter(req, 'orderId'));
  if (orderId === null) throw noSuchOrder();
  return orderId;
}

function noSuchOrder(): NotFoundError {
  return new NotFoundError('There is no such order.');
}

const OrderQuery = z.strictObject({
  status: z.enum(ORDER_STATUSES).optional(),
  customerId: CustomerId.optional(),
  from: queryMembers.timestamp.optional().openapi({ description: 'Created then or later' }),
  to: queryMembers.timestamp.optional().openapi({ description: 'Created before' }),
  ...pageMembers,
});

function list({ pool, places }: HttpDeps): Handler {
  return async (req, res) => {
    const filter = checkQuery(OrderQuery, req);
    if (filter.from !== undefined && filter.to !== undefined && filter.from > filter.to) {
      throw new MalformedRequestError('from is after to.', {
        fields: [{ pointer: '/from', message: 'after to' }],
      });
    }
    res.json(await listOrders(pool, filter, places));
  };
}

function readOne(deps: HttpDeps): Handler {
  return async (req, res) => {
    const orderId = orderIdIn(req);
    const { at } = checkQuery(OneOrderQuery, req);
    if (at !== undefined) return void res.json(await readOrderAt(deps, orderId, at));
    const order = await readVisibleOrder(deps, orderId);
    if (order === null) throw noSuchOrder();
    res.json(order);
  };
}

function timeline({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const orderId = orderIdIn(req);
    const data = await readTimeline(pool, orderId);
    if (data.length === 0) throw noSuchOrder();
    res.json({ orderId, data });
  };
}

const idParameter = z.object({ orderId: Uuid });
export const preferHeader = z
  .string()
  .optional()
  .openapi({ description: 'RFC 7240: `wait=N` seconds, 0 to 60, 10 by default', example: 'wait=5' });

/** Headers of requests that are done once per key. */
export const IdempotencyKeyHeader = z
  .string()
  .openapi({ description: '1 to 255 visible ASCII characters, quoted or bare', example: 'checkout-4711' });

const TimelineEntry = z.object({
  at: Timestamp,
  type: z.string().openapi({ example: 'transaction.committed' }),
  summary: z.string(),
  data: z.record(z.string(), z.unknown()),
});

export const orderOperations: Operation[] = [
  {
    method: 'post',
    path: '/v1/orders',
    tags: ['Orders'],
    summary: 'Place an order',
    description:
      '201 once it is committed; 202 when that is not known within the wait. A repeat with the same key and body gets ' +
      'the first decided answer again, byte for byte, with `Idempotent-Replayed: true`. 409: `out_of_stock` or ' +
      '`transaction_closed`. 422: `invalid_value`, `unknown_sku`, or `idempotency_key_reused` for another body.',
    request: {
      headers: z.object({ 'Idempotency-Key': IdempotencyKeyHeader, Prefer: preferHeader }),
      body: jsonBody(NewOrder),
    },
    responses: guardedAnswers({ 201: Order, 202: UndecidedOrder }, [...BODY_PROBLEMS, 408, 409]),
  },
  {
    method: 'get',
    path: '/v1/orders',
    tags: ['Orders'],
    summary: 'List orders, newest first',
    request: { query: OrderQuery },
    responses: guardedAnswers({ 200: pageOf(Order) }, [400]),
  },
  {
    method: 'get',
    path: '/v1/orders/{orderId}',
    tags: ['Orders'],
    summary: 'Read an order, or what is known of the request for it',
    description:
      'Any key with `orders:read` may read any order, whoever placed it. With `at`, as it was then, rebuilt from its events.',
    request: { params: idParameter, query: OneOrderQuery },
    responses: guardedAnswers({ 200: z.union([Order, UndecidedOrder, OrderAsOf]) }, [400, 404]),
  },
  {
    method: 'get',
    path: '/v1/orders/{orderId}/timeline',
    tags: ['Orders'],
    summary: 'What happened to an order, oldest first',
    request: { params: idParameter },
    responses: guardedAnswers({ 200: z.object({ orderId: Uuid, data: z.array(TimelineEntry) }) }, [404]),
  },
  {
    method: 'post',
    path: '/v1/orders/{orderId}/cancel',
    tags: ['Orders'],
    summary: 'Cancel an order',
    description: '409 `order_not_cancellable`, with `state`, when it is too late.',
    request: {
      params: idParameter,
      headers: z.object({ Prefer: preferHeader }),
      body: jsonBody(Cancellation, false),
    },
    responses: guardedAnswers({ 200: Order, 202: z.union([Order, UndecidedOrder]) }, [
      ...BODY_PROBLEMS,
      404,
      409,
    ]),
  },
];
