import { randomUUID } from 'node:crypto';
import { Router } from 'express';
import { createRedrive, readRedrive, redriveDelivery } from '../database/redrives';
import { NotFoundError } from '../errors';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { startRedrive, wakeOwner } from './bus-workflows';
import { Delivery, deliveryInUtc } from './deliveries';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import { bodyMembers, Code, Name, readUuid, Timestamp, Uuid } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** Dead letters, taken up again: one, or all that a filter finds. */
export function redrivesRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/deliveries/redrive', {
    post: { scope: 'operate', handle: withDatabase(redriveMany(deps)) },
  });
  route(router, '/v1/deliveries/{deliveryId}/redrive', {
    post: { scope: 'operate', handle: withDatabase(redriveOne(deps)) },
  });
  route(router, '/v1/redrives/{redriveId}', {
    get: { scope: 'operate', handle: withDatabase(readOne(deps)) },
  });
  return router;
}

/** The row first, then the wake-up: a repeat does both again, and reconciliation finds what a lost wake-up left. */
function redriveOne(deps: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    const deliveryId = readUuid(parameter(req, 'deliveryId'));
    assertTemporal(deps.health);
    const redriven = deliveryId === null ? null : await redriveDelivery(deps.pool, deliveryId, callerOf(res));
    if (redriven === null) throw new NotFoundError('There is no such delivery.');
    await wakeOwner(deps, redriven.takenUp);
    res.json(deliveryInUtc(redriven.delivery));
  };
}

const NewRedrive = z
  .strictObject({
    target: Name.optional(),
    rule: Name.optional(),
    code: Code.optional().openapi({ description: 'Dead letters with this error code' }),
    orderId: bodyMembers.uuid.optional(),
    from: bodyMembers.timestamp.optional().openapi({ description: 'Dead since here' }),
    to: bodyMembers.timestamp.optional().openapi({ description: 'Dead before here' }),
  })
  .openapi('NewRedrive');

function redriveMany(deps: HttpDeps): Handler {
  return async (req, res) => {
    const filter = checkBody(NewRedrive, await readJsonBody(req));
    assertTemporal(deps.health);
    const redriveId = randomUUID();
    const redrive = await createRedrive(deps.pool, { redriveId, filter, actor: callerOf(res) });
    await startRedrive(deps, redriveId);
    res.status(202).location(`/v1/redrives/${redriveId}`).json(redrive);
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const redriveId = readUuid(parameter(req, 'redriveId'));
    const redrive = redriveId === null ? null : await readRedrive(pool, redriveId);
    if (redrive === null) throw new NotFoundError('There is no such redrive.');
    res.json(redrive);
  };
}

const Redrive = z
  .object({
    redriveId: Uuid,
    state: z
      .enum(['RUNNING', 'COMPLETED'])
      .openapi({ description: 'COMPLETED: all that matched is taken up' }),
    filter: z.looseObject({}),
    total: z.int().openapi({ description: 'Dead letters that matched when it began' }),
    deliveries: z
      .object({ open: z.int(), delivered: z.int(), dead: z.int() })
      .openapi({ description: 'What became of those that were taken up; `dead`: dead once more' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .openapi('Redrive');

export const redriveOperations: Operation[] = [
  {
    method: 'post',
    path: '/v1/deliveries/{deliveryId}/redrive',
    tags: ['Event bus'],
    summary: 'Take a dead letter up again',
    description:
      '409 `conflicting_state` when it was delivered. Its retry policy begins anew; its id and bytes stay.',
    request: { params: z.object({ deliveryId: Uuid }) },
    responses: guardedAnswers({ 200: Delivery }, [404, 409]),
  },
  {
    method: 'post',
    path: '/v1/deliveries/redrive',
    tags: ['Event bus'],
    summary: 'Take all dead letters up again that a filter finds',
    request: { body: jsonBody(NewRedrive) },
    responses: guardedAnswers({ 202: Redrive }, BODY_PROBLEMS),
  },
  {
    method: 'get',
    path: '/v1/redrives/{redriveId}',
    tags: ['Event bus'],
    summary: 'Read a redrive and how far it is',
    request: { params: z.object({ redriveId: Uuid }) },
    responses: guardedAnswers({ 200: Redrive }, [404]),
  },
];
