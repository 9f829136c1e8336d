import { Agent } from 'undici';
import type { OAuthSecret } from '../../../src/bus/targets/connection';
import { TokenSource, verifyTokenUrl } from '../../../src/bus/targets/oauth-token';
import { InvalidConnectionError } from '../../../src/errors';
import { openTokenEndpoint, type TokenEndpoint } from './token-endpoint';

const TIMEOUT_MS = 400;
const START = Date.parse('2026-08-01T12:00:00.000Z');

describe('a source of tokens', () => {
  let endpoint: TokenEndpoint;
  let agent: Agent;
  let now: number;
  beforeEach(async () => {
    endpoint = await openTokenEndpoint();
    agent = new Agent();
    now = START;
  });
  afterEach(async () => {
    await agent.destroy();
    await endpoint.close();
  });

  function sourceWith(changes: Partial<OAuthSecret> = {}, allowPrivate = true): TokenSource {
    const secret: OAuthSecret = {
      kind: 'oauth_client_credentials',
      tokenUrl: endpoint.url,
      clientId: 'billing:client',
      clientSecret: 'very secret/+%',
      scope: 'events:write orders',
      ...changes,
    };
    const policy = { allowPrivate };
    return new TokenSource({ secret, dispatcher: agent, policy, timeoutMs: TIMEOUT_MS, now: () => now });
  }

  async function tokenOf(source: TokenSource): Promise<string> {
    const answer = await source.token();
    return answer.kind === 'token' ? answer.token : `none: ${JSON.stringify(answer.outcome)}`;
  }

  it('asks as RFC 6749 says: a form, and the client by Basic with both parts form-encoded', async () => {
    expect(await tokenOf(sourceWith())).toBe('token-1');

    const [request] = endpoint.requests;
    expect(request?.method).toBe('POST');
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(request?.body).toBe('grant_type=client_credentials&scope=events%3Awrite+orders');
    const basic = Buffer.from(
      String(request?.headers.authorization).slice('Basic '.length),
      'base64',
    ).toString();
    expect(basic).toBe('billing%3Aclient:very+secret%2F%2B%25');
  });

  it('leaves out a scope that is not set', async () => {
    await tokenOf(sourceWith({ scope: '' }));

    expect(endpoint.requests[0]?.body).toBe('grant_type=client_credentials');
  });

  it('asks once for sends that need a token at the same time', async () => {
    const source = sourceWith();

    const tokens = await Promise.all(Array.from({ length: 50 }, () => tokenOf(source)));

    expect(new Set(tokens)).toEqual(new Set(['token-1']));
    expect(endpoint.requests).toHaveLength(1);
  });

  it.each([
    ['an hour: until 30 s before', 3_600, 3_570],
    ['a minute: until 6 s before', 60, 54],
    ['a minute as a text', '60', 54],
    ['unknown: for less than 5 minutes', undefined, 270],
    ['a year: for less than a day', 31_536_000, 86_370],
  ])('keeps a token that lives %s', async (_what, expiresIn, usableSeconds) => {
    endpoint.answer = { body: { access_token: 'kept', token_type: 'bearer', expires_in: expiresIn } };
    const source = sourceWith();
    await tokenOf(source);

    now = START + usableSeconds * 1_000 - 1;
    await tokenOf(source);
    expect(endpoint.requests).toHaveLength(1);

    now = START + usableSeconds * 1_000;
    await tokenOf(source);
    expect(endpoint.requests).toHaveLength(2);
  });

  it('forgets the token that was refused, and no other', async () => {
    const source = sourceWith();
    await tokenOf(source);

    source.forget('token-0');
    expect(await tokenOf(source)).toBe('token-1');

    source.forget('token-1');
    expect(await tokenOf(source)).toBe('token-2');
  });

  it.each<[number, object]>([
    [400, { kind: 'dead', code: 'token_refused' }],
    [401, { kind: 'dead', code: 'token_refused' }],
    [403, { kind: 'dead', code: 'token_refused' }],
    [404, { kind: 'dead', code: 'token_refused' }],
    [302, { kind: 'dead', code: 'token_refused' }],
    [408, { kind: 'retry', code: 'token_unavailable' }],
    [500, { kind: 'retry', code: 'token_unavailable' }],
    [429, { kind: 'retry', code: 'token_unavailable', retryAfterMs: 7_000 }],
    [503, { kind: 'retry', code: 'token_unavailable', retryAfterMs: 7_000 }],
  ])('reads %i of the token endpoint as %j', async (status, outcome) => {
    endpoint.answer = {
      status,
      headers: { 'retry-after': '7', location: 'http://169.254.169.254/' },
      body: { error: 'invalid_client', error_description: 'very secret' },
    };

    const answer = await sourceWith().token();

    expect(answer).toMatchObject({ kind: 'none', outcome: { ...outcome, status: null } });
    expect(JSON.stringify(answer)).not.toContain('very secret');
    expect(JSON.stringify(answer)).toContain(String(status));
  });

  it.each([
    ['no JSON', '<html>'],
    ['no token', { token_type: 'Bearer' }],
    ['a token that no header can hold', { access_token: 'a\r\nx: b', token_type: 'Bearer' }],
    ['a token of another type', { access_token: 'a', token_type: 'mac' }],
    ['a token without a type', { access_token: 'a' }],
    ['a life that is no number', { access_token: 'a', token_type: 'Bearer', expires_in: 'soon' }],
    ['a list', []],
  ])('tries again later when the answer is %s', async (_what, body) => {
    endpoint.answer = { body };

    expect(await sourceWith().token()).toMatchObject({
      kind: 'none',
      outcome: { kind: 'retry', code: 'token_unavailable' },
    });
  });

  it.each(['hang', 'endless'] as const)('ends in time when the token endpoint does %s', async (behaviour) => {
    endpoint.answer = behaviour;
    const startedAt = performance.now();

    const answer = await sourceWith().token();

    expect(answer).toMatchObject({ kind: 'none', outcome: { kind: 'retry', code: 'token_unavailable' } });
    expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS + 1_000);
  });

  it('asks again after a failure', async () => {
    const source = sourceWith();
    endpoint.answer = { status: 500, body: {} };
    await source.token();
    endpoint.answer = null;

    expect(await tokenOf(source)).toBe('token-2');
  });

  it('tries again later when nobody answers', async () => {
    const source = sourceWith();
    await endpoint.close();

    expect(await source.token()).toMatchObject({
      outcome: { kind: 'retry', code: 'token_unavailable', message: 'No token: connection_refused.' },
    });
  });

  it('does not ask an address that is not public', async () => {
    expect(await sourceWith({}, false).token()).toMatchObject({
      kind: 'none',
      outcome: { kind: 'dead', code: 'ssrf_blocked' },
    });
    expect(endpoint.requests).toEqual([]);
  });
});

describe('a token URL that is stored', () => {
  it.each([
    'http://login.example.com/',
    'https://127.0.0.1/',
    'https://user@login.example.com/',
    'https://a.internal/',
  ])('is refused: %s', async (url) => {
    const refused: unknown = await verifyTokenUrl(url, { allowPrivate: false }).catch(
      (error: unknown) => error,
    );

    expect(refused).toBeInstanceOf(InvalidConnectionError);
    expect(refused).toMatchObject({ fields: [{ pointer: '/tokenUrl' }] });
  });

  it('is refused when its name points to a private address now', async () => {
    const check = verifyTokenUrl(
      'https://login.example.com/',
      { allowPrivate: false },
      (_name, _options, callback) => callback(null, [{ address: '10.0.0.1', family: 4 }]),
    );

    await expect(check).rejects.toMatchObject({
      code: 'invalid_connection',
      fields: [{ pointer: '/tokenUrl' }],
    });
  });
});
