import { Router } from 'express';
import { compilePattern } from '../bus/pattern';
import { compileTransformer, type CompiledTransformer } from '../bus/transformer';
import { deleteRule, listRules, putRule, readRule, type RuleTarget } from '../database/rules';
import type { EventEnvelope } from '../domain/events';
import { InvalidPatternError, InvalidTransformerError } from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { nameIn, newNameIn, notFound } from './names';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { route, type Handler } from './routes';
import { Name, Timestamp } from './schemas';
import { checkBody, checkQuery, fieldsUnder } from './validation';
import { z } from './zod';

/** Source: EventBridge has 5 targets a rule; more than a few make one event slow to route. */
const TARGETS_MAX = 20;

/** Rules: which events go to which targets. */
export function rulesRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/rules', { get: { scope: 'operate', handle: withDatabase(list(deps)) } });
  // Before the path with a name, which `test` would be.
  route(router, '/v1/rules/test', { post: { scope: 'operate', handle: tryRule } });
  route(router, '/v1/rules/{name}', {
    get: { scope: 'operate', handle: withDatabase(readOne(deps)) },
    put: { scope: 'admin', handle: withDatabase(put(deps)) },
    delete: { scope: 'admin', handle: withDatabase(remove(deps)) },
  });
  return router;
}

const Pattern = z.record(z.string(), z.unknown()).openapi({
  type: 'object',
  description: 'An event pattern in the language of EventBridge; exact values for now',
  example: { source: ['ecommerce.orders'], 'detail-type': ['order.confirmed'] },
});
const Transformer = z
  .strictObject({
    inputPathsMap: z.record(z.string(), z.string()).optional(),
    inputTemplate: z.string(),
  })
  .openapi('Transformer', {
    example: { inputPathsMap: { id: '$.detail.orderId' }, inputTemplate: '{"id": <id>}' },
  });

const NewRule = z
  .strictObject({
    description: z.string().max(500).nullish(),
    pattern: Pattern,
    targets: z
      .array(z.strictObject({ target: Name, transformer: Transformer.nullish() }))
      .min(1)
      .max(TARGETS_MAX)
      .superRefine(refuseDoubledTargets),
    state: z.enum(['ENABLED', 'DISABLED', 'PAUSED']).default('ENABLED'),
  })
  .openapi('NewRule');

function refuseDoubledTargets(targets: readonly { target: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  targets.forEach(({ target }, index) => {
    if (seen.has(target)) {
      context.addIssue({
        code: 'custom',
        path: [index, 'target'],
        message: 'Another entry has this target.',
      });
    }
    seen.add(target);
  });
}

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    res.json({ data: await listRules(pool), nextCursor: null });
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const rule = await readRule(pool, nameIn(req, 'rule'));
    if (rule === null) throw notFound('rule');
    res.json(rule);
  };
}

function put({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const name = newNameIn(req);
    const body = checkBody(NewRule, await readJsonBody(req));
    checkPattern(body.pattern);
    const targets = body.targets.map(({ target, transformer }, index): RuleTarget => {
      if (transformer === null || transformer === undefined) return { target, transformer: null };
      const config = transformerOf(transformer);
      compileAt(['targets', index, 'transformer'], config);
      return { target, transformer: config };
    });
    const { pattern, state, description = null } = body;
    res.json(await putRule(pool, { name, description, pattern, state, targets, actor: callerOf(res) }));
  };
}

function remove({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    if (!(await deleteRule(pool, nameIn(req, 'rule'), callerOf(res)))) throw notFound('rule');
    res.status(204).end();
  };
}

type TransformerConfig = NonNullable<RuleTarget['transformer']>;

/** Without members that are undefined: what is stored has none. */
function transformerOf({ inputPathsMap, inputTemplate }: z.output<typeof Transformer>): TransformerConfig {
  return inputPathsMap === undefined ? { inputTemplate } : { inputPathsMap, inputTemplate };
}

