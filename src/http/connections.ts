import { Router } from 'express';
import type { AddressPolicy } from '../bus/targets/address-guard';
import { CONNECTION_KINDS, parseConnectionSecret, type ConnectionSecret } from '../bus/targets/connection';
import { verifyTokenUrl } from '../bus/targets/oauth-token';
import { parseDatabaseUrl } from '../bus/targets/postgres-config';
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
    z.strictObject({
      kind: z.literal('oauth_client_credentials'),
      tokenUrl: z.string().openapi({ example: 'https://login.example.com/oauth/token' }),
      clientId: z.string(),
      clientSecret: secret,
      scope: z.string().optional(),
    }),
    z.strictObject({ kind: z.literal('aws'), accessKeyId: z.string(), secretAccessKey: secret }),
    z.strictObject({ kind: z.literal('postgres'), url: secret }),
    z.strictObject({
      kind: z.literal('webhook_secret'),
      secret: secret.openapi({ description: '`whsec_` and 24 to 64 bytes in base64' }),
      previousSecret: secret.optional().openapi({ description: 'Signs too, while receivers change over' }),
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

function put({ pool, secretBox, allowPrivateTargets }: HttpDeps): Handler {
  return async (req, res) => {
    const name = newNameIn(req);
    const credentials = parseConnectionSecret(checkBody(NewConnection, await readJsonBody(req)));
    await checkAddresses(credentials, { allowPrivate: allowPrivateTargets });
    const { kind } = credentials;
    res.json(await putConnection(pool, secretBox, { name, kind, secret: credentials, actor: callerOf(res) }));
  };
}

/** Credentials that say where they are used must not lead into the private network. */
async function checkAddresses(credentials: ConnectionSecret, policy: AddressPolicy): Promise<void> {
  if (credentials.kind === 'oauth_client_credentials') await verifyTokenUrl(credentials.tokenUrl, policy);
  if (credentials.kind === 'postgres') parseDatabaseUrl(credentials, policy);
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
    kind: z.enum(CONNECTION_KINDS),
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
