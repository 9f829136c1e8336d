import { Router } from 'express';
import { TARGET_KINDS, targetKindOf } from '../bus/targets';
import { countBacklogs } from '../database/backlog';
import { deleteRule, listRules, putRule, readRule, type RuleRow, type RuleTarget } from '../database/rules';
import { listTargets } from '../database/targets';
import { InvalidTransformerError } from '../errors';
import { callerOf } from './authentication';
import { assertTemporal, requireDatabase } from './availability';
import { wakeBacklog } from './bus-workflows';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { nameIn, newNameIn, notFound } from './names';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { route, type Handler } from './routes';
import { checkPattern, compileAt, Pattern, Transformer, transformerOf } from './rule-parts';
import { Backlog, Name, Timestamp } from './schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** Source: EventBridge has 5 targets a rule; more than a few make one event slow to route. */
const TARGETS_MAX = 20;

/** Rules: which events go to which targets. */
export function rulesRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/rules', { get: { scope: 'operate', handle: withDatabase(list(deps)) } });
  route(router, '/v1/rules/{name}', {
    get: { scope: 'operate', handle: withDatabase(readOne(deps)) },
    put: { scope: 'admin', handle: withDatabase(put(deps)) },
    delete: { scope: 'admin', handle: withDatabase(remove(deps)) },
  });
  return router;
}

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
    const [rules, backlogs] = await Promise.all([listRules(pool), countBacklogs(pool, 'rule')]);
    res.json({ data: rules.map((rule) => viewOf(rule, backlogs)), nextCursor: null });
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const rule = await readRule(pool, nameIn(req, 'rule'));
    if (rule === null) throw notFound('rule');
    res.json(viewOf(rule, await countBacklogs(pool, 'rule')));
  };
}

function put(deps: HttpDeps): Handler {
  const { pool } = deps;
  return async (req, res) => {
    const name = newNameIn(req);
    const body = checkBody(NewRule, await readJsonBody(req));
    checkPattern(body.pattern);
    const impersonal = await impersonalTargets(pool);
    const targets = body.targets.map(({ target, transformer }, index): RuleTarget => {
      if (transformer === null || transformer === undefined) return { target, transformer: null };
      const config = transformerOf(transformer);
      const { usesCustomer } = compileAt(['targets', index, 'transformer'], config);
      if (usesCustomer && impersonal.has(target)) throw personalDataRefused(index);
      return { target, transformer: config };
    });
    const { pattern, state, description = null } = body;
    const isResumed = state === 'ENABLED' && (await readRule(pool, name))?.state === 'PAUSED';
    if (isResumed) assertTemporal(deps.health);
    const rule = { name, description, pattern, state, targets, actor: callerOf(res) };
    const stored = await putRule(pool, rule);
    if (isResumed) await wakeBacklog(deps, { rule: name });
    res.json(viewOf(stored, await countBacklogs(pool, 'rule')));
  };
}

function viewOf(rule: RuleRow, backlogs: ReadonlyMap<string, number>): object {
  const { createdAt, updatedAt, ...definition } = rule;
  return { ...definition, backlog: backlogs.get(rule.name) ?? 0, createdAt, updatedAt };
}

function remove({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    if (!(await deleteRule(pool, nameIn(req, 'rule'), callerOf(res)))) throw notFound('rule');
    res.status(204).end();
  };
}

/** Targets that store what they get where personal data must not be, such as a workflow's history. */
async function impersonalTargets(pool: HttpDeps['pool']): Promise<Set<string>> {
  const targets = await listTargets(pool);
  // A kind that this version does not know opens no target, so nothing is sent to it.
  const known = targets.filter(({ kind }) => TARGET_KINDS.includes(kind));
  return new Set(
    known.filter(({ kind }) => targetKindOf(kind).takesPersonalData === false).map(({ name }) => name),
  );
}

function personalDataRefused(index: number): InvalidTransformerError {
  const message = 'This target stores what it gets, so its transformer cannot name the customer.';
  return new InvalidTransformerError(message, { fields: [{ pointer: `/targets/${index}/target`, message }] });
}

const Rule = z
  .object({
    name: Name,
    description: z.string().nullable(),
    pattern: Pattern,
    state: z.enum(['ENABLED', 'DISABLED', 'PAUSED']),
    targets: z.array(z.object({ target: Name, transformer: Transformer.nullable() })),
    backlog: Backlog,
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
];
