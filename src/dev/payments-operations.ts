import { z } from 'zod';
import { parseJson, type FakeRequest } from './fake-server';

const id = z.string().min(1).max(255);
const money = {
  /** Minor units: whole and above zero, so a decimal amount is refused and never rounded. */
  amountMinor: z.int().positive(),
  currency: z.string().regex(/^[A-Z]{3}$/),
};

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
  return paymentId
    ? { kind: 'look_up', paymentId }
    : { kind: 'bad', status: 422, code: 'payment_id_missing' };
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
