import { Router } from 'express';
import { listDeliveries, type DeliveryView } from '../database/deliveries';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { guardedAnswers, type Operation } from './operations';
import { route, type Handler } from './routes';
import { Name, pageMembers, pageOf, queryMembers, Timestamp, Uuid } from './schemas';
import { checkQuery } from './validation';
import { z } from './zod';

/** Deliveries: each event's way to each target, with every attempt. */
export function deliveriesRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/deliveries', { get: { scope: 'orders:read', handle: withDatabase(list(deps)) } });
  return router;
}

const DELIVERY_STATES = ['READY', 'SENDING', 'DELIVERED', 'DEAD'] as const;
const DeliveryQuery = z.strictObject({
  state: z.enum(DELIVERY_STATES).optional().openapi({ description: 'DEAD: the dead letters' }),
  target: queryMembers.name.optional(),
  rule: queryMembers.name.optional(),
  orderId: queryMembers.uuid.optional(),
  eventId: queryMembers.uuid.optional(),
  ...pageMembers,
});

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const { data, nextCursor } = await listDeliveries(pool, checkQuery(DeliveryQuery, req));
    res.json({ data: data.map(inUtc), nextCursor });
  };
}

/** Attempts come out of the database as JSON, with the server's own time zone. */
function inUtc(delivery: DeliveryView): DeliveryView {
  const attempts = delivery.attempts.map((attempt) => ({
    ...attempt,
    startedAt: new Date(attempt.startedAt).toISOString(),
  }));
  return { ...delivery, attempts };
}

const Attempt = z.object({
  n: z.int(),
  startedAt: Timestamp,
  latencyMs: z.int().nullable(),
  status: z.int().nullable().openapi({ description: 'HTTP status of the receiver' }),
  result: z.enum(['delivered', 'retry', 'dead']).nullable(),
  code: z.string().nullable(),
  error: z.string().nullable(),
});
const Delivery = z
  .object({
    deliveryId: Uuid,
    eventId: Uuid,
    orderId: Uuid,
    seq: z.int(),
    type: z.string(),
    rule: Name,
    target: Name,
    state: z.enum(DELIVERY_STATES),
    attempts: z.array(Attempt),
    errorCode: z.string().nullable(),
    nextAttemptAt: Timestamp.nullable(),
    createdAt: Timestamp,
    finishedAt: Timestamp.nullable(),
  })
  .openapi('Delivery');

export const deliveryOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/deliveries',
    tags: ['Event bus'],
    summary: 'List deliveries with their attempts, newest first',
    request: { query: DeliveryQuery },
    responses: guardedAnswers({ 200: pageOf(Delivery) }, [400]),
  },
];
