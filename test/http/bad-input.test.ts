import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { setAvailable } from '../../src/database/inventory';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ask, newOrder, rowCounts, startTestApp, type TestApp } from './test-app';
import { stubTemporal, type TemporalStub } from './temporal-stub';

/** The rows of the bad input list that are about HTTP. Whatever comes in, no table changes and no workflow starts. */

let database: TestDatabase;
let temporal: TemporalStub;
let app: TestApp;
let before: Record<string, number>;

beforeAll(async () => {
  database = await createTestDatabase();
  await setAvailable(database.pool, { sku: 'SKU-1', available: 100, actor: 'test', reason: '' });
  temporal = stubTemporal(database.pool);
  app = await startTestApp(database.pool, temporal.client);
  before = await rowCounts(database.pool);
});

afterEach(async () => {
  expect(await rowCounts(database.pool)).toEqual(before);
  expect(temporal.started).toEqual([]);
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

const KEYED = { 'Idempotency-Key': 'key-1' };

/** Sends bytes as they are and gives back what comes until the connection ends. */
function sendRaw(text: string, options: { end?: boolean } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(app.port, '127.0.0.1', () => {
      socket.write(text, 'latin1');
      if (options.end === true) socket.end();
    });
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('close', () => resolve(received));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
  });
}

