import { Router } from 'express';
import { listEvents } from '../database/events';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { guardedAnswers, type Operation } from './operations';
import { route, type Handler } from './routes';
import { pageMembers, pageOf, queryMembers, Timestamp, Uuid } from './schemas';
import { checkQuery } from './validation';
import { z } from './zod';

/** The outbox: events as they were committed, and whether they reached every target. */
export function eventsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/events', { get: { scope: 'orders:read', handle: withDatabase(list(deps)) } });
  return router;
}

const EVENT_STATUSES = ['PENDING', 'PUBLISHED', 'DEAD'] as const;
const EventQuery = z.strictObject({
  status: z
    .enum(EVENT_STATUSES)
    .optional()
    .openapi({ description: 'DEAD: a delivery is a dead letter and none is open' }),
  type: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'This must be 1 to 128 visible ASCII characters.')
    .optional()
    .openapi({ example: 'order.confirmed' }),
  orderId: queryMembers.uuid.optional(),
  ...pageMembers,
});

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => void res.json(await listEvents(pool, checkQuery(EventQuery, req)));
}

const EventView = z
  .object({
    id: Uuid,
    source: z.string(),
    'detail-type': z.string(),
    time: Timestamp,
    detail: z.looseObject({ orderId: Uuid, seq: z.int() }),
    status: z.enum(EVENT_STATUSES),
    publishedAt: Timestamp.nullable(),
    workflowId: z.string(),
  })
  .openapi('StoredEvent');

export const eventOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/events',
    tags: ['Event bus'],
    summary: 'List events, newest first',
    request: { query: EventQuery },
    responses: guardedAnswers({ 200: pageOf(EventView) }, [400]),
  },
];
