import { Router } from 'express';
import { parseConnectionSecret } from '../bus/targets/connection';
import { deleteConnection, listConnections, putConnection, readConnection } from '../database/connections';
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

/** Connections: the credentials of targets. They go in and never come out. */
export function connectionsRouter(deps: HttpDeps): Router {
  const router = Router();
  const withDatabase = requireDatabase(deps.health);
  route(router, '/v1/connections', { get: { scope: 'operate', handle: withDatabase(list(deps)) } });
  route(router, '/v1/connections/{name}', {
    get: { scope: 'operate', handle: withDatabase(readOne(deps)) },
    put: { scope: 'admin', handle: withDatabase(put(deps)) },
    delete: { scope: 'admin', handle: withDatabase(remove(deps)) },
  });
  return router;
}

const secret = z.string().openapi({ writeOnly: true, format: 'password' });
const NewConnection = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('basic'), username: z.string(), password: secret }),
    z.strictObject({ kind: z.literal('bearer'), token: secret }),
    z.strictObject({
      kind: z.literal('api_key'),
      headerName: z.string().openapi({ example: 'X-Api-Key' }),
      value: secret,
    }),
  ])
  .openapi('NewConnection');

function list({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    checkQuery(z.strictObject({}), req);
    res.json({ data: await listConnections(pool), nextCursor: null });
  };
}

function readOne({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    const connection = await readConnection(pool, nameIn(req, 'connection'));
    if (connection === null) throw notFound('connection');
    res.json(connection);
  };
}

function put({ pool, secretBox }: HttpDeps): Handler {
  return async (req, res) => {
    const name = newNameIn(req);
    const credentials = parseConnectionSecret(checkBody(NewConnection, await readJsonBody(req)));
    const { kind } = credentials;
    res.json(await putConnection(pool, secretBox, { name, kind, secret: credentials, actor: callerOf(res) }));
  };
}

function remove({ pool }: HttpDeps): Handler {
  return async (req, res) => {
    if (!(await deleteConnection(pool, nameIn(req, 'connection'), callerOf(res))))
      throw notFound('connection');
    res.status(204).end();
  };
}

const Connection = z
  .object({
    name: Name,
    kind: z.enum(['basic', 'bearer', 'api_key']),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .openapi('Connection', { description: 'Without its secret, which is never read back' });
const nameParameter = z.object({ name: Name });

export const connectionOperations: Operation[] = [
  {
    method: 'get',
    path: '/v1/connections',
    tags: ['Event bus'],
    summary: 'List connections, by name',
    responses: guardedAnswers({ 200: z.object({ data: z.array(Connection), nextCursor: z.null() }) }, [400]),
  },
  {
    method: 'get',
    path: '/v1/connections/{name}',
    tags: ['Event bus'],
    summary: 'Read a connection, without its secret',
    request: { params: nameParameter },
    responses: guardedAnswers({ 200: Connection }, [404]),
  },
  {
    method: 'put',
    path: '/v1/connections/{name}',
    tags: ['Event bus'],
    summary: 'Create or replace a connection; its secret is encrypted at rest',
    description: '422 `invalid_connection`.',
    request: { params: nameParameter, body: jsonBody(NewConnection) },
    responses: guardedAnswers({ 200: Connection }, BODY_PROBLEMS),
  },
  {
    method: 'delete',
    path: '/v1/connections/{name}',
    tags: ['Event bus'],
    summary: 'Delete a connection that no target names',
    request: { params: nameParameter },
    responses: guardedAnswers({ 204: null }, [404, 409]),
  },
];
