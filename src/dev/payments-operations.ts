import { z } from 'zod';
import { parseJson, type FakeRequest } from './fake-server';

/** An id of either side. */
export const id = z.string().min(1).max(255);
export const money = {
  /** Minor units: whole and above zero, so a decimal amount is refused and never rounded. */
  amountMinor: z.int().positive(),
  currency: z.string().regex(/^[A-Z]{3}$/),
};

/** Longest page of a list, and the default. Far below what an adapter reads of one answer. */
const PAGE_SIZE_MAX = 50;

const authorizeBody = z.strictObject({ paymentId: id, orderId: id, ...money, method: id });
const captureBody = z.strictObject(money);
const voidBody = z.strictObject({});
const refundBody = z.strictObject({ refundId: id, ...money });

/** A request that changes something and therefore needs an Idempotency-Key. */
export type Operation =
  | { name: 'authorize'; body: z.infer<typeof authorizeBody> }
  | { name: 'capture'; authorizationId: string; body: z.infer<typeof captureBody> }
  | { name: 'void'; authorizationId: string }
  | { name: 'refund'; captureId: string; body: z.infer<typeof refundBody> };

export type ParsedRequest =
  | { kind: 'operation'; operation: Operation }
  | { kind: 'look_up'; paymentId: string }
  | { kind: 'look_up'; authorizationId: string }
  /** `after`: the last authorization of the page before. */
  | { kind: 'list'; createdSince: Date; after: string | null; limit: number }
  | { kind: 'bad'; status: number; code: string; message?: string };

/** Reads method, path and body of the fake gateway's API. */
export function parseOperation(request: FakeRequest): ParsedRequest {
  const [root, version, collection, objectId, action, ...rest] = request.path.split('/').map(decode);
  if (root !== '' || version !== 'v1' || rest.length > 0) return notFound;
  if (request.method === 'GET') return lookUp(collection, objectId, action, request.query);
  if (request.method !== 'POST') return { kind: 'bad', status: 405, code: 'method_not_allowed' };

  if (collection === 'authorizations' && objectId === undefined) {
    return withBody(authorizeBody, request, (body) => ({ name: 'authorize', body }));
  }
  if (objectId === undefined) return notFound;
  switch (`${collection}/${action}`) {
    case 'authorizations/capture':
      return withBody(captureBody, request, (body) => ({ name: 'capture', authorizationId: objectId, body }));
    case 'authorizations/void':
      return withBody(voidBody, request, () => ({ name: 'void', authorizationId: objectId }));
    case 'captures/refunds':
      return withBody(refundBody, request, (body) => ({ name: 'refund', captureId: objectId, body }));
    default:
      return notFound;
  }
}

const notFound: ParsedRequest = { kind: 'bad', status: 404, code: 'unknown_path' };

function lookUp(
  collection: string | undefined,
  objectId: string | undefined,
  action: string | undefined,
  query: URLSearchParams,
): ParsedRequest {
  if (collection !== 'authorizations' || action !== undefined) return notFound;
  if (objectId !== undefined) return { kind: 'look_up', authorizationId: objectId };
  const paymentId = query.get('paymentId');
  if (paymentId) return { kind: 'look_up', paymentId };
  return query.has('createdSince') ? list(query) : { kind: 'bad', status: 422, code: 'payment_id_missing' };
}

function list(query: URLSearchParams): ParsedRequest {
  const createdSince = new Date(query.get('createdSince') ?? '');
  const limit = Number(query.get('limit') ?? PAGE_SIZE_MAX);
  const isLimit = Number.isInteger(limit) && limit >= 1 && limit <= PAGE_SIZE_MAX;
  if (Number.isNaN(createdSince.getTime()) || !isLimit) {
    return { kind: 'bad', status: 422, code: 'invalid_request' };
  }
  return { kind: 'list', createdSince, after: query.get('after'), limit };
}

function withBody<Body>(
  schema: z.ZodType<Body>,
  request: FakeRequest,
  create: (body: Body) => Operation,
): ParsedRequest {
  const parsed = schema.safeParse(request.body === '' ? {} : parseJson(request.body));
  if (parsed.success) return { kind: 'operation', operation: create(parsed.data) };
  return { kind: 'bad', status: 422, code: 'invalid_request', message: z.prettifyError(parsed.error) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
