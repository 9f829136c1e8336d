import { createHash } from 'node:crypto';
import { setAvailable } from '../../src/database/inventory';
import type { ApiKey } from '../../src/http/app';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ask, newOrder, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';
import { stubTemporal, type TemporalStub } from './temporal-stub';

let database: TestDatabase;
let temporal: TemporalStub;
let app: TestApp;

beforeAll(async () => {
  database = await createTestDatabase();
  temporal = stubTemporal(database.pool);
  app = await startTestApp(database.pool, temporal.client);
  await setAvailable(database.pool, { sku: 'SKU-1', available: 1_000, actor: 'test', reason: 'test' });
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

const SHIPPED = {
  defaultLanguage: 'en',
  contents: [
    { language: 'en', channel: 'sms', body: 'Order #<orderId> is on its way.' },
    { language: 'de', channel: 'voice', body: 'Guten Tag. Ihre Bestellung ist unterwegs.' },
  ],
};

const putTemplate = (body: unknown, name = 'order.shipped'): Promise<Answer> =>
  ask(app, 'PUT', `/v1/templates/${name}`, { body });
const putPreferences = (body: unknown, customer = 'cus_1'): Promise<Answer> =>
  ask(app, 'PUT', `/v1/customers/${customer}/preferences`, { body });

/** An order of this customer, which leaves a contact behind. */
async function order(customerId: string, phone = '+14155550100', on: TestApp = app): Promise<Answer> {
  const body = newOrder({ customer: { id: customerId, phone, channels: ['sms', 'voice'] } });
  const headers = { 'Idempotency-Key': `${customerId}-${phone}` };
  return ask(on, 'POST', '/v1/orders', { body, headers });
}

async function auditOf(subject: string): Promise<{ action: string; detail: object }[]> {
  const { rows } = await database.pool.query<{ action: string; detail: object }>(
    'select action, detail from aftercommit.audit where subject = $1 order by id',
    [subject],
  );
  return rows;
}

describe('templates', () => {
  it('are listed and read in their latest versions', async () => {
    const all = await ask(app, 'GET', '/v1/templates');
    const one = await ask(app, 'GET', '/v1/templates/order.confirmed');

    expect((all.body['data'] as { name: string }[]).map(({ name }) => name)).toContain('order.expired');
    expect(one.body).toMatchObject({
      name: 'order.confirmed',
      version: 1,
      urgent: true,
      actor: 'aftercommit',
    });
    expect(all.body['data']).toContainEqual(one.body);
  });

  it('get a new version when they change, and none when they do not', async () => {
    const first = await putTemplate(SHIPPED);
    const again = await putTemplate({ ...SHIPPED, state: 'ENABLED' });

    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({
      name: 'order.shipped',
      version: 2,
      ...SHIPPED,
      state: 'ENABLED',
      urgent: false,
      expiresAfterSeconds: 86_400,
      onAmbiguous: { whatsapp: 'resend', sms: 'resend', voice: 'hold' },
      actor: 'local',
    });
    expect(again.status).toBe(200);
    expect(again.body).toEqual(first.body);
    expect((await ask(app, 'GET', '/v1/templates/order.shipped?version=1')).body).toMatchObject({
      version: 1,
      actor: 'aftercommit',
    });
    expect(await auditOf('order.shipped')).toEqual([
      { action: 'template.put', detail: { version: 2, state: 'ENABLED' } },
    ]);
  });

  it('list their versions page by page', async () => {
    const path = '/v1/templates/order.shipped/versions';
    const first = await ask(app, 'GET', `${path}?limit=1`);
    const rest = await ask(app, 'GET', `${path}?limit=1&cursor=${String(first.body['nextCursor'])}`);

    expect(first.body['data']).toMatchObject([{ version: 2 }]);
    expect(rest.body).toMatchObject({ data: [{ version: 1 }], nextCursor: null });
  });

  it('are read by operators and written by administrators', async () => {
    const key = (caller: string, scope: string): ApiKey => {
      const sha256 = createHash('sha256').update(caller).digest('hex');
      return { caller, sha256, scopes: [scope] };
    };
    const keys = [key('operator', 'operate'), key('owner', 'admin'), key('shop', 'orders:write')];
    const guarded = await startTestApp(database.pool, temporal.client, { access: { keys, rateLimit: null } });
    const asked = async (caller: string, method: string, path: string, body?: object): Promise<number> =>
      (await ask(guarded, method, path, { body, headers: { Authorization: `Bearer ${caller}` } })).status;

    const path = '/v1/templates/order.shipped';
    const statuses = [
      await asked('operator', 'GET', path),
      await asked('operator', 'POST', `${path}/test`, {}),
      await asked('operator', 'PUT', path, SHIPPED),
      await asked('owner', 'PUT', path, SHIPPED),
      await asked('shop', 'GET', path),
      await asked('shop', 'PUT', '/v1/customers/cus_1/preferences', {}),
      await asked('shop', 'PUT', '/v1/customers/cus_1/opt-outs/sms'),
    ];
    await guarded.close();

    expect(statuses).toEqual([200, 200, 403, 200, 403, 403, 403]);
  });

  it.each([
    ['GET', '/v1/templates/order.placed'],
    ['GET', '/v1/templates/order.placed/versions'],
    ['GET', '/v1/templates/toString'],
    ['GET', '/v1/templates/order.shipped?version=99'],
  ])('are not found elsewhere: %s %s', async (method, path) => {
    expect(await ask(app, method, path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });
});

describe('a trial of a template', () => {
  const test = (body: unknown, name = 'order.refunded'): Promise<Answer> =>
    ask(app, 'POST', `/v1/templates/${name}/test`, { body });

  it('shows what people of one language would get, and what an SMS costs', async () => {
    const answer = await test({ language: 'de-CH', facts: { orderId: 'ord_1', amountMinor: 1_234 } });

    const text = 'Bestellung #ord_1: EUR 12.34 erstattet.';
    expect(answer.body['contents']).toEqual([
      { language: 'de', channel: 'whatsapp', text },
      { language: 'de', channel: 'sms', text, encoding: 'GSM-7', segments: 1 },
      { language: 'de', channel: 'voice', text: 'Guten Tag. EUR 12.34 Ihrer Bestellung wurden erstattet.' },
    ]);
  });

  it('renders every content of a definition that is not stored, and stores nothing', async () => {
    const before = await rowCounts(database.pool);
    const contentSid = `HX${'0a'.repeat(16)}`;
    const contents = [
      { language: 'en', channel: 'sms', body: `訂單 <orderId>${'x'.repeat(32)}` },
      {
        language: 'en',
        channel: 'whatsapp',
        body: 'Hi <amount>',
        contentSid,
        contentVariables: { 1: '<amount>' },
      },
    ];

    const answer = await test({
      definition: { defaultLanguage: 'en', contents },
      facts: { amountMinor: 500, currency: 'JPY' },
    });

    expect(answer.body['contents']).toMatchObject([
      { channel: 'sms', encoding: 'UCS-2', segments: 2 },
      { channel: 'whatsapp', text: 'Hi JPY 500', contentSid, contentVariables: { 1: 'JPY 500' } },
    ]);
    expect(await rowCounts(database.pool)).toEqual(before);
  });

  it('takes an empty body', async () => {
    expect((await test({})).body['contents']).toHaveLength(6);
  });
});

describe('preferences', () => {
  const WISHES = {
    channels: ['voice', 'sms'],
    language: 'de-AT',
    timeZone: 'Europe/Vienna',
    quietHours: { from: '22:00', until: '08:00' },
  };

  it('are replaced as a whole, and count for what is told afterwards', async () => {
    const put = await putPreferences({ ...WISHES, language: 'DE-at' }, 'cus_wishes');
    expect(put.body).toMatchObject({ customerId: 'cus_wishes', ...WISHES, optOuts: [] });
    expect((await order('cus_wishes')).status).toBe(201);

    const { rows } = await database.pool.query(
      "select channels, language from aftercommit.notifications where customer_id = 'cus_wishes'",
    );
    const emptied = await putPreferences({ channels: [] }, 'cus_wishes');

    expect(rows).toEqual([{ channels: ['voice', 'sms'], language: 'de-AT' }]);
    expect(emptied.body).toMatchObject({ channels: [], language: null, timeZone: null, quietHours: null });
    expect((await ask(app, 'GET', '/v1/customers/cus_wishes/preferences')).body).toEqual(emptied.body);
    // The audit is never erased: it says what was set, not to what.
    expect(await auditOf('cus_wishes')).toEqual([
      { action: 'preferences.put', detail: { set: ['channels', 'language', 'timeZone', 'quietHours'] } },
      { action: 'preferences.put', detail: { set: ['channels'] } },
    ]);
  });

  it('are not found for a customer of whom nothing is known, and empty for one with an order only', async () => {
    expect((await ask(app, 'GET', '/v1/customers/cus_unknown/preferences')).status).toBe(404);
    await order('cus_plain');

    expect((await ask(app, 'GET', '/v1/customers/cus_plain/preferences')).body).toEqual({
      customerId: 'cus_plain',
      channels: null,
      language: null,
      timeZone: null,
      quietHours: null,
      optOuts: [],
      updatedAt: null,
    });
  });
});

describe('an opt-out', () => {
  const path = (customer: string): string => `/v1/customers/${customer}/opt-outs/sms`;

  it('is set for every number of the customer and lifted again, each once', async () => {
    await order('cus_out', '+14155550101');
    await order('cus_out', '+14155550102');

    const set = await ask(app, 'PUT', path('cus_out'));
    const again = await ask(app, 'PUT', path('cus_out'));
    const optedOut = await optedOutNumbers('cus_out');
    const lifted = await ask(app, 'DELETE', path('cus_out'));
    const liftedAgain = await ask(app, 'DELETE', path('cus_out'));

    expect(set.body['optOuts']).toEqual([
      { channel: 'sms', source: 'operator', since: expect.any(String) as string },
    ]);
    expect(again.body).toEqual(set.body);
    expect(optedOut).toBe(2);
    expect([lifted.status, liftedAgain.status]).toEqual([200, 200]);
    expect(lifted.body['optOuts']).toEqual([]);
    expect(await optedOutNumbers('cus_out')).toBe(0);
    expect(await auditOf('cus_out')).toEqual([
      { action: 'opt_out.set', detail: { channel: 'sms' } },
      { action: 'opt_out.lift', detail: { channel: 'sms' } },
    ]);
  });

  it('keeps the time and the source of what the person said before', async () => {
    await order('cus_stop', '+14155550103');
    await database.pool.query(
      `insert into aftercommit.recipients (phone_hash, channel, opted_out_at, opt_out_source)
       select phone_hash, 'sms', '2026-01-01T00:00:00Z', 'inbound' from aftercommit.order_contacts
       where customer_id = 'cus_stop'`,
    );

    const answer = await ask(app, 'PUT', path('cus_stop'));

    expect(answer.body['optOuts']).toEqual([
      { channel: 'sms', source: 'inbound', since: '2026-01-01T00:00:00.000Z' },
    ]);
    expect(await auditOf('cus_stop')).toEqual([]);
  });

  it.each(['PUT', 'DELETE'])(
    'is not found by %s without a number, or for another channel',
    async (method) => {
      await putPreferences({ language: 'en' }, 'cus_numberless');

      for (const unknown of [
        path('cus_numberless'),
        path('cus_unknown'),
        '/v1/customers/cus_out/opt-outs/fax',
      ]) {
        expect(await ask(app, method, unknown)).toMatchObject({ status: 404, body: { code: 'not_found' } });
      }
    },
  );

  async function optedOutNumbers(customerId: string): Promise<number> {
    const { rows } = await database.pool.query<{ count: number }>(
      `select count(*) from aftercommit.recipients r join aftercommit.order_contacts k using (phone_hash)
       where k.customer_id = $1 and r.channel = 'sms' and r.opted_out_at is not null`,
      [customerId],
    );
    return rows[0]!.count;
  }
});

describe('the country of a number', () => {
  it('is kept beside the number', async () => {
    await order('cus_german', '+491711234567');
    await order('cus_satellite', '+881612345678');

    const { rows } = await database.pool.query(
      "select country from aftercommit.order_contacts where customer_id in ('cus_german', 'cus_satellite') order by 1",
    );
    expect(rows).toEqual([{ country: 'DE' }, { country: null }]);
  });

  it('must be allowed, before anything is written', async () => {
    const allowed = await startTestApp(database.pool, temporal.client, { countries: new Set(['DE', 'US']) });
    const before = await rowCounts(database.pool);

    const refused = [
      await order('cus_away', '+447700900123', allowed),
      await order('cus_away', '+881612345678', allowed),
    ];
    const after = await rowCounts(database.pool);
    const taken = await order('cus_near', '+491711234568', allowed);
    await allowed.close();

    for (const answer of refused) {
      expect(answer).toMatchObject({ status: 422, body: { code: 'invalid_value' } });
      expect(answer.body['errors']).toMatchObject([{ pointer: '/customer/phone' }]);
      expect(answer.text).not.toContain('7700900123');
    }
    expect(after).toEqual(before);
    expect(taken.status).toBe(201);
  });
});

describe('bad input', () => {
  let before: Record<string, number>;

  beforeAll(async () => {
    before = await rowCounts(database.pool);
  });

  afterEach(async () => {
    expect(await rowCounts(database.pool)).toEqual(before);
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

  const withContent = (changes: object): object => ({
    ...SHIPPED,
    contents: [{ ...SHIPPED.contents[0], ...changes }],
  });

  it.each<[string, object, string]>([
    ['an unknown variable', withContent({ body: '<hunter2>' }), '/contents/0/body'],
    ['an unclosed variable', withContent({ body: 'hunter2 <orderId' }), '/contents/0/body'],
    ['an SMS of 1,601 characters', withContent({ body: 'x'.repeat(1_601) }), '/contents/0/body'],
    ['an SMS of blanks', withContent({ body: ' \n ' }), '/contents/0/body'],
    ['an SMS of control characters', withContent({ body: '\u0001\u0002' }), '/contents/0/body'],
    [
      'a WhatsApp variable count mismatch',
      withContent({
        channel: 'whatsapp',
        contentSid: `HX${'0a'.repeat(16)}`,
        contentVariables: { 1: '<orderId>', 3: 'way' },
      }),
      '/contents/0/contentVariables',
    ],
    [
      'a bad content sid',
      withContent({ channel: 'whatsapp', contentSid: 'hunter2' }),
      '/contents/0/contentSid',
    ],
    ['no language', withContent({ language: '' }), '/defaultLanguage'],
    ['no content', { ...SHIPPED, contents: [] }, '/contents'],
    ['a lifetime of a month', { ...SHIPPED, expiresAfterSeconds: 2_592_000 }, '/expiresAfterSeconds'],
  ])('in a template is refused: %s', async (_what, body, pointer) => {
    expectRefusal(await putTemplate(body), 422, 'invalid_template', pointer);
    const trial = await ask(app, 'POST', '/v1/templates/order.shipped/test', { body: { definition: body } });
    expectRefusal(trial, 422, 'invalid_template', `/definition${pointer}`);
  });

  it.each<[string, object, number, string]>([
    ['a body that is a number', withContent({ body: 1 }), 400, '/contents/0/body'],
    ['an unknown member', { ...SHIPPED, text: 'x' }, 400, '/text'],
    ['no contents', { defaultLanguage: 'en' }, 400, '/contents'],
    ['an unknown channel', withContent({ channel: 'fax' }), 422, '/contents/0/channel'],
    ['an unknown state', { ...SHIPPED, state: 'ON' }, 422, '/state'],
    ['a lifetime in fractions', { ...SHIPPED, expiresAfterSeconds: 1.5 }, 422, '/expiresAfterSeconds'],
    ['another answer to doubt', { ...SHIPPED, onAmbiguous: { sms: 'twice' } }, 422, '/onAmbiguous/sms'],
  ])('in a template is refused by its form: %s', async (_what, body, status, pointer) => {
    const code = status === 400 ? 'malformed_request' : 'invalid_value';
    expectRefusal(await putTemplate(body), status, code, pointer);
  });

  it('of a template that there is not is 404', async () => {
    expect((await putTemplate(SHIPPED, 'order.placed')).status).toBe(404);
    expect((await ask(app, 'POST', '/v1/templates/order.placed/test', { body: {} })).status).toBe(404);
  });

  it.each<[string, object, number, string]>([
    ['an unknown currency', { facts: { currency: 'hunter2' } }, 422, '/facts/currency'],
    ['a negative amount', { facts: { amountMinor: -1 } }, 422, '/facts/amountMinor'],
    ['an unknown fact', { facts: { phone: '+1' } }, 400, '/facts/phone'],
    ['a language that is none', { language: 'de_AT' }, 422, '/language'],
  ])('in a trial is refused: %s', async (_what, body, status, pointer) => {
    const answer = await ask(app, 'POST', '/v1/templates/order.shipped/test', { body });
    expectRefusal(answer, status, status === 400 ? 'malformed_request' : 'invalid_value', pointer);
  });

  it.each<[string, object, number, string]>([
    ['an unknown channel', { channels: ['fax'] }, 422, '/channels/0'],
    ['a channel twice', { channels: ['sms', 'sms'] }, 422, '/channels'],
    ['a channel that is a number', { channels: [1] }, 400, '/channels/0'],
    ['a language that is none', { language: 'de_AT' }, 422, '/language'],
    ['a language of 1,000 letters', { language: 'e'.repeat(1_000) }, 422, '/language'],
    ['a zone that is none', { timeZone: 'Europe/Atlantis' }, 422, '/timeZone'],
    ['an offset for a zone', { timeZone: '+01:00' }, 422, '/timeZone'],
    ['a time of 24:00', { quietHours: { from: '24:00', until: '08:00' } }, 422, '/quietHours'],
    ['no time between', { quietHours: { from: '08:00', until: '08:00' } }, 422, '/quietHours'],
    ['the whole day', { quietHours: { from: '08:00', until: '07:59' } }, 422, '/quietHours'],
    ['half of the hours', { quietHours: { from: '22:00' } }, 400, '/quietHours/until'],
    ['an unknown member', { optOut: true }, 400, '/optOut'],
  ])('in preferences is refused: %s', async (_what, body, status, pointer) => {
    const code = status === 400 ? 'malformed_request' : 'invalid_value';
    expectRefusal(await putPreferences(body), status, code, pointer);
  });

  it('in the id of a customer is 400 for a change and 404 for a look', async () => {
    expect((await putPreferences({}, 'cus%201')).status).toBe(400);
    expect((await ask(app, 'GET', '/v1/customers/cus%201/preferences')).status).toBe(404);
    expect((await ask(app, 'PUT', '/v1/customers/cus%201/opt-outs/sms')).status).toBe(404);
  });

  it.each(['?version=0', '?version=1.5', '?version=99999999999', '?version=3000000000', '?v=1'])(
    'in the query of a template is 400: %s',
    async (query) => {
      expect((await ask(app, 'GET', `/v1/templates/order.shipped${query}`)).status).toBe(400);
    },
  );

  it.each(['bm9uZQ', 'dmVyc2lvbiAw', 'dmVyc2lvbiAxIA'])('in a cursor is 400: %s', async (cursor) => {
    const answer = await ask(app, 'GET', `/v1/templates/order.shipped/versions?cursor=${cursor}`);
    expectRefusal(answer, 400, 'malformed_request', '/cursor');
  });
});
