import type { ConnectionSecret } from '../../../src/bus/targets/connection';
import { createHttpTarget } from '../../../src/bus/targets/http';
import { parseHttpTargetConfig } from '../../../src/bus/targets/http-config';
import type { SendOutcome, Target } from '../../../src/bus/targets/target';
import { CONTRACT_NOW, CONTRACT_REQUEST } from '../../contract/target';
import {
  openProtectedEndpoint,
  openTokenEndpoint,
  type ProtectedEndpoint,
  type TokenEndpoint,
} from './token-endpoint';

const TIMEOUT_MS = 600;

let endpoint: ProtectedEndpoint;
let tokens: TokenEndpoint;
let target: Target;
let now: number;

beforeEach(async () => {
  [endpoint, tokens] = await Promise.all([openProtectedEndpoint(), openTokenEndpoint()]);
  now = CONTRACT_NOW;
  target = open();
});

afterEach(async () => {
  await target.close();
  await Promise.all([endpoint.close(), tokens.close()]);
});

function open(allowPrivate = true): Target {
  const connection: ConnectionSecret = {
    kind: 'oauth_client_credentials',
    tokenUrl: tokens.url,
    clientId: 'client',
    clientSecret: 'very-secret',
    scope: '',
  };
  const config = parseHttpTargetConfig({ url: endpoint.url, timeoutMs: TIMEOUT_MS }, { allowPrivate: true });
  return createHttpTarget(config, { allowPrivate, connection, now: () => now });
}

function tokensSeen(): (string | undefined)[] {
  return endpoint.requests.map(({ headers }) => headers.authorization);
}

it('sends with a token, which serves the next sends too', async () => {
  for (let count = 0; count < 3; count += 1) {
    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'delivered' });
  }

  expect(tokensSeen()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-1']);
  expect(tokens.requests).toHaveLength(1);
});

it('gets a new token before the old one expires', async () => {
  await target.send(CONTRACT_REQUEST);
  now += 3_570_000;
  await target.send(CONTRACT_REQUEST);

  expect(tokensSeen()).toEqual(['Bearer token-1', 'Bearer token-2']);
});

it.each([401, 403])(
  'gets a new token once when the endpoint answers %i, within the same attempt',
  async (status) => {
    endpoint.refuse(status, 'token-1');

    expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'delivered', status: 200 });

    expect(tokensSeen()).toEqual(['Bearer token-1', 'Bearer token-2']);
    const [first, second] = endpoint.requests;
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  },
);

it.each([401, 403])('gives up when the new token gets %i as well', async (status) => {
  endpoint.refuse(status, 'token-1', 'token-2');

  expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'dead', status, code: `http_${status}` });

  expect(tokensSeen()).toEqual(['Bearer token-1', 'Bearer token-2']);
});

it('gets one new token for many sends that were refused at once', async () => {
  endpoint.refuse(401, 'token-1');

  const outcomes = await Promise.all(Array.from({ length: 20 }, () => target.send(CONTRACT_REQUEST)));

  expect(outcomes.every(({ kind }) => kind === 'delivered')).toBe(true);
  expect(tokens.requests).toHaveLength(2);
});

it.each<[string, TokenEndpoint['answer'], object]>([
  ['refuses', { status: 401, body: {} }, { kind: 'dead', code: 'token_refused' }],
  ['fails', { status: 500, body: {} }, { kind: 'retry', code: 'token_unavailable' }],
  ['hangs', 'hang', { kind: 'retry', code: 'token_unavailable' }],
])('sends nothing when the token endpoint %s', async (_what, answer, outcome) => {
  tokens.answer = answer;
  const startedAt = performance.now();

  expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ ...outcome, status: null });

  expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS + 1_000);
  expect(endpoint.requests).toEqual([]);
});

it('bounds the whole attempt when the second token hangs', async () => {
  endpoint.refuse(401, 'token-1');
  await target.send(CONTRACT_REQUEST);
  endpoint.refuse(401, 'token-2');
  tokens.answer = 'hang';
  const startedAt = performance.now();

  expect(await target.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'retry', code: 'token_unavailable' });

  expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS + 1_000);
});

it('asks no token at an address that is not public', async () => {
  const guarded = open(false);

  expect(await guarded.send(CONTRACT_REQUEST)).toMatchObject({ kind: 'dead', code: 'ssrf_blocked' });

  expect(tokens.requests).toEqual([]);
  await guarded.close();
});

it('never tells a token or a secret', async () => {
  const outcomes: SendOutcome[] = [];
  endpoint.refuse(401, 'token-1', 'token-2', 'token-3', 'token-4');
  outcomes.push(await target.send(CONTRACT_REQUEST));
  tokens.answer = { status: 400, body: { error: 'very-secret' } };
  outcomes.push(await target.send(CONTRACT_REQUEST));
  tokens.answer = { body: { access_token: 'token-9', token_type: 'mac' } };
  outcomes.push(await target.send(CONTRACT_REQUEST));

  expect(outcomes.map(({ kind }) => kind)).toEqual(['dead', 'dead', 'retry']);
  expect(JSON.stringify(outcomes)).not.toMatch(/token-\d|very-secret/);
});
