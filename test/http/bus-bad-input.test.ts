import { createTestDatabase, type TestDatabase } from '../support/database';
import { ask, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';
import { stubTemporal, type TemporalStub } from './temporal-stub';

/** Rows 39 to 51 of the bad input list, at the doors of the event bus. Whatever comes in, no table changes. */

let database: TestDatabase;
let temporal: TemporalStub;
let app: TestApp;
let before: Record<string, number>;

beforeAll(async () => {
  database = await createTestDatabase();
  temporal = stubTemporal(database.pool);
  app = await startTestApp(database.pool, temporal.client);
  for (const [name, body] of [
    [
      'history',
      { kind: 'workflow', workflowType: 'billing', taskQueue: 'billing', workflowId: '<event.id>' },
    ],
    ['endpoint', { kind: 'http', url: 'https://8.8.8.8/' }],
  ] as const) {
    expect((await ask(app, 'PUT', `/v1/targets/${name}`, { body })).text).toContain(name);
  }
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

function expectRefusal(answer: Answer, status: number, code: string, pointer: string): void {
  const [first] = (answer.body['errors'] ?? []) as { pointer: string }[];
  expect({ status: answer.status, code: answer.body['code'], pointer: first?.pointer }).toEqual({
    status,
    code,
    pointer,
  });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.text).not.toMatch(/\bat .*:\d+:\d+|select |insert |hunter2/);
}

function putRule(transformer: unknown, target = 'log'): Promise<Answer> {
  const pattern = { source: ['ecommerce.orders'] };
  return ask(app, 'PUT', '/v1/rules/bad', { body: { pattern, targets: [{ target, transformer }] } });
}

describe('a transformer', () => {
  it.each<[string, unknown, string]>([
    ['no form', {}, ''],
    ['two forms', { input: '1', inputTemplate: 'x' }, ''],
    ['every form', { input: '1', inputPath: '$', inputTemplate: 'x', jsonata: '1' }, ''],
    ['variables without a template', { inputPathsMap: { id: '$.id' } }, '/inputTemplate'],
    ['variables of an expression', { inputPathsMap: { id: '$.id' }, jsonata: '1' }, '/inputPathsMap'],
    ['a variable that is not defined', { inputTemplate: 'to <phone>' }, '/inputTemplate'],
    ['an unclosed variable', { inputTemplate: 'to <id' }, '/inputTemplate'],
    [
      'a path of another language',
      { inputPathsMap: { id: 'detail.id' }, inputTemplate: '<id>' },
      '/inputPathsMap/id',
    ],
    ['code in braces', { inputTemplate: '{"a": {{constructor.constructor("x")()}}}' }, '/inputTemplate'],
    ['a template of 8 KB and a byte', { inputTemplate: 'x'.repeat(8_193) }, '/inputTemplate'],
    ['a constant that is no JSON', { input: 'hunter2' }, '/input'],
    ['a constant of 8 KB and a byte', { input: `"${'x'.repeat(8_191)}"` }, '/input'],
    ['a path with a wildcard', { inputPath: '$.detail.*' }, '/inputPath'],
    ['an expression with a mistake', { jsonata: 'detail.(' }, '/jsonata'],
    ['an expression that runs texts', { jsonata: '$eval(detail.hunter2)' }, '/jsonata'],
    ['an expression of chance', { jsonata: '$random()' }, '/jsonata'],
    ['an expression of 8 KB and a byte', { jsonata: `"${'x'.repeat(8_191)}"` }, '/jsonata'],
    ['an expression that nests without end', { jsonata: '['.repeat(8_000) }, '/jsonata'],
  ])('is refused with %s', async (_what, transformer, pointer) => {
    expectRefusal(await putRule(transformer), 422, 'invalid_transformer', `/targets/0/transformer${pointer}`);
  });

  it.each<[string, unknown, string]>([
    ['an unknown member', { inputTemplate: 'x', template: 'y' }, '/template'],
    ['a constant that is an object', { input: { a: 1 } }, '/input'],
    ['an expression that is a number', { jsonata: 1 }, '/jsonata'],
    ['a path that is a list', { inputPath: ['$'] }, '/inputPath'],
  ])('is malformed with %s', async (_what, transformer, pointer) => {
    expectRefusal(await putRule(transformer), 400, 'malformed_request', `/targets/0/transformer${pointer}`);
  });

  it.each(['<aftercommit.customer.phone>', '{"to": "<aftercommit.customer.id>"}'])(
    'that names the customer is refused for a target whose history keeps what it gets: %s',
    async (inputTemplate) => {
      expectRefusal(
        await putRule({ inputTemplate }, 'history'),
        422,
        'invalid_transformer',
        '/targets/0/target',
      );
    },
  );

  it('that names the customer is accepted for another target, and one that does not for that target', async () => {
    expect((await putRule({ inputTemplate: '<aftercommit.customer.phone>' }, 'endpoint')).status).toBe(200);
    expect((await putRule({ jsonata: '{ "id": detail.orderId }' }, 'history')).status).toBe(200);

    expect((await ask(app, 'GET', '/v1/rules/bad')).body['targets']).toEqual([
      { target: 'history', transformer: { jsonata: '{ "id": detail.orderId }' } },
    ]);
    expect((await ask(app, 'DELETE', '/v1/rules/bad')).status).toBe(204);
    // What it did is in the audit; from here on nothing more comes.
    before = await rowCounts(database.pool);
  });
});

describe('a trial of a transformer', () => {
  const event = {
    id: '0198c5d2-0000-7000-8000-000000000001',
    source: 'ecommerce.orders',
    'detail-type': 'order.confirmed',
    time: '2026-08-01T12:00:00.000Z',
    detail: { orderId: 'hunter2', seq: 1 },
  };

  function tryOut(transformer: unknown): Promise<Answer> {
    return ask(app, 'POST', '/v1/rules/test', {
      body: { pattern: { source: ['ecommerce.orders'] }, event, transformer },
    });
  }

  it.each<[unknown, string]>([
    [{ input: '{"a": 1}' }, '{"a": 1}'],
    [{ inputPath: '$.detail.seq' }, '1'],
    [{ jsonata: '{ "seq": detail.seq + 1, "at": $now() }' }, '{"seq":2,"at":"2026-08-01T12:00:00.000Z"}'],
  ])('of %j gives its output', async (transformer, output) => {
    expect((await tryOut(transformer)).body).toEqual({ matches: true, output });
  });

  it.each<[string, unknown]>([
    ['a path that the event does not have', { inputPath: '$.detail.nothing' }],
    ['no value', { jsonata: 'detail.nothing' }],
    ['an error with the event in it', { jsonata: '$error(detail.orderId)' }],
    ['no end', { jsonata: '( $f := function($n) { $f($n + 1) }; $f(1) )' }],
    ['a list without end', { jsonata: '[1..1e9]' }],
    ['more memory than there is', { jsonata: '$pad("", 50000000, "ab")' }],
    ['output over 256 KB', { jsonata: '$pad("", 262144, "a")' }],
  ])('is a template error with %s, and the service goes on', async (_what, transformer) => {
    const answer = await tryOut(transformer);

    expect(answer.body).toMatchObject({ status: 422, code: 'template_error' });
    expect(answer.text).not.toContain('hunter2');
    expect((await ask(app, 'GET', '/healthz')).status).toBe(200);
  });
});

describe('a pattern', () => {
  it.each<[string, unknown, string]>([
    ['nothing in it', {}, '/pattern'],
    ['a scalar outside of a list', { source: 'x' }, '/pattern/source'],
    ['an unknown operator', { source: [{ regex: '.*' }] }, '/pattern/source/0/regex'],
    [
      'an odd list of numbers',
      { detail: { a: [{ numeric: ['>', 1, '<'] }] } },
      '/pattern/detail/a/0/numeric',
    ],
    ['a text as a number', { detail: { a: [{ numeric: ['>', 'a'] }] } }, '/pattern/detail/a/0/numeric/1'],
    ['a bad network', { detail: { a: [{ cidr: '10.0.0.0/33' }] } }, '/pattern/detail/a/0/cidr'],
    ['exists that is no boolean', { detail: { a: [{ exists: 'yes' }] } }, '/pattern/detail/a/0/exists'],
  ])('is refused with %s', async (_what, pattern, pointer) => {
    const answer = await ask(app, 'PUT', '/v1/rules/bad', {
      body: { pattern, targets: [{ target: 'log' }] },
    });

    expectRefusal(answer, 422, 'invalid_pattern', pointer);
  });
});

describe('a target', () => {
  const workflow = {
    kind: 'workflow',
    workflowType: 'billing',
    taskQueue: 'billing',
    workflowId: '<event.id>',
  };

  it.each<[string, Record<string, unknown>, string]>([
    ['a table of the service', { kind: 'postgres', table: 'aftercommit.events' }, '/table'],
    ['a table of the catalog', { kind: 'postgres', table: 'pg_catalog.pg_class' }, '/table'],
    ['SQL for a table', { kind: 'postgres', table: 'a.b; drop table c' }, '/table'],
    [
      'a channel of the service',
      { kind: 'postgres', table: 'a.b', channel: 'aftercommit_enqueued' },
      '/channel',
    ],
    ['a task queue of the service', { ...workflow, taskQueue: 'orders' }, '/taskQueue'],
    ['a workflow of the service', { ...workflow, workflowType: 'orderWorkflow' }, '/workflowType'],
    ['an id of the service', { ...workflow, workflowId: 'order/<ordering-key>' }, '/workflowId'],
    ['an unknown placeholder', { ...workflow, workflowId: '<order>' }, '/workflowId'],
    [
      'a connection of another kind',
      { kind: 'http', url: 'https://8.8.8.8/', connection: 'nowhere' },
      '/connection',
    ],
    ['a signature where nothing is signed', { ...workflow, signature: 'nowhere' }, '/signature'],
  ])('is refused with %s', async (_what, body, pointer) => {
    expectRefusal(await ask(app, 'PUT', '/v1/targets/bad', { body }), 422, 'invalid_target', pointer);
  });
});

describe('a connection', () => {
  const bytes = (count: number): string => Buffer.alloc(count, 7).toString('base64');
  const oauth = {
    kind: 'oauth_client_credentials',
    tokenUrl: 'https://login.example.com/token',
    clientId: 'client',
    clientSecret: 'hunter2',
  };

  it.each<[string, Record<string, unknown>, string]>([
    ['a secret of 23 bytes', { kind: 'webhook_secret', secret: `whsec_${bytes(23)}` }, '/secret'],
    ['a secret of 65 bytes', { kind: 'webhook_secret', secret: `whsec_${bytes(65)}` }, '/secret'],
    ['a secret with another prefix', { kind: 'webhook_secret', secret: `hunter2_${bytes(24)}` }, '/secret'],
    [
      'a secret that is not base64',
      { kind: 'webhook_secret', secret: `whsec_${'hunter2!'.repeat(4)}` },
      '/secret',
    ],
    [
      'an old secret that is too short',
      { kind: 'webhook_secret', secret: `whsec_${bytes(24)}`, previousSecret: 'whsec_hunter2' },
      '/previousSecret',
    ],
    ['a token URL of another scheme', { ...oauth, tokenUrl: 'ftp://hunter2/' }, '/tokenUrl'],
    ['a token URL that is none', { ...oauth, tokenUrl: 'hunter2' }, '/tokenUrl'],
    ['a client secret with a line break', { ...oauth, clientSecret: 'hunter2\r\n' }, '/clientSecret'],
    ['scopes with two spaces', { ...oauth, scope: 'a  b' }, '/scope'],
    ['a database over HTTP', { kind: 'postgres', url: 'https://hunter2@db.example.com/a' }, '/url'],
  ])('is refused with %s', async (_what, body, pointer) => {
    expectRefusal(await ask(app, 'PUT', '/v1/connections/bad', { body }), 422, 'invalid_connection', pointer);
  });
});
