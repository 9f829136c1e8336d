import { Router, type Request } from 'express';
import {
  listTemplates,
  listTemplateVersions,
  putTemplate,
  readTemplate,
  type TemplateRow,
} from '../database/templates';
import { checkTemplate } from '../domain/template-checks';
import { isTemplateName, type TemplateName } from '../domain/templates';
import { MalformedRequestError } from '../errors';
import { callerOf } from './authentication';
import { requireDatabase } from './availability';
import type { HttpDeps } from './deps';
import { readJsonBody } from './json-body';
import { notFound } from './names';
import { BODY_PROBLEMS, guardedAnswers, jsonBody, type Operation } from './operations';
import { parameter, route, type Handler } from './routes';
import { pageMembers, pageOf } from './schemas';
import { NewTemplate, Template, TemplateName as Name } from './template-schemas';
import { checkBody, checkQuery } from './validation';
import { z } from './zod';

/** PostgreSQL's int. */
const VERSION_MAX = 2_147_483_647;

/** Templates: what people are told of each event. There is one for each event that people are told of, no more. */
export function templatesRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/templates', { get: { scope: 'operate', handle: withDatabase(list(deps)) } });
  route(router, '/v1/templates/{name}', {
    get: { scope: 'operate', handle: withDatabase(readOne(deps)) },
    put: { scope: 'admin', handle: withDatabase(put(deps)) },
  });
  route(router, '/v1/templates/{name}/versions', {
    get: { scope: 'operate', handle: withDatabase(listVersions(deps)) },
  });
  return router;
}

/** The template that a path names. @throws NotFoundError */
export function templateNameIn(req: Request): TemplateName {
  const name = parameter(req, 'name');
  if (!isTemplateName(name)) throw notFound('template');
  return name;
}

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    res.json({ data: (await listTemplates(pool)).map(viewOf), nextCursor: null });
  };
}

const OneQuery = z.strictObject({
  version: z
    .string()
    .regex(/^[1-9]\d{0,9}$/, 'This must be a whole number from 1 on.')
    .transform(Number)
    .pipe(z.number().max(VERSION_MAX))
    .optional()
    .openapi({ type: 'integer', minimum: 1, description: 'The latest when absent' }),
});

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const name = templateNameIn(req);
    const { version = null } = checkQuery(OneQuery, req);
    const template = await readTemplate(pool, name, version);
    if (template === null) throw notFound(version === null ? 'template' : 'version of the template');
    res.json(viewOf(template));
  };
}

function put({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const name = templateNameIn(req);
    const definition = checkTemplate(name, checkBody(NewTemplate, await readJsonBody(req)));
    res.json(viewOf(await putTemplate(pool, { name, definition, actor: callerOf(res) })));
  };
}

function viewOf({ name, version, definition, actor, createdAt }: TemplateRow): object {
  return { name, version, ...definition, actor, createdAt };
}

const VersionsQuery = z.strictObject({ ...pageMembers });

function listVersions({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const name = templateNameIn(req);
    const { limit, cursor } = checkQuery(VersionsQuery, req);
    const before = cursor === undefined ? undefined : readCursor(cursor);
    const found = await listTemplateVersions(pool, name, { limit: limit + 1, before });
    const rows = found.slice(0, limit);
    const last = rows.at(-1);
    const hasMore = found.length > limit && last !== undefined;
    res.json({ data: rows.map(viewOf), nextCursor: hasMore ? writeCursor(last.version) : null });
  };
}

function writeCursor(version: number): string {
  return Buffer.from(`version ${version}`, 'utf8').toString('base64url');
}

function readCursor(cursor: string): number {
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  const version = Number(/^version ([1-9]\d{0,9})$/.exec(text)?.[1]);
  if (version <= VERSION_MAX && writeCursor(version) === cursor) return version;
  throw new MalformedRequestError('The cursor is not one that this service gave out.', {
    fields: [{ pointer: '/cursor', message: 'take nextCursor of the page before' }],
  });
}

const params = z.object({ name: Name });

export const templateOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/templates',
    tags: ['People'],
    summary: 'List the templates in their latest versions, by name',
    responses: guardedAnswers({ 200: z.object({ data: z.array(Template), nextCursor: z.null() }) }, [400]),
  },
  {
    method: 'get',
    path: '/v1/templates/{name}',
    tags: ['People'],
    summary: 'Read a template',
    request: { params, query: OneQuery },
    responses: guardedAnswers({ 200: Template }, [400, 404]),
  },
  {
    method: 'put',
    path: '/v1/templates/{name}',
    tags: ['People'],
    summary: 'Write the next version of a template',
    description:
      'It is tested first: 422 `invalid_template` says what could not be sent. The definition that the latest version has already writes none. Notifications that were begun keep their version.',
    request: { params, body: jsonBody(NewTemplate) },
    responses: guardedAnswers({ 200: Template }, [...BODY_PROBLEMS, 404]),
  },
  {
    method: 'get',
    path: '/v1/templates/{name}/versions',
    tags: ['People'],
    summary: 'List the versions of a template, newest first',
    request: { params, query: VersionsQuery },
    responses: guardedAnswers({ 200: pageOf(Template) }, [400, 404]),
  },
];
