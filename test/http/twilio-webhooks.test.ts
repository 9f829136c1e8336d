import { createHmac } from 'node:crypto';
import { Writable } from 'node:stream';
import pino from 'pino';
import { createStatusCallbacks } from '../../src/channels/status-callback';
import { createTwilioSignatures } from '../../src/channels/twilio-signature';
import { createLagReader } from '../../src/database/lag';
import { readNotificationView } from '../../src/database/notification-views';
import type { Pool } from '../../src/database/pool';
import { createMetrics } from '../../src/metrics';
import { accepted, ambiguous, claimed, sidOf } from '../database/notification-fixtures';
import { phoneHash } from '../database/place';
import { readSamples } from '../support/alerts';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ask, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';
import { stubTemporal, type TemporalStub } from './temporal-stub';

const PUBLIC_URL = 'https://shop.example/after';
const PRIMARY = 'primary-token';
const SECONDARY = 'secondary-token';
const STATUS = '/webhooks/twilio/status';
const INBOUND = '/webhooks/twilio/inbound';
const callbacks = createStatusCallbacks({ publicUrl: PUBLIC_URL, key: Buffer.alloc(32, 7) });
const twilio = {
  ...createTwilioSignatures({ authTokens: [PRIMARY, SECONDARY] }),
  isFrom: (attemptId: string, token: string) => callbacks.isFrom(attemptId, token),
};

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
  app = await startTestApp(pool, stub.client, { twilio, publicUrl: `${PUBLIC_URL}/`, log });
});
afterEach(() => app.close());
afterAll(() => database.drop());

type Params = Record<string, string>;

/** Written from Twilio's description, not with the package that checks it. */
function signatureOf(url: string, params: Params, token = PRIMARY): string {
  const signed = Object.keys(params)
    .sort()
    .reduce((text, name) => text + name + params[name], url);
  return createHmac('sha1', token).update(signed).digest('base64');
}

interface Posting {
  token?: string;
  headers?: Record<string, string>;
  to?: TestApp;
}

/** Posts a form as Twilio does, to the path behind the public URL. */
async function post(
  path: string,
  params: Params,
  { token, headers = {}, to = app }: Posting = {},
): Promise<Answer> {
  return ask(to, 'POST', path, {
    body: new URLSearchParams(params).toString(),
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'X-Twilio-Signature': signatureOf(PUBLIC_URL + path, params, token),
      ...headers,
    },
  });
}

/** The path that a message's reports come to. */
function statusPathOf(attemptId: string): string {
  return callbacks.urlFor(attemptId)!.slice(PUBLIC_URL.length);
}

const delivered = (sid: string): Params => ({
  MessageSid: sid,
  MessageStatus: 'delivered',
  To: '+14155550100',
});

async function parked(sid: string): Promise<unknown[]> {
  const { rows } = await pool.query<object>(
    'select status, error_code, attempt_id, received from aftercommit.provider_callbacks where message_sid = $1 order by status',
    [sid],
  );
  return rows;
}

