import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import pino from 'pino';
import { holdAttempt } from '../../src/database/notifications';
import type { Pool } from '../../src/database/pool';
import { recordReport } from '../../src/database/provider-reports';
import type { ApiKey } from '../../src/http/app';
import { accepted, ambiguous, claimed, sidOf } from '../database/notification-fixtures';
import { phoneHash, placeOne } from '../database/place';
import { acceptRequest } from '../../src/database/requests';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ask, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';
import { stubTemporal, type TemporalStub } from './temporal-stub';

const keyOf = (caller: string, ...scopes: string[]): ApiKey => ({
  caller,
  sha256: createHash('sha256').update(caller).digest('hex'),
  scopes,
});
const KEYS = [keyOf('reader', 'orders:read'), keyOf('operator', 'operate'), keyOf('owner', 'admin')];
const NOBODY = '00000000-0000-4000-8000-00000000beef';

let database: TestDatabase;
let pool: Pool;
let stub: TemporalStub;
let app: TestApp;
const logged: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  ({ pool } = database);
});
beforeEach(async () => {
  stub = stubTemporal(pool);
  logged.length = 0;
  const lines = new Writable({
    write: (chunk: Buffer, _encoding, done) => (logged.push(String(chunk)), done()),
  });
  const log = pino({ level: 'trace' }, lines);
  app = await startTestApp(pool, stub.client, { log, access: { keys: KEYS, rateLimit: null } });
});
afterEach(() => app.close());
afterAll(() => database.drop());

function as(caller: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const options = { headers: { Authorization: `Bearer ${caller}` }, ...(body === undefined ? {} : { body }) };
  return ask(app, method, path, options);
}

const delivered = (sid: string): Promise<unknown> =>
  recordReport(pool, { sid, attemptId: null, status: 'delivered', errorCode: null, answeredBy: null });