function checkPattern(pattern: unknown): ReturnType<typeof compilePattern> {
  try {
    return compilePattern(pattern);
  } catch (error) {
    if (!(error instanceof InvalidPatternError)) throw error;
    throw new InvalidPatternError(error.message, {
      fields: fieldsUnder(['pattern'], error.fields),
      cause: error,
    });
  }
}

function compileAt(path: readonly (string | number)[], config: TransformerConfig): CompiledTransformer {
  try {
    return compileTransformer(config);
  } catch (error) {
    if (!(error instanceof InvalidTransformerError)) throw error;
    throw new InvalidTransformerError(error.message, {
      fields: fieldsUnder(path, error.fields),
      cause: error,
    });
  }
}

const EventToTry = z
  .strictObject({
    id: z.string(),
    source: z.string(),
    'detail-type': z.string(),
    time: z.string(),
    detail: z.looseObject({}),
  })
  .openapi('Event', { description: 'The envelope that targets get' });

const RuleTrial = z
  .strictObject({ pattern: Pattern, event: EventToTry, transformer: Transformer.optional() })
  .openapi('RuleTrial');

/** Stands in for the person, whom only a real delivery may look up. */
const SAMPLE_CUSTOMER = { id: 'customer-id', phone: '+15005550006' };

/** Tries a pattern and a transformer on an event. Reads and writes nothing. */
const tryRule: Handler = async (req, res) => {
  const body = checkBody(RuleTrial, await readJsonBody(req));
  // What an event of ours has more than this schema asks for is not asked of a trial.
  const event = body.event as unknown as EventEnvelope;
  const matches = checkPattern(body.pattern).matches(event);
  if (body.transformer === undefined) return void res.json({ matches });
  const transformer = compileAt(['transformer'], transformerOf(body.transformer));
  const output = transformer.render(event, { ruleName: 'test', customer: SAMPLE_CUSTOMER });
  res.json({ matches, output });
};

const Rule = z
  .object({
    name: Name,
    description: z.string().nullable(),
    pattern: Pattern,
    state: z.enum(['ENABLED', 'DISABLED', 'PAUSED']),
    targets: z.array(z.object({ target: Name, transformer: Transformer.nullable() })),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .openapi('Rule');
const nameParameter = z.object({ name: Name });

export const ruleOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/rules',
    tags: ['Event bus'],
    summary: 'List rules, by name',
    responses: guardedAnswers({ 200: z.object({ data: z.array(Rule), nextCursor: z.null() }) }, [400]),
  },
  {
    method: 'get',
    path: '/v1/rules/{name}',
    tags: ['Event bus'],
    summary: 'Read a rule',
    request: { params: nameParameter },
    responses: guardedAnswers({ 200: Rule }, [404]),
  },
  {
    method: 'put',
    path: '/v1/rules/{name}',
    tags: ['Event bus'],
    summary: 'Create or replace a rule',
    description:
      '422 `invalid_pattern`, `invalid_transformer`, or `invalid_value` for a target that does not exist.',
    request: { params: nameParameter, body: jsonBody(NewRule) },
    responses: guardedAnswers({ 200: Rule }, BODY_PROBLEMS),
  },
  {
    method: 'delete',
    path: '/v1/rules/{name}',
    tags: ['Event bus'],
    summary: 'Delete a rule; deliveries that it made go on',
    request: { params: nameParameter },
    responses: guardedAnswers({ 204: null }, [404]),
  },
  {
    method: 'post',
    path: '/v1/rules/test',
    tags: ['Event bus'],
    summary: 'Try a pattern and a transformer on an event',
    request: { body: jsonBody(RuleTrial) },
    responses: guardedAnswers(
      { 200: z.object({ matches: z.boolean(), output: z.string().optional() }).openapi('RuleTrialResult') },
      BODY_PROBLEMS,
    ),
  },
];