describe('a status callback', () => {
  it('brings a message to its end, however often it comes', async () => {
    const attempt = await accepted(pool, 'delivered', sidOf(1));

    const answers = [];
    for (let n = 0; n < 100; n += 1) {
      answers.push(await post(statusPathOf(attempt.attemptId), delivered(sidOf(1))));
    }

    expect(new Set(answers.map(({ status, text }) => `${status}${text}`))).toEqual(new Set(['204']));
    expect(await readNotificationView(pool, attempt.notificationId)).toMatchObject({
      status: 'DELIVERED',
      attempts: [{ messageSid: sidOf(1), outcome: 'delivered', providerStatus: 'delivered' }],
    });
    expect(await parked(sidOf(1))).toEqual([
      { status: 'delivered', error_code: null, attempt_id: attempt.attemptId, received: 100 },
    ]);
  });

  it('takes no step back when reports overtake each other', async () => {
    const attempt = await accepted(pool, 'reordered', sidOf(2));
    const path = statusPathOf(attempt.attemptId);

    await post(path, delivered(sidOf(2)));
    const late = await post(path, { MessageSid: sidOf(2), MessageStatus: 'sent' });

    expect(late.status).toBe(204);
    expect(await readNotificationView(pool, attempt.notificationId)).toMatchObject({
      status: 'DELIVERED',
      attempts: [{ providerStatus: 'delivered', outcome: 'delivered' }],
    });
  });

  it('gives an attempt its message before the answer of the call did', async () => {
    const attempt = await claimed(pool, 'early');

    const answer = await post(statusPathOf(attempt.attemptId), {
      MessageSid: sidOf(3),
      MessageStatus: 'sent',
    });

    expect(answer.status).toBe(204);
    expect(await readNotificationView(pool, attempt.notificationId)).toMatchObject({
      status: 'PENDING',
      attempts: [{ state: 'ACCEPTED', messageSid: sidOf(3), providerStatus: 'sent' }],
    });
  });

  it('settles an attempt whose outcome was unknown', async () => {
    const attempt = await ambiguous(pool, 'ambiguous');

    await post(statusPathOf(attempt.attemptId), delivered(sidOf(4)));

    expect(await readNotificationView(pool, attempt.notificationId)).toMatchObject({
      status: 'DELIVERED',
      attempts: [{ messageSid: sidOf(4), wasAmbiguous: true, resolvedBy: 'callback' }],
    });
  });

  it('starts the workflow of a notification that needs the next channel', async () => {
    const order = { channels: ['whatsapp', 'sms'] };
    const attempt = await accepted(pool, 'fallback', sidOf(5), order);

    const answer = await post(statusPathOf(attempt.attemptId), {
      MessageSid: sidOf(5),
      MessageStatus: 'failed',
      ErrorCode: '63016',
      To: 'whatsapp:+14155550100',
    });

    expect(answer.status).toBe(204);
    expect(stub.started).toEqual([`notify/${attempt.notificationId}`]);
    expect(await readNotificationView(pool, attempt.notificationId)).toMatchObject({
      status: 'PENDING',
      attempts: [
        { channel: 'whatsapp', outcome: 'failed', errorCode: '63016' },
        { channel: 'sms', state: 'READY' },
      ],
    });
  });

  it.each(['known to be down', 'lost meanwhile'])(
    'is answered 503 when Temporal is %s, with the row kept',
    async (how) => {
      const n = how === 'lost meanwhile' ? 6 : 7;
      const attempt = await accepted(pool, how, sidOf(n), { channels: ['whatsapp', 'sms'] });
      if (how === 'lost meanwhile') stub.behaviour.start = 'lost';
      else app.health.temporal = false;
      const failed = { MessageSid: sidOf(n), MessageStatus: 'undelivered', ErrorCode: '30003' };

      const answer = await post(statusPathOf(attempt.attemptId), failed);

      expect(answer).toMatchObject({ status: 503, body: { code: 'temporal_unavailable' } });
      expect(answer.headers.get('retry-after')).not.toBeNull();
      expect(await parked(sidOf(n))).toHaveLength(1);
    },
  );

  it('is answered 503 while the database is away', async () => {
    app.health.database = false;

    const answer = await post(STATUS, delivered(sidOf(8)));

    expect(answer).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
  });

  it('of an unknown message is parked', async () => {
    const answer = await post(STATUS, { ...delivered(sidOf(9)), ErrorCode: '30007' });

    expect(answer.status).toBe(204);
    expect(await parked(sidOf(9))).toEqual([
      { status: 'delivered', error_code: '30007', attempt_id: null, received: 1 },
    ]);
  });

  it('with a word that nobody knows is stored as it is and changes nothing', async () => {
    const attempt = await accepted(pool, 'teleported', sidOf(10));
    const before = await readNotificationView(pool, attempt.notificationId);

    const answer = await post(statusPathOf(attempt.attemptId), {
      MessageSid: sidOf(10),
      MessageStatus: 'teleported ',
    });

    expect(answer.status).toBe(204);
    expect(await parked(sidOf(10))).toMatchObject([{ status: 'teleported ', attempt_id: attempt.attemptId }]);
    expect(await readNotificationView(pool, attempt.notificationId)).toEqual(before);
  });

  it.each([
    ['the wrong token', (id: string) => `${STATUS}?na=${id}&t=${'A'.repeat(22)}`],
    ['no token', (id: string) => `${STATUS}?na=${id}`],
    ['two tokens', (id: string) => `${statusPathOf(id)}&t=x`],
    ['no UUID', () => `${STATUS}?na=x&t=${'A'.repeat(22)}`],
    [
      'the token of another attempt',
      (id: string) => statusPathOf(id.replace(/^./, '0')).replace(/na=[^&]+/, `na=${id}`),
    ],
  ])('with %s is that of an unknown message', async (what, pathOf) => {
    const attempt = await claimed(pool, `token ${what}`);
    const sid = sidOf(100 + what.length);

    const answer = await post(pathOf(attempt.attemptId), delivered(sid));

    expect(answer.status).toBe(204);
    expect(await parked(sid)).toMatchObject([{ attempt_id: null }]);
    expect(await readNotificationView(pool, attempt.notificationId)).toMatchObject({
      attempts: [{ state: 'SENDING', messageSid: null }],
    });
  });

  it('without a token still finds the attempt that has the message', async () => {
    const attempt = await accepted(pool, 'by sid', sidOf(11));

    await post(STATUS, delivered(sidOf(11)));

    expect(await readNotificationView(pool, attempt.notificationId)).toMatchObject({ status: 'DELIVERED' });
  });

  it.each([
    ['human', 'completed', { outcome: 'delivered', answeredBy: 'human', errorCode: null }],
    ['machine_start', 'completed', { outcome: 'failed', errorCode: 'answered_by_machine' }],
    ['', 'no-answer', { outcome: 'failed', errorCode: 'no_answer' }],
    ['', 'failed', { outcome: 'failed', errorCode: 'sip_404' }],
  ])('of a call answered by "%s" and %s is understood', async (answeredBy, status, expected) => {
    const sid = sidOf(200 + status.length + answeredBy.length, 'CA');
    const attempt = await accepted(pool, `call ${status} ${answeredBy}`, sid, { channels: ['voice'] });

    const answer = await post(statusPathOf(attempt.attemptId), {
      CallSid: sid,
      CallStatus: status,
      AnsweredBy: answeredBy,
      SipResponseCode: '404',
    });

    expect(answer.status).toBe(204);
    expect(await readNotificationView(pool, attempt.notificationId)).toMatchObject({ attempts: [expected] });
  });

  it('is counted, an unknown word under one name', async () => {
    const metrics = createMetrics(createLagReader(pool));
    const counting = await startTestApp(pool, stub.client, { twilio, publicUrl: PUBLIC_URL, metrics });
    await accepted(pool, 'counted', sidOf(12));
    await post(STATUS, delivered(sidOf(12)), { to: counting });
    await post(
      STATUS,
      { MessageSid: sidOf(13), MessageStatus: 'beamed', To: 'whatsapp:+1' },
      { to: counting },
    );
    await counting.close();

    const samples = readSamples(await metrics.text());

    expect(samples.filter(({ metric }) => metric === 'aftercommit_provider_callbacks_total')).toEqual([
      expect.objectContaining({ labels: { channel: 'sms', status: 'delivered', known: 'true' }, value: 1 }),
      expect.objectContaining({
        labels: { channel: 'whatsapp', status: 'unknown', known: 'false' },
        value: 1,
      }),
    ]);
  });
});

