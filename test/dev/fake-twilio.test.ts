import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { readEvidence } from '../../src/dev/evidence-log';
import { parseFakeArguments } from '../../src/dev/fake-command';
import type { FakeServer } from '../../src/dev/fake-server';
import { FAKE_TWILIO, startFakeTwilio } from '../../src/dev/fake-twilio';
import { controlFake, evidenceOf, eventually, temporaryLog } from './fake-control';

const SID = `AC${'a'.repeat(32)}`;
const MESSAGES = `/2010-04-01/Accounts/${SID}/Messages`;
const AUTHORIZED = { authorization: `Basic ${Buffer.from(`${SID}:token`).toString('base64')}` };

describe('fake Twilio', () => {
  const log = temporaryLog();
  let fake: FakeServer;

  beforeEach(async () => {
    fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
    await keepStatuses();
  });
  afterEach(async () => {
    await fake.close();
  });
  afterAll(() => {
    log.remove();
  });

  /** Nothing here is about statuses, so that none comes in between. */
  const keepStatuses = (): Promise<unknown> => controlFake(fake.url, { statusDelayMs: 600_000 });
  const post = (form: Record<string, string>, headers: Record<string, string> = AUTHORIZED) =>
    fetch(`${fake.url}${MESSAGES}.json`, { method: 'POST', headers, body: new URLSearchParams(form) });
  const create = async (to: string, body: string): Promise<Record<string, unknown>> => {
    const response = await post({ To: to, From: '+15005550006', Body: body });
    expect(response.status).toBe(201);
    return (await response.json()) as Record<string, unknown>;
  };
  const get = async (path: string): Promise<Record<string, never>> => {
    const response = await fetch(`${fake.url}${path}`, { headers: AUTHORIZED });
    return (await response.json()) as Record<string, never>;
  };
  const list = async (path: string): Promise<Record<string, unknown>[]> =>
    (await get(path))['messages'] as unknown as Record<string, unknown>[];

  it("answers in the shape of Twilio's Message resource", async () => {
    const message = await create('+14155550100', 'Order #1 confirmed.');

    const sid = message['sid'] as string;
    expect(sid).toMatch(/^SM[0-9a-f]{32}$/);
    expect(message).toEqual({
      account_sid: SID,
      api_version: '2010-04-01',
      body: 'Order #1 confirmed.',
      date_created: expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/) as string,
      date_sent: null,
      date_updated: message['date_created'],
      direction: 'outbound-api',
      error_code: null,
      error_message: null,
      from: '+15005550006',
      messaging_service_sid: null,
      num_media: '0',
      num_segments: '1',
      price: null,
      price_unit: 'USD',
      sid,
      status: 'queued',
      subresource_uris: { media: `${MESSAGES}/${sid}/Media.json` },
      to: '+14155550100',
      uri: `${MESSAGES}/${sid}.json`,
    });
    expect(await get(`${MESSAGES}/${sid}.json`)).toEqual(message);
  });

  it.each([
    [{ To: '+15005550001' }, 21211],
    [{ To: '+15005550002' }, 21612],
    [{ To: '+15005550003' }, 21408],
    [{ To: '+15005550004' }, 21610],
    [{ To: '+15005550009' }, 21614],
    [{ To: '12' }, 21211],
    [{ To: '' }, 21604],
    [{ From: '+15005550001' }, 21212],
    [{ From: '+15005550007' }, 21606],
    [{ From: '+15005550008' }, 21611],
    [{ From: '' }, 21603],
    [{ Body: '' }, 21602],
    [{ Body: 'x'.repeat(1601) }, 21617],
  ])('refuses %j with Twilio code %d and accepts nothing', async (changes, code) => {
    const before = (await evidenceOf(fake.url, 'accepted')).length;

    const response = await post({ To: '+14155550100', From: '+15005550006', Body: 'x', ...changes });

    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      code,
      message: expect.any(String) as string,
      more_info: `https://www.twilio.com/docs/errors/${code}`,
      status: 400,
    });
    expect(await evidenceOf(fake.url, 'accepted')).toHaveLength(before);
  });

  it.each([
    ['no credentials', {}],
    ['an empty token', { authorization: `Basic ${Buffer.from(`${SID}:`).toString('base64')}` }],
    ['another account', { authorization: `Basic ${Buffer.from('AC1:token').toString('base64')}` }],
  ])('refuses %s with 401', async (_name, headers) => {
    const response = await post({ To: '+14155550100', From: '+15005550006', Body: 'x' }, headers);

    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: 20003 });
  });

  it('answers 404 for what it does not know', async () => {
    expect(await get(`${MESSAGES}/SM1.json`)).toMatchObject({ code: 20404, status: 404 });
    expect(await get('/2010-04-01/Accounts')).toMatchObject({ code: 20404 });
  });

  it('lists newest first, page by page, without gap or doubles while more arrive', async () => {
    const to = '+14155550101';
    for (let n = 0; n < 7; n += 1) await create(to, `m${n}`);
    const seen: string[] = [];

    let path: string | null = `${MESSAGES}.json?To=${encodeURIComponent(to)}&PageSize=3`;
    while (path !== null) {
      const page: Record<string, unknown> = await get(path);
      expect(page).toMatchObject({ page_size: 3, uri: expect.stringContaining('PageSize=3') as string });
      seen.push(...(page['messages'] as { body: string }[]).map(({ body }) => body));
      path = page['next_page_uri'] as string | null;
      await create(to, 'newer');
    }

    expect(seen).toEqual(['m6', 'm5', 'm4', 'm3', 'm2', 'm1', 'm0']);
  });

  it('leaves a queued message out of every list that asks for a DateSent', async () => {
    await create('+14155550102', 'x');

    expect(await list(`${MESSAGES}.json?To=%2B14155550102`)).toHaveLength(1);
    expect(await list(`${MESSAGES}.json?To=%2B14155550102&DateSent%3E=2020-01-01`)).toHaveLength(0);
  });

  it('still knows its messages after a restart, a torn line included', async () => {
    const message = await create('+14155550103', 'survives');
    await fake.close();
    appendFileSync(log.logFile, '{"type":"accepted","sid":"SM');

    fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
    await keepStatuses();
    const after = await create('+14155550103', 'after');

    const listed = await list(`${MESSAGES}.json?To=%2B14155550103`);
    expect(listed.map(({ sid }) => sid)).toEqual([after['sid'], message['sid']]);
    expect(await get(message['uri'] as string)).toEqual(message);
  });

  it('has written the evidence before a slow answer leaves', async () => {
    await controlFake(fake.url, { answerDelayMs: 60_000 });
    const abort = new AbortController();
    const pending = fetch(`${fake.url}${MESSAGES}.json`, {
      method: 'POST',
      headers: AUTHORIZED,
      body: new URLSearchParams({ To: '+14155550104', From: '+15005550006', Body: 'slow' }),
      signal: abort.signal,
    }).catch((error: unknown) => error);

    await eventually(async () =>
      (await evidenceOf(fake.url, 'accepted')).some(({ body }) => body === 'slow'),
    );

    abort.abort();
    expect(await pending).toMatchObject({ name: 'AbortError' });
    await controlFake(fake.url, { reset: true });
  });

  it('aims a fault at a number and a text, as often as planned, and reports it', async () => {
    const fault = {
      action: '500_before_accept',
      times: 2,
      match: { to: '+14155550105', bodyIncludes: '#7' },
    };
    await controlFake(fake.url, { faults: [fault] });
    const statusOf = async (to: string, body: string): Promise<number> =>
      (await post({ To: to, From: '+15005550006', Body: body })).status;

    const statuses = [
      await statusOf('+14155550105', 'Order #6'),
      await statusOf('+14155550106', 'Order #7'),
      await statusOf('+14155550105', 'Order #7'),
      await statusOf('+14155550105', 'Order #7'),
      await statusOf('+14155550105', 'Order #7'),
    ];

    expect(statuses).toEqual([201, 201, 500, 500, 201]);
    expect(await controlFake(fake.url, {})).toMatchObject({ faults: [{ ...fault, fired: 2 }] });
    expect((await evidenceOf(fake.url, 'fault')).length).toBeGreaterThanOrEqual(2);
    expect(await controlFake(fake.url, { reset: true })).toEqual({
      down: false,
      answerDelayMs: 0,
      listLagMs: 0,
      statusDelayMs: 50,
      callbacks: { duplicate: 0, reorder: false, lose: false, delayMs: 0, early: false },
      inboundUrl: null,
      faults: [],
      outcomes: [],
      contents: [],
    });
  });

  it('is down for everything but its evidence', async () => {
    await controlFake(fake.url, { down: true });

    expect((await post({ To: '+14155550107', From: '+15005550006', Body: 'x' })).status).toBe(503);
    expect(await get(`${MESSAGES}.json`)).toMatchObject({ code: 20503 });
    expect((await evidenceOf(fake.url, 'request')).length).toBeGreaterThan(0);
  });

  it.each([[{ fault: [] }], [{ faults: [{ action: 'explode' }] }], [{ listLagMs: -1 }], ['x'], [null]])(
    'refuses the control document %j',
    async (document) => {
      await expect(controlFake(fake.url, document)).rejects.toThrow('control refused');
    },
  );

  it('keeps phone numbers and texts readable by their owner only, and no credentials at all', async () => {
    await create('+14155550108', 'x');

    expect(statSync(log.logFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(log.logFile, 'utf8')).not.toContain('Basic');
    expect(readEvidence(log.logFile)).toEqual(await evidenceOf(fake.url));
  });

  it('says so when the port is taken', async () => {
    await expect(startFakeTwilio({ port: fake.port, logFile: log.logFile })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});

describe('command line of a fake', () => {
  it('reads port, log and host', () => {
    const argv = ['--port', '4999', '--log', 'x.jsonl', '--host', '::1'];

    expect(parseFakeArguments(argv, FAKE_TWILIO)).toEqual({
      port: 4999,
      logFile: 'x.jsonl',
      host: '::1',
      numbers: {},
    });
  });

  it('has the documented port and numbers of its own as defaults', () => {
    const command = { ...FAKE_TWILIO, numbers: { 'late-ms': 30_000 } };

    expect(parseFakeArguments(['--log', 'x'], command)).toMatchObject({
      port: 4010,
      host: '127.0.0.1',
      numbers: { 'late-ms': 30_000 },
    });
    expect(parseFakeArguments(['--log', 'x', '--late-ms', '5'], command).numbers).toEqual({ 'late-ms': 5 });
  });

  it.each([
    [[], '--log FILE is required'],
    [['--log', 'x', '--port', 'abc'], '--port must be a whole number'],
    [['--log', 'x', '--port', '70000'], '--port must be at most 65535'],
    [['--log', 'x', '--pot', '1'], '--pot'],
    [['--log', 'x', 'extra'], 'extra'],
  ])('refuses %j', (argv, message) => {
    expect(() => parseFakeArguments(argv, FAKE_TWILIO)).toThrow(message);
  });
});
