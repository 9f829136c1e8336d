import { randomUUID } from 'node:crypto';
import { Router, type Request } from 'express';
import {
  commandReplay,
  createReplay,
  listReplays,
  readReplay,
  type ReplayCommand,
  type ReplayView,
} from '../database/replays';
import { readTarget } from '../database/targets';
import { InvalidValueError, NotFoundError } from '../errors';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { wakeReplay } from './bus-workflows';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import { bodyMembers, EventType, Name, pageMembers, pageOf, readUuid, Timestamp, Uuid } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** Deliveries a second when nobody says: enough for 8 million a day, and far below what hurts a receiver. */
const RATE_PER_SECOND_DEFAULT = 100;
const RATE_PER_SECOND_MAX = 10_000;
const TYPES_MAX = 50;

/** Replays: events out of the archive, sent again in order per order, marked with the replay's id. */
export function replaysRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/replays', {
    get: { scope: 'operate', handle: withDatabase(list(deps)) },
    post: { scope: 'operate', handle: withDatabase(create(deps)) },
  });
  route(router, '/v1/replays/{replayId}', {
    get: { scope: 'operate', handle: withDatabase(readOne(deps)) },
  });
  for (const command of COMMANDS) {
    route(router, `/v1/replays/{replayId}/${command}`, {
      post: { scope: 'operate', handle: withDatabase(change(deps, command)) },
    });
  }
  return router;
}

const COMMANDS: readonly ReplayCommand[] = ['pause', 'resume', 'cancel'];

const NewReplay = z
  .strictObject({
    from: bodyMembers.timestamp.optional().openapi({ description: 'Events from here on' }),
    to: bodyMembers.timestamp.optional().openapi({ description: 'Events before here' }),
    types: z.array(EventType).min(1).max(TYPES_MAX).optional(),
    orderId: bodyMembers.uuid.optional(),
    target: Name.optional().openapi({
      description: 'To this target only; absent: wherever the rules, as they are now, send each event',
    }),
    ratePerSecond: z
      .int()
      .min(1)
      .max(RATE_PER_SECOND_MAX)
      .default(RATE_PER_SECOND_DEFAULT)
      .openapi({ description: 'Deliveries a second' }),
  })
  .openapi('NewReplay');

function create(deps: HttpDeps): Handler {
  return async (req, res) => {
    const { ratePerSecond, ...filter } = checkBody(NewReplay, await readJsonBody(req));
    await checkFilter(deps, filter);
    assertTemporal(deps.health);
    const replayId = randomUUID();
    const replay = await createReplay(deps.pool, { replayId, filter, ratePerSecond, actor: callerOf(res) });
    await wakeReplay(deps, replayId);
    res.status(201).location(`/v1/replays/${replayId}`).json(replay);
  };
}

async function checkFilter(
  { pool }: HttpDeps,
  { from, to, target }: { from?: string | undefined; to?: string | undefined; target?: string | undefined },
): Promise<void> {
  if (from !== undefined && to !== undefined && from >= to) {
    const message = 'The time that this ends is not after the time that it begins.';
    throw new InvalidValueError(message, { fields: [{ pointer: '/to', message }] });
  }
  if (target !== undefined && (await readTarget(pool, target)) === null) {
    const message = 'There is no target of this name.';
    throw new InvalidValueError(message, { fields: [{ pointer: '/target', message }] });
  }
}

function list({ pool }: HttpDeps): Handler {
  return async (req, res) =>
    void res.json(await listReplays(pool, checkQuery(z.strictObject({ ...pageMembers }), req)));
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => void res.json(found(await readReplay(pool, replayIdIn(req))));
}

/** The row first, then the workflow that reads it: a repeat does both again. */
function change(deps: HttpDeps, command: ReplayCommand): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    const replayId = replayIdIn(req);
    assertTemporal(deps.health);
    const replay = found(await commandReplay(deps.pool, replayId, command, callerOf(res)));
    await wakeReplay(deps, replayId);
    res.json(replay);
  };
}

function replayIdIn(req: Request): string {
  const replayId = readUuid(parameter(req, 'replayId'));
  if (replayId === null) throw unknownReplay();
  return replayId;
}

function unknownReplay(): NotFoundError {
  return new NotFoundError('There is no such replay.');
}

function found(replay: ReplayView | null): ReplayView {
  if (replay === null) throw unknownReplay();
  return replay;
}

const Replay = z
  .object({
    replayId: Uuid,
    state: z.enum(['RUNNING', 'PAUSED', 'CANCELLED', 'COMPLETED']),
    filter: z.looseObject({}),
    ratePerSecond: z.int(),
    events: z.object({ total: z.int(), routed: z.int() }),
    deliveries: z.object({
      ready: z.int(),
      sending: z.int(),
      delivered: z.int(),
      dead: z.int(),
    }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .openapi('Replay');
const params = z.object({ replayId: Uuid });

export const replayOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/replays',
    tags: ['Event bus'],
    summary: 'List replays, newest first',
    request: { query: z.object(pageMembers) },
    responses: guardedAnswers({ 200: pageOf(Replay) }, [400]),
  },
  {
    method: 'post',
    path: '/v1/replays',
    tags: ['Event bus'],
    summary: 'Send events of the archive again',
    description:
      'In order per order, each with its first id and bytes, and the header or attribute `replay-id`. Events that come after the request are not part of it.',
    request: { body: jsonBody(NewReplay) },
    responses: guardedAnswers({ 201: Replay }, BODY_PROBLEMS),
  },
  {
    method: 'get',
    path: '/v1/replays/{replayId}',
    tags: ['Event bus'],
    summary: 'Read a replay and how far it is',
    request: { params },
    responses: guardedAnswers({ 200: Replay }, [404]),
  },
  ...COMMANDS.map((command): Operation => ({
    method: 'post',
    path: `/v1/replays/{replayId}/${command}`,
    tags: ['Event bus'],
    summary: { pause: 'Pause a replay', resume: 'Resume a replay', cancel: 'Cancel a replay' }[command],
    request: { params },
    responses: guardedAnswers({ 200: Replay }, [404, 409]),
  })),
];