describe('a webhook that is not right', () => {
  const form = delivered(sidOf(20));
  const refusals: [string, number, (path: string) => Promise<Answer>][] = [
    ['no signature', 403, (path) => post(path, form, { headers: { 'X-Twilio-Signature': '' } })],
    ['the signature of another token', 403, (path) => post(path, form, { token: 'somebody' })],
    [
      'the signature of another URL',
      403,
      (path) =>
        post(path, form, {
          headers: { 'X-Twilio-Signature': signatureOf(`https://other.example${path}`, form) },
        }),
    ],
    [
      'a member that was added after signing',
      403,
      (path) =>
        post(
          path,
          { ...form, ErrorCode: '1' },
          {
            headers: { 'X-Twilio-Signature': signatureOf(PUBLIC_URL + path, form) },
          },
        ),
    ],
    [
      'the signature twice',
      403,
      (path) => {
        const signature = signatureOf(PUBLIC_URL + path, form);
        return post(path, form, { headers: { 'X-Twilio-Signature': `${signature}, ${signature}` } });
      },
    ],
    ['a body of JSON', 415, (path) => post(path, form, { headers: { 'Content-Type': 'application/json' } })],
    ['more than 64 KB', 413, (path) => post(path, { ...form, Body: 'x'.repeat(64 * 1_024) })],
  ];

  it.each([STATUS, INBOUND].flatMap((path) => refusals.map((row) => [path, ...row] as const)))(
    '%s with %s is %d and leaves nothing behind',
    async (path, _what, status, send) => {
      const before = await rowCounts(pool);

      const answer = await send(path);

      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(await rowCounts(pool)).toEqual(before);
      expect(stub.started).toEqual([]);
    },
  );

  it.each([
    ['no sid', { MessageStatus: 'sent' }],
    ['a sid that is none', { MessageSid: 'SM1', MessageStatus: 'sent' }],
    ['a sid of something else', { MessageSid: sidOf(1, 'AC'), MessageStatus: 'sent' }],
    ['no status', { MessageSid: sidOf(1) }],
    ['an empty status', { MessageSid: sidOf(1), MessageStatus: '' }],
    ['a status with NUL', { MessageSid: sidOf(1), MessageStatus: 'sent\u0000' }],
    ['a long status', { MessageSid: sidOf(1), MessageStatus: 'x'.repeat(65) }],
    ['a code that is none', { MessageSid: sidOf(1), MessageStatus: 'failed', ErrorCode: 'a b' }],
    ['a call without a status', { CallSid: sidOf(1, 'CA') }],
    ['a call whose sid is a message’s', { CallSid: sidOf(1), CallStatus: 'completed' }],
  ])('signed, with %s, is 400 and leaves nothing behind', async (_what, params) => {
    const before = await rowCounts(pool);

    const answer = await post(STATUS, params);

    expect(answer).toMatchObject({ status: 400, body: { code: 'malformed_request' } });
    expect(await rowCounts(pool)).toEqual(before);
  });

  it.each(['MessageSid=%zz', 'MessageSid=%ff', '%'])('the broken form %s is 400', async (body) => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };

    expect((await ask(app, 'POST', STATUS, { body, headers })).status).toBe(400);
  });

  it('a sid that came twice is 400', async () => {
    const body = `MessageSid=${sidOf(1)}&MessageSid=${sidOf(2)}&MessageStatus=sent`;
    // Each distinct value is signed once, in order. Source: the package of Twilio.
    const signed = `${PUBLIC_URL}${STATUS}MessageSid${sidOf(1)}MessageSid${sidOf(2)}MessageStatussent`;
    const signature = createHmac('sha1', PRIMARY).update(signed).digest('base64');
    const headers = {
      'Content-Type': 'application/x-www-form-urlencoded',
      'X-Twilio-Signature': signature,
    };

    expect((await ask(app, 'POST', STATUS, { body, headers })).status).toBe(400);
  });

  it('says which setting is missing when no signature can be checked', async () => {
    const closed = await startTestApp(pool, stub.client, { twilio, publicUrl: null });

    const answer = await post(STATUS, form, { to: closed });
    await closed.close();

    expect(answer).toMatchObject({ status: 403, body: { code: 'signature_refused' } });
    expect(answer.body['detail']).toContain('AFTERCOMMIT_PUBLIC_URL');
  });

  it('is refused by any other method', async () => {
    const answer = await ask(app, 'GET', STATUS);

    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST');
  });
});

