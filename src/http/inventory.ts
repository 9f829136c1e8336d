import { Router, type Request } from 'express';
import { listStock, readStock, setAvailable } from '../database/inventory';
import { MalformedRequestError, NotFoundError } from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import { pageMembers, pageOf, Reason, Sku, SKU } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** Below the range of PostgreSQL's int with room for what is reserved and sold. */
const AVAILABLE_MAX = 1_000_000_000;

/** Stock. */
export function inventoryRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/inventory', { get: { scope: 'orders:read', handle: withDatabase(list(deps)) } });
  route(router, '/v1/inventory/{sku}', {
    get: { scope: 'orders:read', handle: withDatabase(readOne(deps)) },
    put: { scope: 'operate', handle: withDatabase(set(deps)) },
  });
  return router;
}

const StockQuery = z.strictObject({ ...pageMembers });

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const { limit, cursor } = checkQuery(StockQuery, req);
    const after = cursor === undefined ? undefined : readCursor(cursor);
    const found = await listStock(pool, { limit: limit + 1, after });
    const data = found.slice(0, limit);
    const last = data.at(-1);
    res.json({ data, nextCursor: found.length > limit && last !== undefined ? writeCursor(last.sku) : null });
  };
}

function writeCursor(sku: string): string {
  return Buffer.from(`sku ${sku}`, 'utf8').toString('base64url');
}

function readCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  const sku = text.slice('sku '.length);
  if (text.startsWith('sku ') && SKU.test(sku) && writeCursor(sku) === cursor) return sku;
  throw new MalformedRequestError('The cursor is not one that this service gave out.', {
    fields: [{ pointer: '/cursor', message: 'take nextCursor of the page before' }],
  });
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const sku = parameter(req, 'sku');
    const stock = SKU.test(sku) ? await readStock(pool, sku) : null;
    if (stock === null) throw new NotFoundError('The inventory has no such SKU.');
    res.json(stock);
  };
}

const NewStock = z
  .strictObject({
    available: z.int().min(0).max(AVAILABLE_MAX).openapi({ description: 'What is free to sell from now on' }),
    reason: Reason.optional().openapi({ description: 'Written into the audit' }),
  })
  .openapi('NewStock');

function set({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const sku = skuToSet(req);
    const { available, reason = '' } = checkBody(NewStock, await readJsonBody(req));
    res.json(await setAvailable(pool, { sku, available, actor: callerOf(res), reason }));
  };
}

function skuToSet(req: Request): string {
  const sku = parameter(req, 'sku');
  if (SKU.test(sku)) return sku;
  throw new MalformedRequestError('A SKU has 1 to 128 visible ASCII characters.');
}

const Stock = z
  .object({ sku: Sku, available: z.int(), reserved: z.int(), sold: z.int() })
  .openapi('Stock', { description: 'Every unit is in exactly one of the three.' });
const skuParameter = z.object({ sku: Sku });

export const inventoryOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/inventory',
    tags: ['Inventory'],
    summary: 'List stock, by SKU',
    request: { query: StockQuery },
    responses: guardedAnswers({ 200: pageOf(Stock) }, [400]),
  },
  {
    method: 'get',
    path: '/v1/inventory/{sku}',
    tags: ['Inventory'],
    summary: 'Read the stock of one SKU',
    request: { params: skuParameter },
    responses: guardedAnswers({ 200: Stock }, [404]),
  },
  {
    method: 'put',
    path: '/v1/inventory/{sku}',
    tags: ['Inventory'],
    summary: 'Set what is free to sell; makes the SKU known',
    request: { params: skuParameter, body: jsonBody(NewStock) },
    responses: guardedAnswers({ 200: Stock }, BODY_PROBLEMS),
  },
];
