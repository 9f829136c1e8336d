import { Router, type Request } from 'express';
import { putSale, readSale } from '../database/sales';
import { DEADLINE_SECONDS_MAX } from '../domain/orders';
import { VISIBLE_SALE_STATES } from '../domain/sales';
import { UnknownSaleError } from '../errors';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { wakeSale } from './bus-workflows';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { newNameIn } from './names';
import { NewOrder } from './new-order';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { Order } from './order-views';
import { IdempotencyKeyHeader } from './orders';
import { placeFlashOrder } from './place-flash-order';
import { parameter, route, type Handler } from './routes';
import { bodyMembers, Name, NAME, Sku, Timestamp } from './schemas';
import { checkBody } from './validation';
import { z } from './zod';

/** Units of a sale. Below the range of PostgreSQL's int with room for sums. */
const QUANTITY_MAX = 1_000_000_000;

/** Sales: a cap on the stock of one product in a window of time, whose orders are placed in the flash lane. */
export function salesRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/sales/{saleId}', {
    get: { scope: 'orders:read', handle: withDatabase(readOne(deps)) },
    put: { scope: 'operate', handle: withDatabase(put(deps)) },
  });
  route(router, '/v1/sales/{saleId}/orders', {
    post: {
      scope: 'orders:write',
      // Not behind the database: what memory knows is answered without it.
      handle: (req, res) => placeFlashOrder(deps, req, res, saleIdIn(req)),
    },
  });
  return router;
}

const NewSale = z
  .strictObject({
    sku: Sku,
    quantity: z.int().min(1).max(QUANTITY_MAX).openapi({ description: 'Units, at most what is free now' }),
    opensAt: bodyMembers.timestamp.optional().openapi({ description: 'Absent: at once' }),
    closesAt: bodyMembers.timestamp.optional().openapi({ description: 'Absent: it stays open' }),
    perCustomer: z
      .int()
      .min(1)
      .max(QUANTITY_MAX)
      .optional()
      .openapi({ description: 'Units that one customer may have. Absent: no limit' }),
    paymentDeadlineSeconds: z.int().min(1).max(DEADLINE_SECONDS_MAX).optional().openapi({
      description:
        'How long an order of mode `wait` waits for its payment at most. Absent: as the order says',
    }),
  })
  .openapi('NewSale');

/** The row first, then the workflow that reads it: a repeat does both again. */
function put(deps: HttpDeps): Handler {
  return async (req, res) => {
    const saleId = newNameIn(req, 'saleId');
    const { sku, quantity, ...terms } = checkBody(NewSale, await readJsonBody(req));
    assertTemporal(deps.health);
    const { opensAt = null, closesAt = null, perCustomer = null, paymentDeadlineSeconds = null } = terms;
    const sale = await putSale(
      deps.pool,
      { saleId, sku, quantity, opensAt, closesAt, perCustomer, paymentDeadlineSeconds },
      callerOf(res),
    );
    await wakeSale(deps, saleId);
    res.json(sale);
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const sale = await readSale(pool, saleIdIn(req));
    if (sale === null) throw unknownSale();
    res.json(sale);
  };
}

/** @throws UnknownSaleError for what can be no sale's id */
function saleIdIn(req: Request): string {
  const saleId = parameter(req, 'saleId');
  if (!NAME.test(saleId)) throw unknownSale();
  return saleId;
}

function unknownSale(): UnknownSaleError {
  return new UnknownSaleError('There is no such sale.');
}

const Difference = z.object({
  of: z.enum(['reserved', 'sold', 'customers', 'quantity']),
  sale: z.int(),
  orders: z.int(),
});

const Sale = z
  .object({
    saleId: Name,
    sku: Sku,
    quantity: z.int(),
    available: z.int().openapi({ description: 'What can be ordered: of the cap, and in stock' }),
    reserved: z.int().openapi({ description: 'In orders that are not paid yet' }),
    sold: z.int(),
    state: z.enum(VISIBLE_SALE_STATES as [string, ...string[]]),
    opensAt: Timestamp.nullable(),
    closesAt: Timestamp.nullable(),
    perCustomer: z.int().nullable(),
    paymentDeadlineSeconds: z.int().nullable(),
    soldOutAt: Timestamp.nullable().openapi({ description: 'When the last unit was taken first' }),
    reconciliation: z
      .object({
        at: Timestamp,
        orders: z.int(),
        open: z.int(),
        reserved: z.int(),
        sold: z.int(),
        differences: z.array(Difference),
      })
      .nullable()
      .openapi({ description: 'What was counted when the last payment deadline after its close had passed' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .openapi('Sale');
const params = z.object({ saleId: Name });

export const saleOperations: Operation[] = [
  {
    method: 'put',
    path: '/v1/sales/{saleId}',
    tags: ['Sales'],
    summary: 'Open a sale, now or later, or change it',
    description:
      'A cap on the stock of one SKU: nothing is moved. 422 `unknown_sku`, `quantity_above_stock`, or `invalid_value` for a ' +
      'window that ends before it opens or is over. 409 `conflicting_state` for another SKU, less than is reserved and ' +
      'sold, or a sale that is closed.',
    request: { params, body: jsonBody(NewSale) },
    responses: guardedAnswers({ 200: Sale }, [...BODY_PROBLEMS, 409]),
  },
  {
    method: 'get',
    path: '/v1/sales/{saleId}',
    tags: ['Sales'],
    summary: 'Read a sale and what is left of it',
    request: { params },
    responses: guardedAnswers({ 200: Sale }, [404]),
  },
  {
    method: 'post',
    path: '/v1/sales/{saleId}/orders',
    tags: ['Sales'],
    summary: 'Place an order of a sale',
    description:
      'An order with one line, of the SKU of the sale, in any payment mode; committed in the flash lane, with many others at ' +
      'once. A repeat with the same key and body gets the first decided answer again. 404 `unknown_sale`. 409: ' +
      '`sale_not_open`, `sale_closed`, `sold_out`, `customer_limit`. 422: `invalid_value`, also for two lines or another ' +
      'SKU, `unknown_sku`, `idempotency_key_reused`. 429: `queue_full` or `too_many_requests`.',
    request: {
      params,
      headers: z.object({ 'Idempotency-Key': IdempotencyKeyHeader }),
      body: jsonBody(NewOrder),
    },
    responses: guardedAnswers({ 201: Order }, [...BODY_PROBLEMS, 404, 408, 409]),
  },
];
