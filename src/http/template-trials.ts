import { Router } from 'express';
import { readTemplate } from '../database/templates';
import { isCurrency } from '../domain/money';
import { smsSizeOf } from '../domain/sms-segments';
import { checkTemplate } from '../domain/template-checks';
import {
  renderContent,
  renderOne,
  type MessageContent,
  type MessageFacts,
  type TemplateDefinition,
  type TemplateName,
} from '../domain/templates';
import { CHANNELS, type ChannelName } from '../domain/message-status';
import { InvalidTemplateError } from '../errors';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { languageAt } from './languages';
import { notFound } from './names';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { route, type Handler } from './routes';
import { AMOUNT_MINOR_MAX } from './schemas';
import { Channel } from './notification-documents';
import { LanguageTag, NewTemplate, TemplateName as Name } from './template-schemas';
import { templateNameIn } from './templates';
import { checkBody, fieldsUnder } from './validation';
import { z } from './zod';

/** Templates tried out: what people would read and hear. Nothing is sent or written. */
export function templateTrialsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/templates/{name}/test', {
    post: { scope: 'operate', handle: withDatabase(tryTemplate(deps)) },
  });
  return router;
}

/** Stands in for an order's event. */
const SAMPLE_ORDER_ID = '5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21';
const Amount = z.int().min(0).max(AMOUNT_MINOR_MAX);

const Facts = z.strictObject({
  orderId: z.string().min(1).max(64).default(SAMPLE_ORDER_ID),
  totalMinor: Amount.default(1_998),
  amountMinor: Amount.default(500),
  currency: z.string().refine(isCurrency, 'This must be an ISO 4217 code, in capitals.').default('EUR'),
});

const TemplateTrial = z
  .strictObject({
    definition: NewTemplate.optional().openapi({ description: 'The stored one when absent' }),
    facts: Facts.prefault({}).openapi({ description: 'Of the event' }),
    language: LanguageTag.optional().openapi({
      description: 'Only what a person of this language would get; every content when absent',
    }),
  })
  .openapi('TemplateTrial');

function tryTemplate({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const name = templateNameIn(req);
    const body = checkBody(TemplateTrial, await readJsonBody(req));
    const language = body.language === undefined ? null : languageAt('/language', body.language);
    const definition =
      body.definition === undefined
        ? (await readTemplate(pool, name, null))?.definition
        : checkAt(['definition'], name, body.definition);
    if (definition === undefined) throw notFound('template');
    const { facts } = body;
    const rendered =
      language === null ? renderEvery(definition, facts) : renderFor(language, definition, facts);
    res.json({ contents: rendered.map(viewOf) });
  };
}

/** @throws InvalidTemplateError whose pointers start at the body */
function checkAt(
  path: readonly string[],
  name: TemplateName,
  definition: TemplateDefinition,
): TemplateDefinition {
  try {
    return checkTemplate(name, definition);
  } catch (error) {
    if (!(error instanceof InvalidTemplateError)) throw error;
    throw new InvalidTemplateError(error.message, { fields: fieldsUnder(path, error.fields) });
  }
}

interface Rendered {
  channel: ChannelName;
  content: MessageContent;
}

function renderEvery({ contents }: TemplateDefinition, facts: MessageFacts): Rendered[] {
  return contents.map((content) => ({ channel: content.channel, content: renderOne(content, facts) }));
}

function renderFor(language: string, definition: TemplateDefinition, facts: MessageFacts): Rendered[] {
  return CHANNELS.flatMap((channel) => {
    const content = renderContent(definition, { channel, language, facts });
    return content === null ? [] : [{ channel, content }];
  });
}

function viewOf({ channel, content }: Rendered): object {
  const { body, language, ...approved } = content;
  return { language, channel, text: body, ...(channel === 'sms' ? smsSizeOf(body) : {}), ...approved };
}

const TemplateTrialResult = z
  .object({
    contents: z.array(
      z.object({
        language: LanguageTag,
        channel: Channel,
        text: z.string().openapi({ description: 'What a person reads, or hears twice' }),
        encoding: z.enum(['GSM-7', 'UCS-2']).optional().openapi({ description: 'Of an SMS' }),
        segments: z.int().optional().openapi({ description: 'Of an SMS: what it costs' }),
        contentSid: z.string().optional(),
        contentVariables: z.record(z.string(), z.string()).optional(),
      }),
    ),
  })
  .openapi('TemplateTrialResult');

export const templateTrialOperations: Operation[] = [
  {
    method: 'post',
    path: '/v1/templates/{name}/test',
    tags: ['People'],
    summary: 'Render a template, stored or not, without sending anything',
    description: '422 `invalid_template` for a definition that could not be saved.',
    request: { params: z.object({ name: Name }), body: jsonBody(TemplateTrial) },
    responses: guardedAnswers({ 200: TemplateTrialResult }, [...BODY_PROBLEMS, 404]),
  },
];