function rawPost(headers: string[], body: string): string {
  const head = ['POST /v1/orders HTTP/1.1', 'Host: localhost', 'Idempotency-Key: key-1', ...headers];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

const JSON_TYPE = 'Content-Type: application/json';

async function expectProblem(
  answer: Promise<{ status: number; headers: Headers; body: Record<string, unknown> }>,
  status: number,
  code: string,
): Promise<void> {
  const { status: got, headers, body } = await answer;
  expect({ status: got, code: body['code'] }).toEqual({ status, code });
  expect(headers.get('content-type')).toContain('application/problem+json');
  expect(JSON.stringify(body)).not.toMatch(/\bat .*:\d+:\d+|select |insert /);
}

describe('the Idempotency-Key', () => {
  it('is asked for', () =>
    expectProblem(ask(app, 'POST', '/v1/orders', { body: newOrder() }), 400, 'idempotency_key_missing'));

  it.each(['', '""', 'k'.repeat(256), 'a b', 'sch\u00fcssel'])('is refused when it is %j', (key) =>
    expectProblem(
      ask(app, 'POST', '/v1/orders', { body: newOrder(), headers: { 'Idempotency-Key': key } }),
      400,
      'idempotency_key_malformed',
    ),
  );

  it('is refused when it is sent twice', async () => {
    const body = JSON.stringify(newOrder());
    const answer = await sendRaw(
      rawPost(
        [JSON_TYPE, 'Idempotency-Key: key-2', `Content-Length: ${body.length}`, 'Connection: close'],
        body,
      ),
    );

    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('idempotency_key_malformed');
  });
});

describe('the body', () => {
  const post = (body: string | Buffer, headers: Record<string, string> = {}): ReturnType<typeof ask> =>
    ask(app, 'POST', '/v1/orders', { body: body.toString(), headers: { ...KEYED, ...headers } });

  it.each(['text/plain', 'application/xml', 'application/json; charset=latin1', 'application/jsonp', ''])(
    'is refused as %j',
    (type) =>
      expectProblem(
        post(JSON.stringify(newOrder()), { 'Content-Type': type }),
        415,
        'unsupported_media_type',
      ),
  );

  it.each(['gzip', 'br', 'rot13'])('is refused in the encoding %s', async (encoding) => {
    const bytes = gzipSync(Buffer.alloc(1_024 * 1_024));
    const response = await fetch(`${app.url}/v1/orders`, {
      method: 'POST',
      headers: { ...KEYED, 'Content-Type': 'application/json', 'Content-Encoding': encoding },
      body: bytes,
    });

    expect(response.status).toBe(415);
  });

  it('is accepted with 64 KB and refused with one byte more', async () => {
    const padded = (bytes: number): string => ' '.repeat(bytes - 2) + '{}';

    await expectProblem(post(padded(65_536)), 400, 'malformed_request');
    await expectProblem(post(padded(65_537)), 413, 'body_too_large');
    await expectProblem(post(padded(3_000_000)), 413, 'body_too_large');
  });

  it('is not read to its end when it has none', async () => {
    const chunk = `${(16_384).toString(16)}\r\n${' '.repeat(16_384)}\r\n`;
    const answer = await sendRaw(rawPost([JSON_TYPE, 'Transfer-Encoding: chunked'], chunk.repeat(10)));

    expect(answer).toMatch(/^HTTP\/1.1 413 /);
  });

  it('is not waited for when its end does not come', async () => {
    const answer = await sendRaw(rawPost([JSON_TYPE, 'Transfer-Encoding: chunked'], '2\r\n{}\r\n'));

    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain('request_timeout');
  });

  it('is refused when it is shorter than its length says', async () => {
    const answer = await sendRaw(rawPost([JSON_TYPE, 'Content-Length: 500'], '{"customer":'), { end: true });

    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  it('is refused with both a length and chunks', async () => {
    const answer = await sendRaw(
      rawPost([JSON_TYPE, 'Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    );

    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('Connection: close');
    expect(answer).toContain('malformed_request');
  });

  it.each([
    '[]',
    '"text"',
    '7',
    'null',
    'true',
    '',
    '{',
    '{"qty":1,"qty":9}',
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"toString":1}',
    '{"customer":{"id":"\\ud800"}}',
    '{"sku":"\\u0000"}',
  ])('is malformed when it is %s', async (body) => {
    await expectProblem(post(body), 400, 'malformed_request');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('is malformed when it is not UTF-8', async () => {
    const body = `{"a":"\xff"}`;
    const answer = await sendRaw(
      rawPost([JSON_TYPE, `Content-Length: ${body.length}`, 'Connection: close'], body),
    );

    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  it.each([
    ['a status of its own', newOrder({ status: 'CONFIRMED' }), 400, 'malformed_request'],
    [
      'a quantity that is a text',
      newOrder({ lines: [{ sku: 'SKU-1', quantity: '1', unitPriceMinor: 1 }] }),
      400,
      'malformed_request',
    ],
    [
      'a price with a fraction',
      newOrder({ lines: [{ sku: 'SKU-1', quantity: 1, unitPriceMinor: 19.99 }] }),
      422,
      'invalid_value',
    ],
    ['no lines', newOrder({ lines: [] }), 422, 'invalid_value'],
    ['a phone that is none', newOrder({ customer: { id: 'c', phone: '123' } }), 422, 'invalid_value'],
    [
      'a deadline of no time',
      newOrder({ payment: { mode: 'wait', deadlineSeconds: 0 } }),
      422,
      'invalid_value',
    ],
    ['wait with a method', newOrder({ payment: { mode: 'wait', method: 'tok_visa' } }), 422, 'invalid_value'],
    ['an address without a city', newOrder({ shipping: { name: 'A' } }), 400, 'malformed_request'],
    ['a cart id with a space', newOrder({ cartId: 'cart 1' }), 422, 'invalid_value'],
  ])('is refused with %s', (_what, body, status, code) =>
    expectProblem(post(JSON.stringify(body)), status, code),
  );

  it('is refused with a price of 20 decimals', () =>
    expectProblem(
      post(JSON.stringify(newOrder()).replace('999', '1.00000000000000000001')),
      422,
      'invalid_value',
    ));
});

describe('paths and methods', () => {
  it.each([
    ['GET', '/nowhere'],
    ['GET', '/v1'],
    ['POST', '/v1/order'],
    ['GET', '/v1/orders/x/y'],
    ['GET', '/docs/package.json'],
    ['GET', '/docs/..%2fpackage.json'],
  ])('%s %s is not found', (method, path) => expectProblem(ask(app, method, path), 404, 'not_found'));

  it.each([
    ['DELETE', '/v1/orders', 'GET, HEAD, POST'],
    ['PATCH', '/v1/rules/x', 'GET, HEAD, PUT, DELETE'],
    ['PUT', '/v1/orders/5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21/transaction', 'GET, HEAD, POST'],
    ['GET', '/v1/orders/5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21/payments', 'POST'],
    ['GET', '/webhooks/carrier', 'POST'],
    ['GET', '/v1/rules/test', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['OPTIONS', '/v1/orders', 'GET, HEAD, POST'],
  ])('%s %s is not allowed', async (method, path, allow) => {
    const answer = await ask(app, method, path);

    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe(allow);
    expect(answer.body['code']).toBe('method_not_allowed');
  });

  it('TRACE is not allowed anywhere', async () => {
    const answer = await sendRaw('TRACE /v1/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');

    expect(answer).toMatch(/^HTTP\/1.1 405 /);
    expect(answer).toMatch(/\r\nAllow: /);
  });

  it('a path with a broken escape is malformed', () =>
    expectProblem(ask(app, 'GET', '/v1/orders/%ZZ'), 400, 'malformed_request'));
});

describe('queries', () => {
  it.each([
    'limit=-1',
    'limit=0',
    'limit=201',
    'limit=1e9',
    'limit=abc',
    'limit=',
    'limit=1&limit=2',
    'cursor=',
    'cursor=forged',
    `cursor=${Buffer.from('2026-02-30T00:00:00.000Z 5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21').toString('base64url')}`,
    `cursor=${Buffer.from('0000-01-01T00:00:00.000Z 5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21').toString('base64url')}`,
    'from=2026-02-30T00:00:00Z',
    'from=99999-01-01T00:00:00Z',
    'to=2026-01-01T00:00:00',
    'from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z',
    'status=confirmed',
    'customerId=%00',
    'customerId=',
    'colour=red',
    '__proto__=1',
  ])('GET /v1/orders?%s is malformed', (query) =>
    expectProblem(ask(app, 'GET', `/v1/orders?${query}`), 400, 'malformed_request'),
  );

  it.each([
    'inventory?cursor=forged',
    'inventory?limit=0',
    'events?status=LOST',
    'events?orderId=x',
    'deliveries?state=x',
    'deliveries?rule=a%20b',
    'rules?x=1',
  ])('GET /v1/%s is malformed', (path) =>
    expectProblem(ask(app, 'GET', `/v1/${path}`), 400, 'malformed_request'),
  );
});

describe('headers', () => {
  it('are refused above 16 KB', async () => {
    const answer = await sendRaw(`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(65_536)}\r\n\r\n`);

    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(answer).toContain('headers_too_large');
  });

  it('are refused above 100', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `a${i}: b`).join('\r\n');
    const answer = await sendRaw(`GET /healthz HTTP/1.1\r\nHost: x\r\n${many}\r\n\r\n`);

    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(answer).toContain('headers_too_large');
  });

  it('are refused with a bare carriage return in a value', async () => {
    const answer = await sendRaw('GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n');

    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  it('that ask for pictures or 8 KB of languages get JSON', async () => {
    const headers = {
      Accept: 'image/png',
      'Accept-Language': 'de,'.repeat(2_700),
      'X-Forwarded-For': '10.0.0.1',
    };
    const answer = await ask(app, 'GET', '/v1/orders', { headers });

    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('application/json');
  });
});

describe('inventory', () => {
  it.each([
    ['a negative number', '/v1/inventory/SKU-1', { available: -1 }, 422, 'invalid_value'],
    ['a fraction', '/v1/inventory/SKU-1', { available: 1.5 }, 422, 'invalid_value'],
    ['more than fits', '/v1/inventory/SKU-1', { available: 2 ** 31 }, 422, 'invalid_value'],
    ['a text', '/v1/inventory/SKU-1', { available: '1' }, 400, 'malformed_request'],
    ['reserved units', '/v1/inventory/SKU-1', { available: 1, reserved: 1 }, 400, 'malformed_request'],
    ['a SKU with NUL', '/v1/inventory/a%00', { available: 1 }, 400, 'malformed_request'],
    [
      'a SKU of 129 characters',
      `/v1/inventory/${'S'.repeat(129)}`,
      { available: 1 },
      400,
      'malformed_request',
    ],
  ])('refuses %s', (_what, path, body, status, code) =>
    expectProblem(ask(app, 'PUT', path, { body }), status, code),
  );
});

describe('rules', () => {
  const rule = (changes: Record<string, unknown>): Record<string, unknown> => ({
    pattern: { source: ['ecommerce.orders'] },
    targets: [{ target: 'log' }],
    ...changes,
  });

  it.each([
    ['an empty pattern', rule({ pattern: {} }), 'invalid_pattern', '/pattern'],
    ['a scalar outside of a list', rule({ pattern: { source: 'x' } }), 'invalid_pattern', '/pattern/source'],
    [
      'an unknown operator',
      rule({ pattern: { source: [{ regex: '.*' }] } }),
      'invalid_pattern',
      '/pattern/source/0/regex',
    ],
    [
      'an unclosed variable',
      rule({ targets: [{ target: 'log', transformer: { inputTemplate: '<id' } }] }),
      'invalid_transformer',
      '/targets/0/transformer/inputTemplate',
    ],
    [
      'an undefined variable',
      rule({ targets: [{ target: 'log', transformer: { inputTemplate: '<phone>' } }] }),
      'invalid_transformer',
      '/targets/0/transformer/inputTemplate',
    ],
    ['an unknown target', rule({ targets: [{ target: 'nowhere' }] }), 'invalid_value', '/targets/0/target'],
    [
      'a target twice',
      rule({ targets: [{ target: 'log' }, { target: 'log' }] }),
      'invalid_value',
      '/targets/1/target',
    ],
    ['no target', rule({ targets: [] }), 'invalid_value', '/targets'],
    [
      '21 targets',
      rule({ targets: Array.from({ length: 21 }, (_, i) => ({ target: `t${i}` })) }),
      'invalid_value',
      '/targets',
    ],
    ['an unknown state', rule({ state: 'ON' }), 'invalid_value', '/state'],
  ])('are refused with %s', async (_what, body, code, pointer) => {
    const answer = await ask(app, 'PUT', '/v1/rules/bad', { body });

    expect(answer.body).toMatchObject({ status: 422, code });
    expect((answer.body['errors'] as { pointer: string }[])[0]?.pointer).toBe(pointer);
  });

  it.each([
    ['a pattern that is a list', rule({ pattern: [] })],
    ['an unknown member', rule({ priority: 1 })],
    ['a member named __proto__', '{"pattern":{"__proto__":["x"]},"targets":[]}'],
  ])('are malformed with %s', (_what, body) =>
    expectProblem(ask(app, 'PUT', '/v1/rules/bad', { body }), 400, 'malformed_request'),
  );

  it.each(['a%20b', '%2e%2e', 'x'.repeat(65)])('cannot be named %s', async (name) => {
    await expectProblem(
      ask(app, 'PUT', `/v1/rules/a%2f${name}`, { body: rule({}) }),
      400,
      'malformed_request',
    );
    await expectProblem(ask(app, 'GET', `/v1/rules/a%2f${name}`), 404, 'not_found');
  });
});

describe('targets', () => {
  it.each([
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com/',
    'javascript:alert(1)',
    'https://',
    'https://127.0.0.1/',
    'https://localhost/',
    'https://[::1]/',
    'https://10.0.0.1/',
    'https://172.16.0.1/',
    'https://192.168.0.1/',
    'https://169.254.169.254/',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    'https://[fc00::1]/',
    'https://[fe80::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://metadata.google.internal/',
    'https://good@169.254.169.254/',
    'https://user:password@example.com/',
    'https://example.com/#fragment',
    'https://example.com:22/',
    'https://example.com:6379/',
    'https://under_score.example.com/',
    'https://2130706433/',
    'https://0x7f.1/',
  ])('cannot be at %s', async (url) => {
    const answer = await ask(app, 'PUT', '/v1/targets/bad', { body: { kind: 'http', url } });

    expect(answer.body).toMatchObject({ status: 422, code: 'invalid_target' });
    expect((answer.body['errors'] as { pointer: string }[])[0]?.pointer).toBe('/url');
  });

  it.each([
    ['an unknown kind', { kind: 'pigeon' }, 422, '/kind'],
    ['a rate of 0', { kind: 'http', url: 'https://example.com/', ratePerSecond: 0 }, 422, '/ratePerSecond'],
    [
      'batches, which its kind does not take',
      { kind: 'http', url: 'https://example.com/', batch: { maximumEvents: 2 } },
      422,
      '/batch/maximumEvents',
    ],
    ['a url that is a number', { kind: 'http', url: 1 }, 400, '/url'],
    ['a secret of its own', { kind: 'http', url: 'https://example.com/', password: 'x' }, 400, '/password'],
    ['an age of 0', { kind: 'log', retry: { maximumAgeSeconds: 0 } }, 422, '/retry/maximumAgeSeconds'],
    ['a connection that does not exist', { kind: 'log', connection: 'nowhere' }, 422, '/connection'],
    ['a signature that nothing makes', { kind: 'log', signature: 'nowhere' }, 422, '/signature'],
  ])('are refused with %s', async (_what, body, status, pointer) => {
    const answer = await ask(app, 'PUT', '/v1/targets/bad', { body });

    expect(answer.status).toBe(status);
    expect(answer.body['errors']).toEqual([expect.objectContaining({ pointer })]);
  });
});

describe('connections', () => {
  it.each([
    ['an unknown kind', { kind: 'oauth' }, 422],
    ['a kind that is a number', { kind: 1 }, 400],
    ['no kind', {}, 400],
    ['a member of another kind', { kind: 'bearer', token: 't', password: 'hunter2' }, 400],
    ['a missing password', { kind: 'basic', username: 'u' }, 400],
    ['a line break in a token', { kind: 'bearer', token: 'hunter2\r\nX: y' }, 422],
    ['a header of the protocol', { kind: 'api_key', headerName: 'Host', value: 'hunter2' }, 422],
    ['a colon in a user name', { kind: 'basic', username: 'a:b', password: 'hunter2' }, 422],
  ])('are refused with %s, without repeating a secret', async (_what, body, status) => {
    const answer = await ask(app, 'PUT', '/v1/connections/bad', { body });

    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain('hunter2');
  });
});
