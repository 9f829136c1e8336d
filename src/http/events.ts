import { Router } from 'express';
import { fingerprintOf } from '../database/installation';
import { listEvents, publishEvent, readEvent } from '../database/events';
import { ORDER_SOURCE } from '../domain/events';
import { IdempotencyKeyReusedError, NotFoundError } from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { idempotencyKeyOf } from './idempotency-key';
import { readJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { IdempotencyKeyHeader } from './orders';
import { parameter, route, type Handler } from './routes';
import {
  EventType,
  pageMembers,
  pageOf,
  queryMembers,
  readUuid,
  Source,
  Subject,
  Timestamp,
  Uuid,
} from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** The outbox: events as they were committed, and whether they reached every target; and callers' own events. */
export function eventsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/events', {
    get: { scope: 'orders:read', handle: withDatabase(list(deps)) },
    post: { scope: 'events:write', handle: withDatabase(publish(deps)) },
  });
  route(router, '/v1/events/{eventId}', {
    get: { scope: 'orders:read', handle: withDatabase(readOne(deps)) },
  });
  return router;
}

/** Sources whose events only the service itself, or AWS, writes. */
const RESERVED_SOURCE = new RegExp(`^(${ORDER_SOURCE.replace('.', '\\.')}$|(aws|aftercommit)(\\.|$))`);

const NewEvent = z
  .strictObject({
    type: EventType,
    source: Source.refine((source) => !RESERVED_SOURCE.test(source), 'This source is reserved.'),
    detail: z
      .looseObject({})
      .superRefine((detail, context) => {
        for (const name of ['seq', 'subject']) {
          if (!Object.hasOwn(detail, name)) continue;
          context.addIssue({ code: 'custom', path: [name], message: 'The service sets this member.' });
        }
      })
      .openapi({ description: 'No personal data: it is kept in the archive and sent to targets' }),
    subject: Subject.optional().openapi({
      description: 'Events of one subject are numbered and arrive in order',
    }),
  })
  .openapi('NewEvent');

/** Writes the event; whoever listens for it delivers it, and so Temporal need not be there for this. */
function publish({ pool, installation }: HttpDeps): Handler {
  return async (req, res) => {
    const idempotencyKey = idempotencyKeyOf(req);
    const sent = await readJsonBody(req);
    const { type, source, detail, subject = null } = checkBody(NewEvent, sent);
    const fingerprint = fingerprintOf(installation, 'POST', '/v1/events', sent);
    const key = `http\n${callerOf(res)}\n${idempotencyKey}`;
    const published = await publishEvent(pool, { type, source, detail, subject, key, fingerprint });
    if (published.fingerprint !== fingerprint) {
      throw new IdempotencyKeyReusedError('This key was used for another event.');
    }
    const event = await readEvent(pool, published.eventId);
    res.status(201).location(`/v1/events/${published.eventId}`).json(event);
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const eventId = readUuid(parameter(req, 'eventId'));
    const event = eventId === null ? null : await readEvent(pool, eventId);
    if (event === null) throw new NotFoundError('There is no such event.');
    res.json(event);
  };
}

const EVENT_STATUSES = ['PENDING', 'PUBLISHED', 'DEAD'] as const;
const EventQuery = z.strictObject({
  status: z
    .enum(EVENT_STATUSES)
    .optional()
    .openapi({ description: 'DEAD: a delivery is a dead letter and none is open' }),
  type: EventType.optional(),
  source: Source.optional(),
  subject: Subject.optional(),
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
    detail: z.looseObject({ orderId: Uuid.optional(), subject: Subject.optional(), seq: z.int() }),
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
  {
    method: 'post',
    path: '/v1/events',
    tags: ['Event bus'],
    summary: "Publish a caller's own event",
    description: 'A repeat with the same key and body is answered with the same event, as it stands by then.',
    request: {
      headers: z.object({ 'Idempotency-Key': IdempotencyKeyHeader }),
      body: jsonBody(NewEvent),
    },
    responses: guardedAnswers({ 201: EventView }, BODY_PROBLEMS),
  },
  {
    method: 'get',
    path: '/v1/events/{eventId}',
    tags: ['Event bus'],
    summary: 'Read an event',
    request: { params: z.object({ eventId: Uuid }) },
    responses: guardedAnswers({ 200: EventView }, [404]),
  },
];
