import { Router } from 'express';
import { listDeliveries, readDelivery, type DeliveryView } from '../database/delivery-views';
import { NotFoundError } from '../errors';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { guardedAnswers, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import { Code, Name, pageMembers, pageOf, queryMembers, readUuid, Subject, Timestamp, Uuid } from './schemas';
import { checkQuery } from './validation';
import { z } from './zod';

/** Deliveries: each event's way to each target, with every attempt. */
export function deliveriesRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/deliveries', { get: { scope: 'orders:read', handle: withDatabase(list(deps)) } });
  route(router, '/v1/deliveries/{deliveryId}', {
    get: { scope: 'orders:read', handle: withDatabase(readOne(deps)) },
  });
  return router;
}

const DELIVERY_STATES = ['READY', 'SENDING', 'DELIVERED', 'DEAD'] as const;
const DeliveryQuery = z.strictObject({
  state: z.enum(DELIVERY_STATES).optional().openapi({ description: 'DEAD: the dead letters' }),
  target: queryMembers.name.optional(),
  rule: queryMembers.name.optional(),
  orderId: queryMembers.uuid.optional(),
  eventId: queryMembers.uuid.optional(),
  replayId: queryMembers.uuid.optional(),
  code: Code.optional(),
  ...pageMembers,
});

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const { data, nextCursor } = await listDeliveries(pool, checkQuery(DeliveryQuery, req));
    res.json({ data: data.map(deliveryInUtc), nextCursor });
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const deliveryId = readUuid(parameter(req, 'deliveryId'));
    const delivery = deliveryId === null ? null : await readDelivery(pool, deliveryId);
    if (delivery === null) throw new NotFoundError('There is no such delivery.');
    res.json(deliveryInUtc(delivery));
  };
}

/** Attempts come out of the database as JSON, with the server's own time zone. */
export function deliveryInUtc(delivery: DeliveryView): DeliveryView {
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
export const Delivery = z
  .object({
    deliveryId: Uuid,
    eventId: Uuid,
    orderId: Uuid.nullable().openapi({ description: "null for a caller's own event" }),
    subject: Subject.nullable(),
    seq: z.int(),
    type: z.string(),
    rule: Name,
    target: Name,
    state: z.enum(DELIVERY_STATES),
    attempts: z.array(Attempt),
    errorCode: z.string().nullable(),
    replayId: Uuid.nullable(),
    nextAttemptAt: Timestamp.nullable(),
    createdAt: Timestamp,
    firstAttemptAt: Timestamp.nullable(),
    finishedAt: Timestamp.nullable(),
    redrivenAt: Timestamp.nullable(),
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
  {
    method: 'get',
    path: '/v1/deliveries/{deliveryId}',
    tags: ['Event bus'],
    summary: 'Read a delivery with its attempts',
    request: { params: z.object({ deliveryId: Uuid }) },
    responses: guardedAnswers({ 200: Delivery }, [404]),
  },
];
