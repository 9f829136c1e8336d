import { Router } from 'express';
import type { EventEnvelope } from '../domain/events';
import { readJsonBody } from './json-body';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { route, type Handler } from './routes';
import { checkPattern, compileAt, Pattern, Transformer, transformerOf } from './rule-parts';
import { checkBody } from './validation';
import { z } from './zod';

/** Patterns and transformers tried on an event, before they are stored. Mount it before the rules: `test` looks like a name. */
export function ruleTrialsRouter(): Router {
  const router = Router();
  route(router, '/v1/rules/test', { post: { scope: 'operate', handle: tryRule } });
  return router;
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
  const output = await transformer.render(event, { ruleName: 'test', customer: SAMPLE_CUSTOMER });
  res.json({ matches, output });
};

export const ruleTrialOperations: Operation[] = [
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
