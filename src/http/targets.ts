import { Router } from 'express';
import { TARGET_KINDS, validateTargetConfig, verifyTargetConfig } from '../bus/targets';
import { deleteTarget, listTargets, putTarget, readTarget, type TargetRow } from '../database/targets';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { nameIn, newNameIn, notFound } from './names';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { route, type Handler } from './routes';
import { Name, Timestamp } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** Source: EventBridge's longest MaximumEventAgeInSeconds. */
const MAXIMUM_AGE_SECONDS_MAX = 86_400;

/** Targets: where rules send events. */
export function targetsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/targets', { get: { scope: 'operate', handle: withDatabase(list(deps)) } });
  route(router, '/v1/targets/{name}', {
    get: { scope: 'operate', handle: withDatabase(readOne(deps)) },
    put: { scope: 'admin', handle: withDatabase(put(deps)) },
    delete: { scope: 'admin', handle: withDatabase(remove(deps)) },
  });
  return router;
}

/** The JSON types; the values are judged by the target's kind. */
const settings = {
  url: z.string().optional().openapi({ example: 'https://billing.example.com/events' }),
  method: z
    .string()
    .optional()
    .openapi({ enum: ['POST', 'PUT', 'PATCH'], default: 'POST' }),
  headers: z.record(z.string(), z.string()).optional(),
  encoding: z
    .string()
    .optional()
    .openapi({ enum: ['json', 'form'], default: 'json' }),
  timeoutMs: z
    .number()
    .optional()
    .openapi({ type: 'integer', minimum: 100, maximum: 30_000, default: 5_000 }),
};
const Retry = z.strictObject({ maximumAgeSeconds: z.int().min(1).max(MAXIMUM_AGE_SECONDS_MAX).optional() });

const NewTarget = z
  .strictObject({
    kind: z.string().openapi({ enum: [...TARGET_KINDS] }),
    ...settings,
    connection: Name.nullish().openapi({ description: 'The name of a connection, for its credentials' }),
    retry: Retry.default({}),
    ratePerSecond: z.number().optional().openapi({ description: 'Not supported yet: refused' }),
    batch: z
      .looseObject({})
      .optional()
      .openapi({ type: 'object', description: 'Not supported yet: refused' }),
  })
  .openapi('NewTarget');

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    res.json({ data: (await listTargets(pool)).map(viewOf), nextCursor: null });
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const target = await readTarget(pool, nameIn(req, 'target'));
    if (target === null) throw notFound('target');
    res.json(viewOf(target));
  };
}

function put({ pool, allowPrivateTargets }: HttpDeps): Handler {
  return async (req, res) => {
    const name = newNameIn(req);
    const { kind, connection = null, retry, ...sent } = checkBody(NewTarget, await readJsonBody(req));
    const policy = { allowPrivate: allowPrivateTargets };
    const config = validateTargetConfig(kind, sent, policy);
    await verifyTargetConfig(kind, config, policy);
    const target = {
      name,
      kind,
      config: config as Record<string, unknown>,
      connection,
      retry: retry.maximumAgeSeconds === undefined ? {} : { maximumAgeSeconds: retry.maximumAgeSeconds },
    };
    res.json(viewOf(await putTarget(pool, { ...target, actor: callerOf(res) })));
  };
}

function remove({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    if (!(await deleteTarget(pool, nameIn(req, 'target'), callerOf(res)))) throw notFound('target');
    res.status(204).end();
  };
}

function viewOf({ name, kind, config, connection, retry, createdAt, updatedAt }: TargetRow): object {
  return { name, kind, ...config, connection, retry, createdAt, updatedAt };
}

const Target = z
  .object({
    name: Name,
    kind: z.string(),
    ...settings,
    connection: Name.nullable(),
    retry: Retry,
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .openapi('Target');
const nameParameter = z.object({ name: Name });

export const targetOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/targets',
    tags: ['Event bus'],
    summary: 'List targets, by name',
    responses: guardedAnswers({ 200: z.object({ data: z.array(Target), nextCursor: z.null() }) }, [400]),
  },
  {
    method: 'get',
    path: '/v1/targets/{name}',
    tags: ['Event bus'],
    summary: 'Read a target',
    request: { params: nameParameter },
    responses: guardedAnswers({ 200: Target }, [404]),
  },
  {
    method: 'put',
    path: '/v1/targets/{name}',
    tags: ['Event bus'],
    summary: 'Create or replace a target',
    description: '422 `invalid_target`: a setting, or an address that events are not sent to.',
    request: { params: nameParameter, body: jsonBody(NewTarget) },
    responses: guardedAnswers({ 200: Target }, BODY_PROBLEMS),
  },
  {
    method: 'delete',
    path: '/v1/targets/{name}',
    tags: ['Event bus'],
    summary: 'Delete a target that nothing uses',
    description: '409 `in_use` while a rule names it or deliveries to it are on record.',
    request: { params: nameParameter },
    responses: guardedAnswers({ 204: null }, [404, 409]),
  },
];
