import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { Client, Connection } from '@temporalio/client';
import pino from 'pino';
import type { Pool } from '../../src/database/pool';
import { createHealth, type ApiKey } from '../../src/http/app';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';
import { ask, newOrder, startTestApp, type TestApp } from './test-app';
import { stubTemporal } from './temporal-stub';

let database: TestDatabase;
let pool: Pool;
const open: TestApp[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  ({ pool } = database);
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

afterAll(async () => database.drop());

async function start(overrides: Parameters<typeof startTestApp>[2] = {}): Promise<TestApp> {
  const app = await startTestApp(pool, stubTemporal(pool).client, overrides);
  open.push(app);
  return app;
}

function apiKey(caller: string, key: string, ...scopes: string[]): ApiKey {
  return { caller, sha256: createHash('sha256').update(key).digest('hex'), scopes };
}

const KEYS = [
  apiKey('shop', 'shop-key', 'orders:read', 'orders:write'),
  apiKey('shop', 'shop-key-2', 'orders:read', 'orders:write'),
  apiKey('reader', 'reader-key', 'orders:read'),
  apiKey('operator', 'operator-key', 'operate'),
  apiKey('owner', 'owner-key', 'admin'),
];
const as = (key: string): Record<string, string> => ({ Authorization: `Bearer ${key}` });

describe('access', () => {
  it.each([
    ['no credentials', {}],
    ['an unknown key', as('nobody')],
    ['another scheme', { Authorization: 'Basic c2hvcC1rZXk=' }],
    ['the digest instead of the key', as(KEYS[0]!.sha256)],
    ['an empty key', { Authorization: 'Bearer ' }],
  ])('is refused with %s, also on routes that there are not', async (_what, headers) => {
    const app = await start({ access: { keys: KEYS, rateLimit: null } });

    for (const path of ['/v1/orders', '/v1/nowhere']) {
      const answer = await ask(app, 'GET', path, { headers: headers });
      expect(answer.status).toBe(401);
      expect(answer.body['code']).toBe('unauthenticated');
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  it.each([
    ['GET', '/v1/orders', ['shop-key', 'reader-key', 'owner-key']],
    ['GET', '/v1/inventory', ['shop-key', 'reader-key', 'owner-key']],
    ['GET', '/v1/events', ['shop-key', 'reader-key', 'owner-key']],
    ['GET', '/v1/deliveries', ['shop-key', 'reader-key', 'owner-key']],
    ['POST', '/v1/orders', ['shop-key', 'owner-key']],
    ['PUT', '/v1/inventory/X', ['operator-key', 'owner-key']],
    ['GET', '/v1/rules', ['operator-key', 'owner-key']],
    ['GET', '/v1/targets', ['operator-key', 'owner-key']],
    ['GET', '/v1/connections', ['operator-key', 'owner-key']],
    ['POST', '/v1/rules/test', ['operator-key', 'owner-key']],
    ['PUT', '/v1/rules/x', ['owner-key']],
    ['DELETE', '/v1/targets/x', ['owner-key']],
    ['PUT', '/v1/connections/x', ['owner-key']],
  ])('to %s %s is for %j', async (method, path, allowed) => {
    const app = await start({ access: { keys: KEYS, rateLimit: null } });

    for (const key of ['shop-key', 'reader-key', 'operator-key', 'owner-key']) {
      const { status, body } = await ask(app, method, path, { headers: as(key) });
      expect({ key, forbidden: status === 403, code: body['code'] === 'forbidden' }).toEqual({
        key,
        forbidden: !allowed.includes(key),
        code: !allowed.includes(key),
      });
    }
  });

  it('gives two keys of one caller the same orders, and two callers different ones', async () => {
    const app = await start({ access: { keys: KEYS, rateLimit: null } });
    const place = (key: string): ReturnType<typeof ask> =>
      ask(app, 'POST', '/v1/orders', {
        body: newOrder(),
        headers: { ...as(key), 'Idempotency-Key': 'same' },
      });

    const [first, rotated, other] = [
      await place('shop-key'),
      await place('shop-key-2'),
      await place('owner-key'),
    ];

    expect(rotated.body['orderId']).toBe(first.body['orderId']);
    expect(other.body['orderId']).not.toBe(first.body['orderId']);
  });

  it('is open for health, the document and the page', async () => {
    const app = await start({ access: { keys: KEYS, rateLimit: null } });

    for (const path of [
      '/healthz',
      '/readyz',
      '/openapi.json',
      '/docs',
      '/docs/init.js',
      '/docs/swagger-ui.css',
      '/docs/swagger-ui-bundle.js',
    ]) {
      expect({ path, status: (await ask(app, 'GET', path)).status }).toEqual({ path, status: 200 });
    }
  });
});

describe('the rate limit', () => {
  it('counts per caller, whatever address a header claims, and says when to come back', async () => {
    const app = await start({ access: { keys: KEYS, rateLimit: { limit: 3, windowMs: 60_000 } } });
    const read = (key: string, address: string): ReturnType<typeof ask> =>
      ask(app, 'GET', '/v1/orders', { headers: { ...as(key), 'X-Forwarded-For': address } });

    const answers = [];
    for (let n = 0; n < 5; n += 1) answers.push(await read('shop-key', `10.0.0.${n}`));

    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 429, 429]);
    expect(answers[4]!.body['code']).toBe('too_many_requests');
    expect(Number(answers[4]!.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await read('reader-key', '10.0.0.1')).status).toBe(200);
    expect((await ask(app, 'GET', '/healthz')).status).toBe(200);
  });

  it('holds against hundreds of requests at once', async () => {
    const app = await start({ access: { keys: [], rateLimit: { limit: 10, windowMs: 60_000 } } });

    const answers = await Promise.all(Array.from({ length: 300 }, () => ask(app, 'GET', '/v1/inventory')));

    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(10);
    expect(answers.filter((answer) => answer.status === 429)).toHaveLength(290);
  });
});

describe('health', () => {
  it('is ready when every part is there, and names what is missing', async () => {
    const app = await start();

    expect((await ask(app, 'GET', '/readyz')).body).toEqual({
      status: 'ready',
      checks: { database: true, temporal: true, migrations: true },
      lag: { undelivered: 0, oldestUndeliveredSeconds: 0, deadLetters: 0, parkedSteps: 0 },
    });
    app.health.temporal = false;
    expect((await ask(app, 'GET', '/readyz')).body).toMatchObject({
      status: 503,
      code: 'temporal_unavailable',
      temporal: false,
    });
    app.health.migrationsMissing = ['0009_later.sql'];
    expect((await ask(app, 'GET', '/readyz')).body['detail']).toContain('0009_later.sql');
    app.health.database = false;
    expect((await ask(app, 'GET', '/readyz')).body).toMatchObject({
      code: 'database_unavailable',
      database: false,
    });
    expect((await ask(app, 'GET', '/healthz')).body).toMatchObject({ status: 'ok' });
  });

  it('goes first when the process drains: new requests are sent away', async () => {
    const app = await start();
    app.health.drain();

    const refused = await ask(app, 'GET', '/v1/orders');

    expect((await ask(app, 'GET', '/readyz')).body['code']).toBe('shutting_down');
    expect((await ask(app, 'GET', '/healthz')).status).toBe(200);
    expect(refused.body['code']).toBe('shutting_down');
    expect(refused.headers.get('connection')).toBe('close');
    expect(refused.headers.get('retry-after')).not.toBeNull();
  });

  it('is probed in the background: a database that is there, a Temporal that is not', async () => {
    const connection = Connection.lazy({ address: '127.0.0.1:1', connectTimeout: 500 });
    const health = createHealth({ pool, temporal: new Client({ connection }), log: silentLog, everyMs: 20 });

    await health.start();

    expect(health).toMatchObject({ database: true, temporal: false, migrationsMissing: [], draining: false });
    await health.stop();
    await connection.close();
  });

  it('finds out that the database went away and that it came back', async () => {
    let away = false;
    const flaky = new Proxy(pool, {
      get: (target, name) => {
        const found = Reflect.get(target, name) as unknown;
        if (name !== 'connect') return typeof found === 'function' ? (found.bind(target) as unknown) : found;
        return () => (away ? Promise.reject(new Error('connect ECONNREFUSED')) : target.connect());
      },
    });
    const temporal = { withDeadline: () => Promise.resolve() } as unknown as Client;
    const health = createHealth({ pool: flaky, temporal, log: silentLog, everyMs: 10 });
    await health.start();
    expect(health).toMatchObject({ database: true, temporal: true });

    away = true;
    await pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query = 'select 1' and pid <> pg_backend_pid()`,
    );
    await until(() => !health.database);
    away = false;
    await until(() => health.database);

    await health.stop();
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('every answer', () => {
  it('has an id, strict headers and no trace of the framework', async () => {
    const app = await start();

    const first = await ask(app, 'GET', '/docs', { headers: { 'X-Request-Id': 'mine' } });
    const second = await ask(app, 'GET', '/docs');

    expect(first.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(first.headers.get('x-request-id')).not.toBe(second.headers.get('x-request-id'));
    expect(first.headers.get('x-powered-by')).toBeNull();
    expect(first.headers.get('x-content-type-options')).toBe('nosniff');
    const policy = first.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
  });

  it('needs nothing from elsewhere to show the page', async () => {
    const app = await start();
    const { text } = await ask(app, 'GET', '/docs');

    const addresses = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address!);

    expect(text).not.toMatch(/<script>|<style|https?:/);
    for (const address of addresses) expect((await ask(app, 'GET', address)).status).toBe(200);
  });

  it('leaves one log line with the route and no personal data, key or body', async () => {
    const lines: string[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(chunk.toString());
        done();
      },
    });
    const app = await start({ log: pino({ level: 'trace' }, sink), access: { keys: KEYS, rateLimit: null } });

    await ask(app, 'POST', '/v1/orders?secret=hunter2', {
      body: newOrder({ payment: { mode: 'charge', method: 'tok_visa' } }),
      headers: { ...as('shop-key'), 'Idempotency-Key': 'logged-key' },
    });
    await ask(app, 'GET', '/v1/orders?customerId=cus_1', { headers: as('shop-key') });
    await ask(app, 'GET', '/v1/orders/5b0c9d9e-6a5f-5b0e-9c1f-0c8d5a3f7e21', { headers: as('shop-key') });

    const entries = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['msg'] === 'request');
    expect(entries).toEqual([
      expect.objectContaining({
        method: 'POST',
        route: '/v1/orders',
        caller: 'shop',
        status: 422,
        level: 40,
      }),
      expect.objectContaining({ method: 'GET', route: '/v1/orders', status: 200, level: 30 }),
      expect.objectContaining({ route: '/v1/orders/{orderId}', status: 404, level: 40 }),
    ]);
    expect(lines.join('')).not.toMatch(/\+1500|shop-key|logged-key|hunter2|tok_visa|cus_1/);
  });
});

describe('the event bus', () => {
  it('keeps targets, connections and rules, and never shows a secret', async () => {
    const app = await start({ allowPrivateTargets: true });
    const put = (path: string, body: unknown): ReturnType<typeof ask> => ask(app, 'PUT', path, { body });

    const connection = await put('/v1/connections/billing', { kind: 'bearer', token: 'hunter2' });
    const target = await put('/v1/targets/billing', {
      kind: 'http',
      url: 'http://127.0.0.1:4012/events',
      headers: { 'X-Shop': '1' },
      connection: 'billing',
      retry: { maximumAgeSeconds: 60 },
    });
    const rule = await put('/v1/rules/to-billing', {
      pattern: { 'detail-type': ['order.confirmed'] },
      targets: [
        {
          target: 'billing',
          transformer: { inputPathsMap: { id: '$.detail.orderId' }, inputTemplate: '{"id": <id>}' },
        },
      ],
    });

    expect(connection).toMatchObject({ status: 200, body: { name: 'billing', kind: 'bearer' } });
    expect(target).toMatchObject({
      status: 200,
      body: { name: 'billing', kind: 'http', method: 'POST', connection: 'billing' },
    });
    expect(rule).toMatchObject({ status: 200, body: { name: 'to-billing', state: 'ENABLED' } });
    for (const path of [
      '/v1/connections',
      '/v1/connections/billing',
      '/v1/targets',
      '/v1/targets/billing',
      '/v1/rules',
    ]) {
      const answer = await ask(app, 'GET', path);
      expect(answer.status).toBe(200);
      expect(answer.text).not.toContain('hunter2');
    }
    expect((await ask(app, 'DELETE', '/v1/connections/billing')).body).toMatchObject({
      status: 409,
      code: 'in_use',
    });
    expect((await ask(app, 'DELETE', '/v1/targets/billing')).body).toMatchObject({
      status: 409,
      code: 'in_use',
    });
    for (const path of ['/v1/rules/to-billing', '/v1/targets/billing', '/v1/connections/billing']) {
      expect((await ask(app, 'DELETE', path)).status).toBe(204);
      expect((await ask(app, 'DELETE', path)).body).toMatchObject({ status: 404 });
      expect((await ask(app, 'GET', path)).body).toMatchObject({ status: 404 });
    }
    const stored = await pool.query(
      `select convert_from(ciphertext, 'latin1') as text from aftercommit.connections`,
    );
    expect(JSON.stringify(stored.rows)).not.toContain('hunter2');
  });

  it('tries a rule on an event', async () => {
    const app = await start();
    const event = {
      id: '1',
      source: 'ecommerce.orders',
      'detail-type': 'order.confirmed',
      time: '2026-11-21T08:00:00.000Z',
      detail: { orderId: 'o-1', seq: 1 },
    };
    const trial = (body: object): ReturnType<typeof ask> => ask(app, 'POST', '/v1/rules/test', { body });
    const transformer = { inputPathsMap: { id: '$.detail.orderId' }, inputTemplate: '{"id": <id>}' };

    expect((await trial({ pattern: { source: ['ecommerce.orders'] }, event })).body).toEqual({
      matches: true,
    });
    expect((await trial({ pattern: { source: ['x'] }, event, transformer })).body).toEqual({
      matches: false,
      output: '{"id":"o-1"}',
    });
    expect((await trial({ pattern: { source: 'x' }, event })).body).toMatchObject({
      status: 422,
      code: 'invalid_pattern',
    });
    const missing = { ...transformer, inputPathsMap: { id: '$.detail.nowhere' } };
    expect((await trial({ pattern: { source: ['x'] }, event, transformer: missing })).body).toMatchObject({
      status: 422,
      code: 'template_error',
    });
  });
});

describe('inventory', () => {
  it('is set, read and listed by SKU, and the audit says who and why', async () => {
    const app = await start({ access: { keys: KEYS, rateLimit: null } });
    const headers = as('owner-key');
    for (const sku of ['B', 'A', 'C%2F1']) {
      await ask(app, 'PUT', `/v1/inventory/${sku}`, { body: { available: 5, reason: 'new stock' }, headers });
    }

    const one = await ask(app, 'GET', '/v1/inventory/C%2F1', { headers });
    const first = await ask(app, 'GET', '/v1/inventory?limit=2', { headers });
    const second = await ask(
      app,
      'GET',
      `/v1/inventory?limit=2&cursor=${first.body['nextCursor'] as string}`,
      { headers },
    );

    expect(one.body).toEqual({ sku: 'C/1', available: 5, reserved: 0, sold: 0 });
    expect((first.body['data'] as { sku: string }[]).map(({ sku }) => sku)).toEqual(['A', 'B']);
    expect(second.body).toMatchObject({ data: [{ sku: 'C/1' }], nextCursor: null });
    expect((await ask(app, 'GET', '/v1/inventory/nowhere', { headers })).status).toBe(404);
    const { rows } = await pool.query(
      `select actor, detail from aftercommit.audit where action = 'inventory.set' and subject = 'A'`,
    );
    expect(rows).toEqual([
      { actor: 'owner', detail: expect.objectContaining({ delta: 5, reason: 'new stock' }) as unknown },
    ]);
  });
});
