import { Router, type Request } from 'express';
import { putPreferences, readWishes, setOptOut, type CustomerWishes } from '../database/preferences';
import { CHANNELS } from '../domain/message-status';
import { isTimeZone, problemOfQuietHours } from '../domain/quiet-hours';
import { MalformedRequestError, NotFoundError } from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { languageAt } from './languages';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import { CustomerId, Timestamp } from './schemas';
import { Channel } from './notification-documents';
import { LanguageTag } from './template-schemas';
import { checkBody } from './validation';
import { z } from './zod';

/** How customers want to be told, and what they do not want at all. */
export function preferencesRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/customers/{customerId}/preferences', {
    get: { scope: 'operate', handle: withDatabase(read(deps)) },
    put: { scope: 'operate', handle: withDatabase(put(deps)) },
  });
  route(router, '/v1/customers/{customerId}/opt-outs/{channel}', {
    put: { scope: 'operate', handle: withDatabase(optOut(deps, true)) },
    delete: { scope: 'operate', handle: withDatabase(optOut(deps, false)) },
  });
  return router;
}

const TimeOfDay = z.string().openapi({ example: '22:00', description: 'Local time, 24 hours' });

const NewPreferences = z
  .strictObject({
    channels: z
      .array(Channel)
      .max(CHANNELS.length)
      .refine((channels) => new Set(channels).size === channels.length, 'No channel may stand here twice.')
      .nullable()
      .default(null)
      .openapi({
        uniqueItems: true,
        description: 'In the order in which they are tried; null: as each order says; empty: nothing is sent',
      }),
    language: LanguageTag.nullable().default(null),
    timeZone: z
      .string()
      .refine(isTimeZone, 'This must be the name of an IANA time zone, such as Europe/Berlin.')
      .nullable()
      .default(null)
      .openapi({ example: 'Europe/Berlin', description: "Null: the installation's" }),
    quietHours: z
      .strictObject({ from: TimeOfDay, until: TimeOfDay })
      .superRefine((hours, context) => {
        const message = problemOfQuietHours(hours);
        if (message !== null) context.addIssue({ code: 'custom', message });
      })
      .nullable()
      .default(null)
      .openapi({ description: "Only what is urgent is sent between them; null: the installation's" }),
  })
  .openapi('NewPreferences');

function read({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const customerId = parameter(req, 'customerId');
    const wishes = CustomerId.safeParse(customerId).success ? await readWishes(pool, customerId) : null;
    res.json(found(wishes));
  };
}

function put({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const customerId = newCustomerIdIn(req);
    const body = checkBody(NewPreferences, await readJsonBody(req));
    const language = body.language === null ? null : languageAt('/language', body.language);
    const preferences = { ...body, language };
    await putPreferences(pool, { customerId, preferences, actor: callerOf(res) });
    res.json(found(await readWishes(pool, customerId)));
  };
}

function newCustomerIdIn(req: Request): string {
  const customerId = parameter(req, 'customerId');
  if (CustomerId.safeParse(customerId).success) return customerId;
  throw new MalformedRequestError('A customer id has 1 to 128 visible characters without spaces.');
}

function optOut({ pool }: HttpDeps, isOptedOut: boolean): Handler {
  return async (req, res) => {
    const customerId = parameter(req, 'customerId');
    const channel = Channel.safeParse(parameter(req, 'channel'));
    if (!channel.success) throw new NotFoundError('There is no such channel.');
    const change = { customerId, channel: channel.data, isOptedOut, actor: callerOf(res) };
    const isKnown = CustomerId.safeParse(customerId).success && (await setOptOut(pool, change));
    if (!isKnown) throw new NotFoundError('No order of this customer has a number.');
    res.json(found(await readWishes(pool, customerId)));
  };
}

/** Null also for one who was erased between the change and the look at it. */
function found(wishes: CustomerWishes | null): CustomerWishes {
  if (wishes === null) throw new NotFoundError('Nothing is known of this customer.');
  return wishes;
}

const Preferences = z
  .object({
    customerId: CustomerId,
    ...NewPreferences.shape,
    optOuts: z.array(
      z.object({
        channel: Channel,
        source: z.enum(['inbound', 'provider', 'operator']).openapi({ description: 'Who said so' }),
        since: Timestamp,
      }),
    ),
    updatedAt: Timestamp.nullable(),
  })
  .openapi('Preferences');
const customerParameter = z.object({ customerId: CustomerId });
const optOutParameters = z.object({ customerId: CustomerId, channel: Channel });

export const preferenceOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/customers/{customerId}/preferences',
    tags: ['People'],
    summary: 'Read how a customer wants to be told, and what they opted out of',
    request: { params: customerParameter },
    responses: guardedAnswers({ 200: Preferences }, [404]),
  },
  {
    method: 'put',
    path: '/v1/customers/{customerId}/preferences',
    tags: ['People'],
    summary: "Replace a customer's preferences; members that are absent are null",
    request: { params: customerParameter, body: jsonBody(NewPreferences) },
    responses: guardedAnswers({ 200: Preferences }, BODY_PROBLEMS),
  },
  {
    method: 'put',
    path: '/v1/customers/{customerId}/opt-outs/{channel}',
    tags: ['People'],
    summary: "Opt the numbers of a customer's orders out of a channel",
    request: { params: optOutParameters },
    responses: guardedAnswers({ 200: Preferences }, [404]),
  },
  {
    method: 'delete',
    path: '/v1/customers/{customerId}/opt-outs/{channel}',
    tags: ['People'],
    summary: 'Lift an opt-out, whoever said so',
    description:
      'An opt-out that the provider keeps itself stays there: the next message is refused and says so again.',
    request: { params: optOutParameters },
    responses: guardedAnswers({ 200: Preferences }, [404]),
  },
];