describe('reading notifications', () => {
  it('finds by filters, one by its id, and shows no number', async () => {
    const { notificationId } = await accepted(pool, 'read', sidOf(1), { phone: '+14155550301' });
    await delivered(sidOf(1));

    const list = await as(
      'reader',
      'GET',
      `/v1/notifications?messageSid=${sidOf(1)}&wasAmbiguous=false&limit=5`,
    );
    const one = await as('reader', 'GET', `/v1/notifications/${notificationId.toUpperCase()}`);

    expect(list).toMatchObject({ status: 200, body: { data: [{ notificationId }], nextCursor: null } });
    expect(one.status).toBe(200);
    expect([one.body]).toEqual(list.body['data']);
    expect(one.text).not.toMatch(/4155550301/);
    expect(one.text).not.toContain(phoneHash('+14155550301'));
  });

  it.each([
    'status=LOST',
    'attemptState=held',
    'channel=email',
    'wasAmbiguous=1',
    'messageSid=SM1',
    'phone=%2B14155550301',
    'from=2026-02-30T00:00:00Z',
    'from=2026-02-02T00:00:00Z&to=2026-02-01T00:00:00Z',
    'limit=0',
    'cursor=forged',
  ])('refuses %s', async (query) => {
    const answer = await as('reader', 'GET', `/v1/notifications?${query}`);

    expect(answer).toMatchObject({ status: 400, body: { code: 'malformed_request' } });
  });

  it.each([NOBODY, 'x', '%00'])('has no notification %s', async (id) => {
    const answer = await as('reader', 'GET', `/v1/notifications/${id}`);

    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('is answered 503 while the database is away', async () => {
    app.health.database = false;

    expect((await as('reader', 'GET', '/v1/notifications')).status).toBe(503);
  });

  it('lists reports on messages that nobody knows', async () => {
    await delivered(sidOf(0xabc));

    const answer = await as('reader', 'GET', '/v1/notifications/unknown-callbacks');

    expect(answer).toMatchObject({
      status: 200,
      body: { data: [{ messageSid: sidOf(0xabc), status: 'delivered', received: 1 }], nextCursor: null },
    });
  });
});

describe('the search by number', () => {
  it('finds by the hash, page by page, and leaves the number in no log', async () => {
    const order = { phone: '+14155550302' };
    const first = await accepted(pool, 'search 1', sidOf(2), { ...order, at: '2026-03-01T00:00:00.000Z' });
    const second = await accepted(pool, 'search 2', sidOf(3), { ...order, at: '2026-03-02T00:00:00.000Z' });
    const search = (more: object): Promise<Answer> =>
      as('operator', 'POST', '/v1/notifications/search', { phone: '+14155550302', limit: 1, ...more });

    const page = await search({});
    const next = await search({ cursor: page.body['nextCursor'] });

    expect(page.body).toMatchObject({
      phoneHash: phoneHash('+14155550302'),
      data: [{ notificationId: second.notificationId }],
    });
    expect(next.body).toMatchObject({ data: [{ notificationId: first.notificationId }], nextCursor: null });
    expect(page.text).not.toContain('4155550302');
    expect(logged.join('')).not.toContain('4155550302');
  });

  it.each([
    [{}, 400],
    [{ phone: 1 }, 400],
    [{ phone: '+14155550302', number: 1 }, 400],
    [{ phone: '14155550302' }, 422],
    [{ phone: 'whatsapp:+14155550302' }, 422],
    [{ phone: '+14155550302', limit: 0 }, 422],
    [{ phone: '+14155550302', limit: 201 }, 422],
    [{ phone: '+14155550302', cursor: 'forged' }, 400],
  ])('refuses %j with %d', async (body, status) => {
    expect((await as('operator', 'POST', '/v1/notifications/search', body)).status).toBe(status);
  });
});

describe('the counts', () => {
  it('are those of the time that is asked for', async () => {
    await accepted(pool, 'counts', sidOf(4), { at: '2026-06-01T12:00:00.000Z', phone: '+14155550303' });

    const query = 'from=2026-06-01T00:00:00Z&to=2026-07-02T00:00:00Z';
    const answer = await as('reader', 'GET', `/v1/notifications/counts?${query}`);

    expect(answer).toMatchObject({
      status: 200,
      body: {
        from: '2026-06-01T00:00:00.000Z',
        to: '2026-07-02T00:00:00.000Z',
        notifications: { total: 1, pending: 1, delivered: 0 },
        channels: [{ channel: 'sms', attempts: 1, accepted: 1 }],
        ambiguous: { total: 0 },
      },
    });
  });

  it.each([
    '',
    'from=2026-06-01T00:00:00Z',
    'from=2026-06-02T00:00:00Z&to=2026-06-01T00:00:00Z',
    'from=2026-06-01T00:00:00Z&to=2026-07-02T00:00:00.001Z',
  ])('refuse "%s"', async (query) => {
    expect((await as('reader', 'GET', `/v1/notifications/counts?${query}`)).status).toBe(400);
  });
});

describe('resending', () => {
  const resend = (id: string, body?: unknown): Promise<Answer> =>
    as('operator', 'POST', `/v1/notifications/${id}/resend`, body);

  it('of a held message makes a new attempt and wakes its workflow', async () => {
    const held = await ambiguous(pool, 'resend held', { phone: '+14155550304' });
    await holdAttempt(pool, held.attemptId, 'notify/x');

    const answer = await resend(held.notificationId, { channel: 'voice' });

    expect(answer).toMatchObject({
      status: 202,
      body: {
        status: 'PENDING',
        attempts: [
          { state: 'REJECTED', wasAmbiguous: true, resolvedBy: 'operator' },
          { state: 'READY', channel: 'voice' },
        ],
      },
    });
    expect(stub.started).toEqual([`notify/${held.notificationId}`]);
  });

  it('of a delivered one tells the person once more, without a body too', async () => {
    const { notificationId } = await accepted(pool, 'resend delivered', sidOf(5), { phone: '+14155550305' });
    await delivered(sidOf(5));

    expect(await resend(notificationId)).toMatchObject({
      status: 202,
      body: { attempts: [{ outcome: 'delivered' }, { state: 'READY', channel: 'sms' }] },
    });
  });

  it('while one is under way is 409 and sends nothing', async () => {
    const { notificationId } = await claimed(pool, 'resend busy', { phone: '+14155550306' });
    const before = await rowCounts(pool);

    expect(await resend(notificationId)).toMatchObject({
      status: 409,
      body: { code: 'notification_in_progress' },
    });
    expect(await rowCounts(pool)).toEqual(before);
    expect(stub.started).toEqual([]);
  });

  it('to a person who was erased is 409', async () => {
    const customerId = 'cus_erased';
    const order = { customerId, phone: '+14155550307' };
    const { notificationId } = await accepted(pool, 'resend erased', sidOf(6), order);
    await delivered(sidOf(6));
    await as('owner', 'DELETE', `/v1/customers/${customerId}`);

    expect(await resend(notificationId)).toMatchObject({ status: 409, body: { code: 'contact_erased' } });
  });

  it('without Temporal changes nothing', async () => {
    const { notificationId } = await accepted(pool, 'resend down', sidOf(7), { phone: '+14155550308' });
    await delivered(sidOf(7));
    app.health.temporal = false;
    const before = await rowCounts(pool);

    expect(await resend(notificationId)).toMatchObject({
      status: 503,
      body: { code: 'temporal_unavailable' },
    });
    expect(await rowCounts(pool)).toEqual(before);
  });

  it.each([
    [NOBODY, {}, 404],
    ['x', {}, 404],
    [NOBODY, { channel: 'email' }, 422],
    [NOBODY, { channel: 1 }, 400],
    [NOBODY, { to: '+14155550309' }, 400],
  ])('of %s with %j is %d', async (id, body, status) => {
    expect((await resend(id, body)).status).toBe(status);
  });
});

describe('cancelling', () => {
  const cancel = (id: string): Promise<Answer> => as('operator', 'POST', `/v1/notifications/${id}/cancel`);

  it('sends nothing more, and once is all', async () => {
    const orderId = await placeOne(pool, 'cancel', 'none', { phone: '+14155550310' });
    const list = await as('reader', 'GET', `/v1/notifications?orderId=${orderId}`);
    const { notificationId } = (list.body['data'] as { notificationId: string }[])[0]!;

    const first = await cancel(notificationId);
    const second = await cancel(notificationId);

    expect(first).toMatchObject({
      status: 200,
      body: { status: 'SUPPRESSED', reason: 'cancelled', attempts: [{ state: 'REJECTED', claims: 0 }] },
    });
    expect(stub.started).toEqual([`notify/${notificationId}`]);
    expect(second).toMatchObject({ status: 409, body: { code: 'notification_ended', state: 'SUPPRESSED' } });
  });

  it.each(['is known to be down', 'is lost meanwhile'])('stands when Temporal %s', async (how) => {
    const { notificationId } = await claimed(pool, `cancel ${how}`, { phone: '+14155550311' });
    if (how === 'is lost meanwhile') stub.behaviour.start = 'lost';
    else app.health.temporal = false;

    expect(await cancel(notificationId)).toMatchObject({ status: 200, body: { status: 'SUPPRESSED' } });
  });

  it('of one that there is not is 404', async () => {
    expect((await cancel(NOBODY)).status).toBe(404);
  });
});

describe('erasing a customer', () => {
  it('is 204, also the second time and for one who is not there', async () => {
    await accepted(pool, 'erase', sidOf(8), { customerId: 'cus_7', phone: '+14155550312' });

    for (const id of ['cus_7', 'cus_7', 'cus_none']) {
      expect(await as('owner', 'DELETE', `/v1/customers/${id}`)).toMatchObject({ status: 204, text: '' });
    }

    const search = await as('operator', 'POST', '/v1/notifications/search', { phone: '+14155550312' });
    expect(search.body).toMatchObject({ data: [] });
    const { rows } = await pool.query(
      `select actor, subject from aftercommit.audit where action = 'customer.erase' and subject in ('cus_7', 'cus_none')`,
    );
    expect(rows).toEqual([{ actor: 'owner', subject: 'cus_7' }]);
  });

  it('comes too early for a request without an outcome', async () => {
    const body = {
      customer: { id: 'cus_8', phone: '+14155550313', channels: ['sms'], country: 'US' },
      lines: [],
      currency: 'EUR',
      payment: { mode: 'none' as const },
    };
    await acceptRequest(pool, { orderId: NOBODY, caller: 'test', fingerprint: 'x', body });

    const answer = await as('owner', 'DELETE', '/v1/customers/cus_8');

    expect(answer).toMatchObject({ status: 409, body: { code: 'order_undecided' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it.each(['a%20b', 'x'.repeat(129), '%E2%80%8B'])('of the impossible id %s is 404', async (id) => {
    expect((await as('owner', 'DELETE', `/v1/customers/${id}`)).status).toBe(404);
  });
});

it.each([
  ['GET', '/v1/notifications', 'operator'],
  ['GET', `/v1/notifications/${NOBODY}`, 'operator'],
  ['GET', '/v1/notifications/counts', 'operator'],
  ['GET', '/v1/notifications/unknown-callbacks', 'operator'],
  ['POST', '/v1/notifications/search', 'reader'],
  ['POST', `/v1/notifications/${NOBODY}/resend`, 'reader'],
  ['POST', `/v1/notifications/${NOBODY}/cancel`, 'reader'],
  ['DELETE', '/v1/customers/cus_1', 'operator'],
])('%s %s needs more than the key of the %s', async (method, path, caller) => {
  expect(await as(caller, method, path)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  expect((await ask(app, method, path)).status).toBe(401);
});
