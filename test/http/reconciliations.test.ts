import { createHash, randomUUID } from 'node:crypto';
import { beginReconciliation, finishReconciliation } from '../../src/database/reconciliation';
import { noteFinding, parkFinding } from '../../src/database/reconciliation-repairs';
import type { Finding } from '../../src/domain/reconciliation';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ask, startTestApp, type TestApp } from './test-app';
import { stubTemporal, type TemporalStub } from './temporal-stub';

let database: TestDatabase;
let stub: TemporalStub;
let app: TestApp;
beforeAll(async () => {
  database = await createTestDatabase();
  stub = stubTemporal(database.pool);
  app = await startTestApp(database.pool, stub.client);
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

const post = (body: unknown, key = randomUUID()) =>
  ask(app, 'POST', '/v1/reconciliations', { body, headers: { 'Idempotency-Key': key } });
const HTML = { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } };

/** A run that is over, with these findings. */
async function ranWith(findings: readonly Finding[]): Promise<string> {
  const reconciliationId = randomUUID();
  const run = { reconciliationId, kind: 'full', dryRun: false } as const;
  await beginReconciliation(database.pool, { ...run, actor: 'test' });
  for (const finding of findings) await parkFinding(database.pool, reconciliationId, finding);
  await finishReconciliation(database.pool, {
    reconciliationId,
    unread: [{ source: 'carrier', code: 'gateway_unavailable' }],
  });
  return reconciliationId;
}

const orphan = (name: string): Finding => ({
  detector: 'unknown_capture',
  subject: `capture:${name}`,
  orderId: null,
  detail: { amountMinor: 1, gateway: '<script>alert(1)</script>' },
});

describe('POST /v1/reconciliations', () => {
  it('writes the run, starts its workflow and says where its report will be', async () => {
    const answer = await post({ kind: 'full', dryRun: true });

    const { reconciliationId } = answer.body;
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/v1/reconciliations/${String(reconciliationId)}`);
    expect(answer.body).toMatchObject({ kind: 'full', dryRun: true, state: 'REQUESTED', actor: 'local' });
    expect(stub.started).toContain(`reconcile/${String(reconciliationId)}`);
  });

  it('answers a repeat with the same run, and another body under the same key with a refusal', async () => {
    const key = randomUUID();

    const first = await post({ kind: 'light' }, key);
    const repeat = await post({ kind: 'light' }, key);
    const other = await post({ kind: 'full' }, key);

    expect(repeat.body['reconciliationId']).toBe(first.body['reconciliationId']);
    expect(repeat.headers.get('idempotent-replayed')).toBe('true');
    expect([other.status, other.body['code']]).toEqual([422, 'idempotency_key_reused']);
  });

  it('starts no workflow for a run that is over', async () => {
    const key = randomUUID();
    const { body } = await post({}, key);
    const reconciliationId = String(body['reconciliationId']);
    await beginReconciliation(database.pool, {
      reconciliationId,
      kind: 'full',
      dryRun: false,
      actor: 'local',
    });
    await finishReconciliation(database.pool, { reconciliationId, unread: [] });
    const before = stub.started.length;

    const repeat = await post({}, key);

    expect(repeat.body).toMatchObject({ state: 'COMPLETED', found: 0 });
    expect(stub.started).toHaveLength(before);
  });

  it('takes a start that Temporal has had already for done', async () => {
    const key = randomUUID();
    const first = await post({}, key);
    stub.behaviour.start = 'ran';

    const repeat = await post({}, key);
    stub.behaviour.start = 'acknowledge';

    expect([first.status, repeat.status]).toEqual([202, 202]);
    expect(repeat.body).toEqual(first.body);
  });

  it.each([
    [{ kind: 'rebuild' }, 422],
    [{ dryRun: 'yes' }, 400],
    [{ detectors: [] }, 400],
  ])('refuses %j', async (body, status) => {
    const before = await database.pool.query('select count(*) from aftercommit.reconciliations');

    expect((await post(body)).status).toBe(status);

    expect((await database.pool.query('select count(*) from aftercommit.reconciliations')).rows).toEqual(
      before.rows,
    );
  });

  it('needs a key, and Temporal', async () => {
    const withoutKey = await ask(app, 'POST', '/v1/reconciliations', { body: {} });
    app.health.temporal = false;
    const withoutTemporal = await post({});
    app.health.temporal = true;
    stub.behaviour.start = 'lost';
    const lost = await post({});
    stub.behaviour.start = 'acknowledge';

    expect(withoutKey.body['code']).toBe('idempotency_key_missing');
    expect([withoutTemporal.status, lost.status]).toEqual([503, 503]);
  });
});

describe('GET /v1/reconciliations/{id}', () => {
  it('gives counts for each detector and the findings page by page', async () => {
    const reconciliationId = await ranWith(['a', 'b', 'c'].map(orphan));

    const first = await ask(app, 'GET', `/v1/reconciliations/${reconciliationId}?limit=2`);
    const { data, nextCursor } = first.body['findings'] as { data: unknown[]; nextCursor: string };
    const second = await ask(
      app,
      'GET',
      `/v1/reconciliations/${reconciliationId}?limit=2&cursor=${nextCursor}`,
    );

    expect(first.body).toMatchObject({
      state: 'COMPLETED',
      found: 3,
      detectors: { unknown_capture: { class: 'business_exception', found: 3, parked: 3, open: 0 } },
      unread: [{ source: 'carrier', code: 'gateway_unavailable' }],
    });
    expect(data).toHaveLength(2);
    expect(second.body['findings']).toMatchObject({ nextCursor: null, data: [{ action: 'parked' }] });
  });

  it('takes a detector, and refuses one that there is not', async () => {
    const reconciliationId = await ranWith([orphan('d')]);
    const url = `/v1/reconciliations/${reconciliationId}?detector=`;

    expect((await ask(app, 'GET', `${url}leaked_reservation`)).body['findings']).toMatchObject({ data: [] });
    expect((await ask(app, 'GET', `${url}no_such`)).status).toBe(400);
    expect((await ask(app, 'GET', `/v1/reconciliations/${randomUUID()}`)).status).toBe(404);
  });

  it('is a page for people without a script, an inline style or an unescaped value', async () => {
    const reconciliationId = await ranWith([orphan('e')]);

    const page = await ask(app, 'GET', `/v1/reconciliations/${reconciliationId}`, HTML);

    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('vary')).toContain('Accept');
    expect(page.text).toContain('unknown_capture');
    expect(page.text).toContain('&lt;script&gt;');
    expect(page.text).not.toMatch(/<script|<style|style=|javascript:/);
    expect(page.text).toContain('<link rel="stylesheet" href="/reconciliations.css">');
    expect((await ask(app, 'GET', '/reconciliations.css')).headers.get('content-type')).toContain('text/css');
  });

  it('says that nothing was found where nothing was', async () => {
    const page = await ask(app, 'GET', `/v1/reconciliations/${await ranWith([])}`, HTML);

    expect(page.text).toContain('Nothing was found.');
  });
});

it('lists runs, newest first, as JSON and as a page', async () => {
  const reconciliationId = await ranWith([]);

  const list = await ask(app, 'GET', '/v1/reconciliations?kind=full&limit=1');
  const page = await ask(app, 'GET', '/v1/reconciliations?limit=1', HTML);

  expect(list.body['data']).toMatchObject([{ reconciliationId, state: 'COMPLETED' }]);
  expect(list.body['nextCursor']).not.toBeNull();
  expect(page.text).toContain(`/v1/reconciliations/${reconciliationId}`);
  expect(page.text).toContain('older');
});

it('reports what a dry run found as open', async () => {
  const reconciliationId = randomUUID();
  await beginReconciliation(database.pool, { reconciliationId, kind: 'full', dryRun: true, actor: 'test' });
  await noteFinding(database.pool, reconciliationId, orphan('f'), 'none');
  await finishReconciliation(database.pool, { reconciliationId, unread: [] });

  const { body } = await ask(app, 'GET', `/v1/reconciliations/${reconciliationId}`);

  expect(body['detectors']).toMatchObject({ unknown_capture: { found: 1, open: 1, parked: 0 } });
});

it('needs the scope operate', async () => {
  const sha256 = createHash('sha256').update('key').digest('hex');
  const keys = [{ caller: 'reader', sha256, scopes: ['orders:read'] }];
  const guarded = await startTestApp(database.pool, stub.client, { access: { keys, rateLimit: null } });
  try {
    const headers = { Authorization: 'Bearer key' };
    expect((await ask(guarded, 'GET', '/v1/reconciliations', { headers })).status).toBe(403);
    expect((await ask(guarded, 'GET', '/v1/reconciliations')).status).toBe(401);
  } finally {
    await guarded.close();
  }
});
