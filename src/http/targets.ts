import { randomUUID } from 'node:crypto';
import { Router } from 'express';
import { jsonPointer } from '../bus/json-pointer';
import { TARGET_KINDS, targetKindOf, validateTargetConfig, verifyTargetConfig } from '../bus/targets';
import { countBacklogs } from '../database/backlog';
import { deleteTarget, listTargets, putTarget, readTarget, type TargetRow } from '../database/targets';
import { MalformedRequestError } from '../errors';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { runTargetTest } from './bus-workflows';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { nameIn, newNameIn, notFound } from './names';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { route, type Handler } from './routes';
import { Backlog, Name, Timestamp } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** Source: EventBridge's longest MaximumEventAgeInSeconds. */
const MAXIMUM_AGE_SECONDS_MAX = 86_400;
/** More than this service sends to one target; a limit beyond it limits nothing. */
const RATE_PER_SECOND_MAX = 10_000;

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
  route(router, '/v1/targets/{name}/test', {
    post: { scope: 'operate', handle: withDatabase(test(deps)) },
  });
  return router;
}

const Retry = z.strictObject({ maximumAgeSeconds: z.int().min(1).max(MAXIMUM_AGE_SECONDS_MAX).optional() });

/** What every kind has. The rest is the kind's own, and judged by it. */
const common = {
  connection: Name.nullish().openapi({ description: 'The name of a connection, for its credentials' }),
  signature: Name.nullish().openapi({
    description:
      'The name of a `webhook_secret` connection: what is sent is signed as Standard Webhooks says',
  }),
  retry: Retry.default({}),
  ratePerSecond: z
    .int()
    .min(1)
    .max(RATE_PER_SECOND_MAX)
    .nullish()
    .openapi({ description: 'Sends a second over all processes; absent: no limit' }),
};
const NewTarget = z.looseObject({ kind: z.string(), ...common }).openapi('NewTarget', {
  oneOf: TARGET_KINDS.map((kind) => ({
    type: 'object',
    title: kind,
    properties: { kind: { type: 'string', enum: [kind] }, ...targetKindOf(kind).properties },
  })),
});

/**
 * Members that the kind does not have, or whose JSON type is another, make the body malformed.
 * @throws MalformedRequestError
 */
function checkSettings(kind: string, settings: Record<string, unknown>): void {
  const { properties } = targetKindOf(kind);
  const fields = Object.entries(settings).flatMap(([name, value]) => {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const message =
      property === undefined
        ? 'There is no such member.'
        : typeRefusal((property as { type?: string }).type, value);
    return message === null ? [] : [{ pointer: jsonPointer([name]), message }];
  });
  if (fields.length === 0) return;
  throw new MalformedRequestError('The body does not have the form that is asked for.', { fields });
}

function typeRefusal(type: string | undefined, value: unknown): string | null {
  const given = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  const wanted = type === 'integer' ? 'number' : type;
  return wanted === undefined || given === wanted ? null : `This must be of type ${wanted}.`;
}

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    const [targets, backlogs] = await Promise.all([listTargets(pool), countBacklogs(pool, 'target')]);
    res.json({ data: targets.map((target) => viewOf(target, backlogs)), nextCursor: null });
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const target = await readTarget(pool, nameIn(req, 'target'));
    if (target === null) throw notFound('target');
    res.json(viewOf(target, await countBacklogs(pool, 'target')));
  };
}

function put({ pool, allowPrivateTargets }: HttpDeps): Handler {
  return async (req, res) => {
    const name = newNameIn(req);
    const body = checkBody(NewTarget, await readJsonBody(req));
    const { kind, connection = null, signature = null, retry, ratePerSecond = null, ...settings } = body;
    checkSettings(kind, settings);
    const policy = { allowPrivate: allowPrivateTargets };
    const config = validateTargetConfig(kind, settings, policy);
    await verifyTargetConfig(kind, config, policy);
    const target = {
      name,
      kind,
      config: config as Record<string, unknown>,
      connection,
      signature,
      ratePerSecond,
      retry: retry.maximumAgeSeconds === undefined ? {} : { maximumAgeSeconds: retry.maximumAgeSeconds },
    };
    const { connections, signs = false } = targetKindOf(kind);
    const accepts = { connection: connections, signature: signs ? ['webhook_secret'] : [] };
    const stored = await putTarget(pool, { ...target, actor: callerOf(res) }, accepts);
    res.json(viewOf(stored, await countBacklogs(pool, 'target')));
  };
}

function remove({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    if (!(await deleteTarget(pool, nameIn(req, 'target'), callerOf(res)))) throw notFound('target');
    res.status(204).end();
  };
}

/** A real attempt from a worker: what it answers is what deliveries would meet. */
function test(deps: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    const name = nameIn(req, 'target');
    if ((await readTarget(deps.pool, name)) === null) throw notFound('target');
    assertTemporal(deps.health);
    res.json(await runTargetTest(deps, { target: name, testId: randomUUID() }));
  };
}

const TestOutcome = z
  .object({
    outcome: z
      .enum(['delivered', 'retry', 'dead'])
      .openapi({ description: 'What it would mean to a delivery' }),
    status: z.int().nullable(),
    latencyMs: z.int(),
    code: z.string().nullable(),
    message: z.string().nullable(),
  })
  .openapi('TestOutcome');

function viewOf(target: TargetRow, backlogs: ReadonlyMap<string, number>): object {
  const { name, kind, config, connection, signature, retry, ratePerSecond, state, createdAt, updatedAt } =
    target;
  const backlog = backlogs.get(name) ?? 0;
  return {
    name,
    kind,
    ...config,
    connection,
    signature,
    retry,
    ratePerSecond,
    state,
    backlog,
    createdAt,
    updatedAt,
  };
}

const Target = z
  .looseObject({
    name: Name,
    kind: z.string(),
    connection: Name.nullable(),
    signature: Name.nullable(),
    retry: Retry,
    ratePerSecond: z.int().nullable(),
    state: z.enum(['ENABLED', 'PAUSED', 'DISABLED']),
    backlog: Backlog,
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
    description: '409 `in_use` while a rule names it or deliveries to it are open.',
    request: { params: nameParameter },
    responses: guardedAnswers({ 204: null }, [404, 409]),
  },
  {
    method: 'post',
    path: '/v1/targets/{name}/test',
    tags: ['Event bus'],
    summary: 'Send one test event to a target, by a worker, and say what came of it',
    description:
      'The event is `target.test` of the source `aftercommit`; no rule, transformer, rate or retry applies.',
    request: { params: nameParameter },
    responses: guardedAnswers({ 200: TestOutcome }, [404]),
  },
];