describe('tokens in rotation', () => {
  it.each([PRIMARY, SECONDARY])('take the signature of %s', async (token) => {
    expect((await post(STATUS, delivered(sidOf(30)), { token })).status).toBe(204);
  });

  it('needs no key and counts for no caller’s limit', async () => {
    const guarded = await startTestApp(pool, stub.client, {
      twilio,
      publicUrl: PUBLIC_URL,
      access: {
        keys: [{ caller: 'shop', sha256: '0'.repeat(64), scopes: [] }],
        rateLimit: { limit: 1, windowMs: 60_000 },
      },
    });

    const answers = [];
    for (let n = 0; n < 3; n += 1) answers.push(await post(STATUS, delivered(sidOf(31)), { to: guarded }));
    await guarded.close();

    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204]);
  });
});

describe('what a person writes', () => {
  const recipient = async (phone: string): Promise<unknown[]> => {
    const { rows } = await pool.query<object>(
      `select channel, opted_out_at is not null as "optedOut", opt_out_source as source, last_inbound_at is not null as "wrote"
       from aftercommit.recipients where phone_hash = $1 order by channel`,
      [phoneHash(phone)],
    );
    return rows;
  };
  const write = (from: string, body: string, more: Params = {}): Promise<Answer> =>
    post(INBOUND, { MessageSid: sidOf(40), From: from, To: '+15005550006', Body: body, ...more });

  it('STOP opts the number out of that channel, and START back in', async () => {
    const phone = '+14155550141';
    const answer = await write(phone, ' stop ');

    expect(answer).toMatchObject({ status: 200, text: '<Response/>' });
    expect(answer.headers.get('content-type')).toMatch(/^text\/xml/);
    expect(await recipient(phone)).toEqual([
      { channel: 'sms', optedOut: true, source: 'inbound', wrote: false },
    ]);

    await write(phone, 'Unstop');

    expect(await recipient(phone)).toEqual([{ channel: 'sms', optedOut: false, source: null, wrote: false }]);
  });

  it('on WhatsApp opens the window, whatever it says', async () => {
    const phone = '+14155550142';

    await write(`whatsapp:${phone}`, 'Where is my parcel? STOP asking.');

    expect(await recipient(phone)).toEqual([
      { channel: 'whatsapp', optedOut: false, source: null, wrote: true },
    ]);
  });

  it('on WhatsApp opts out of WhatsApp alone', async () => {
    const phone = '+14155550143';
    await write(phone, 'REVOKE');
    await write(`whatsapp:${phone}`, 'STOP');

    await write(phone, 'YES');

    expect(await recipient(phone)).toEqual([
      { channel: 'sms', optedOut: false, source: null, wrote: false },
      { channel: 'whatsapp', optedOut: true, source: 'inbound', wrote: true },
    ]);
  });

  it('counts for what Twilio understood, in any language', async () => {
    const phone = '+14155550144';

    await write(phone, 'ARRET', { OptOutType: 'STOP' });
    expect(await recipient(phone)).toMatchObject([{ optedOut: true }]);

    await write(phone, 'STOP', { OptOutType: 'HELP' });
    await write(phone, 'STOP', { OptOutType: 'START' });
    expect(await recipient(phone)).toMatchObject([{ optedOut: false }]);
  });

  it('is neither stored nor logged, and other texts leave nothing behind', async () => {
    const phone = '+14155550145';
    const before = await rowCounts(pool);

    await write(phone, 'please STOP the canary-7361 now');
    await write('729725', 'STOP');
    await write('messenger:12345', 'STOP');

    expect(await rowCounts(pool)).toEqual(before);
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.join('')).not.toMatch(/canary-7361|4155550145/);
  });

  it('keeps a trailing space, which is signed too', async () => {
    expect((await write('+14155550146', 'hello ')).status).toBe(200);
  });

  it('without a sender is 400', async () => {
    expect((await post(INBOUND, { Body: 'STOP' })).status).toBe(400);
  });
});
