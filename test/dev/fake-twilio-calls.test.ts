import { controlFake, evidenceOf, eventually } from './fake-control';
import {
  FROM,
  SID,
  startReceiver,
  startRig,
  TOKEN,
  type Receiver,
  type Resource,
  type TwilioRig,
} from './fake-twilio-rig';

const TWIML = '<Response><Say>Order #1 confirmed.</Say></Response>';
const ALL_EVENTS = ['initiated', 'ringing', 'answered', 'completed'];
const RFC_2822 = /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/;

describe('calls of the fake Twilio', () => {
  let rig: TwilioRig;
  let receiver: Receiver;

  beforeEach(async () => {
    [rig, receiver] = await Promise.all([startRig(), startReceiver()]);
    await controlFake(rig.url, { statusDelayMs: 5 });
  });
  afterEach(async () => {
    await rig.stop();
    await receiver.stop();
  });

  const call = (changes: Record<string, string | string[]> = {}): Record<string, string | string[]> => ({
    To: '+14155550100',
    From: FROM,
    Twiml: TWIML,
    StatusCallback: receiver.url,
    ...changes,
  });
  const heard = (): (string | undefined)[] => receiver.received.map(({ params }) => params['CallStatus']);
  const read = (resource: Resource): Promise<Resource> => rig.get(resource['uri'] as string);
  const reaches = (resource: Resource, status: string): Promise<void> =>
    eventually(async () => (await read(resource))['status'] === status);

  it("answers in the shape of Twilio's Call resource", async () => {
    await controlFake(rig.url, { statusDelayMs: 600_000 });
    const created = await rig.create('Calls', call());

    const uri = `/2010-04-01/Accounts/${SID}/Calls/${created['sid'] as string}`;
    expect(created).toMatchObject({
      sid: expect.stringMatching(/^CA[0-9a-f]{32}$/) as string,
      account_sid: SID,
      answered_by: null,
      api_version: '2010-04-01',
      date_created: expect.stringMatching(RFC_2822) as string,
      direction: 'outbound-api',
      duration: null,
      end_time: null,
      from: FROM,
      price: null,
      start_time: null,
      status: 'queued',
      to: '+14155550100',
      uri: `${uri}.json`,
    });
    expect(await read(created)).toEqual(created);
    expect(await evidenceOf(rig.url, 'accepted')).toMatchObject([
      { kind: 'call', channel: 'voice', sid: created['sid'], to: '+14155550100', twiml: TWIML },
    ]);
  });

  it('goes from queued to completed and tells only of the end by default', async () => {
    const created = await rig.create('Calls', call());
    await reaches(created, 'completed');
    await eventually(() => heard().length > 0);

    expect(heard()).toEqual(['completed']);
    expect(receiver.received[0]?.isSignedWith(TOKEN)).toBe(true);
    expect(receiver.received[0]?.params).toEqual({
      CallSid: created['sid'],
      CallStatus: 'completed',
      AccountSid: SID,
      To: '+14155550100',
      Called: '+14155550100',
      From: FROM,
      Caller: FROM,
      Direction: 'outbound-api',
      ApiVersion: '2010-04-01',
      Timestamp: expect.stringMatching(RFC_2822) as string,
      SequenceNumber: '0',
      CallbackSource: 'call-progress-events',
      CallDuration: '1',
      Duration: '1',
    });
    expect((await evidenceOf(rig.url, 'status')).map(({ status }) => status)).toEqual([
      'initiated',
      'ringing',
      'in-progress',
      'completed',
    ]);
    expect(await read(created)).toMatchObject({
      duration: '1',
      answered_by: null,
      start_time: expect.stringMatching(RFC_2822) as string,
      end_time: expect.stringMatching(RFC_2822) as string,
    });
  });

  it('counts the events that were asked for, and tells who answered when it was asked to listen', async () => {
    const created = await rig.create(
      'Calls',
      call({ StatusCallbackEvent: ALL_EVENTS, MachineDetection: 'Enable' }),
    );
    await eventually(() => heard().length === 4);

    expect(heard()).toEqual(['initiated', 'ringing', 'in-progress', 'completed']);
    expect(receiver.received.map(({ params }) => params['SequenceNumber'])).toEqual(['0', '1', '2', '3']);
    expect(receiver.received.map(({ params }) => params['AnsweredBy'])).toEqual([
      undefined,
      undefined,
      'human',
      'human',
    ]);
    expect((await read(created))['answered_by']).toBe('human');
    const [request] = await evidenceOf(rig.url, 'request');
    expect(request?.['form']).toMatchObject({ StatusCallbackEvent: ALL_EVENTS });
  });

  it.each([
    [{ answeredBy: 'machine_start' }, 'completed', { AnsweredBy: 'machine_start', CallDuration: '1' }],
    [{ statuses: ['initiated', 'ringing', 'busy'] }, 'busy', { CallDuration: '0' }],
    [{ statuses: ['initiated', 'ringing', 'no-answer'] }, 'no-answer', { CallDuration: '0' }],
    [{ statuses: ['failed'] }, 'failed', { CallDuration: '0' }],
  ])('ends as planned: %j', async (outcome, status, params) => {
    await controlFake(rig.url, { outcomes: [{ match: { channel: 'voice' }, ...outcome }] });

    const created = await rig.create('Calls', call({ MachineDetection: 'DetectMessageEnd' }));
    await reaches(created, status);
    await eventually(() => heard().length === 1);

    expect(receiver.received[0]?.params).toMatchObject({ CallStatus: status, ...params });
  });

  it.each([
    [{ To: '+15005550001' }, 21217],
    [{ To: '+15005550002' }, 21214],
    [{ To: '+15005550003' }, 21215],
    [{ To: '+15005550004' }, 21216],
    [{ To: '12' }, 21211],
    [{ To: '' }, 21201],
    [{ From: '' }, 21213],
    [{ From: '+15005550001' }, 21212],
    [{ Twiml: '' }, 21205],
    [{ Url: 'nowhere' }, 21205],
    [{ Twiml: 'x'.repeat(4001) }, 20001],
    [{ StatusCallback: 'nowhere' }, 21609],
  ])('refuses %j with code %d and calls nobody', async (changes, code) => {
    const response = await rig.post('Calls', call(changes));

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code,
      more_info: `https://www.twilio.com/docs/errors/${code}`,
    });
    expect(await evidenceOf(rig.url, 'accepted')).toHaveLength(0);
  });

  it.each([
    ['429', 429, 0],
    ['500_before_accept', 500, 0],
    ['refuse_connection_like_reset_before_accept', null, 0],
    ['500_after_accept', 500, 1],
    ['cut_after_accept', null, 1],
    ['no_sid', 201, 1],
    ['html', 200, 1],
  ])('%s: answers %s and accepts %d', async (action, status, accepted) => {
    const fault = { action, match: { channel: 'voice', bodyIncludes: '#1' }, retryAfterSeconds: 3 };
    await controlFake(rig.url, { faults: [fault] });
    await rig.create('Messages', { To: '+14155550100', From: FROM, Body: 'Order #1 confirmed.' });

    const response = await rig.post('Calls', call()).catch(() => null);

    expect(response?.status ?? null).toBe(status);
    expect(response?.headers.get('retry-after') ?? null).toBe(status === 429 ? '3' : null);
    const calls = (await evidenceOf(rig.url, 'accepted')).filter(({ kind }) => kind === 'call');
    expect(calls).toHaveLength(accepted);
    expect(await evidenceOf(rig.url, 'fault')).toMatchObject([{ action, to: '+14155550100' }]);
    const listed = (await rig.get('Calls.json?To=%2B14155550100'))['calls'];
    expect(listed).toHaveLength(accepted);
    if (accepted === 1) await eventually(() => heard().length === 1);
  });

  it('never answers a call that it accepted when told so', async () => {
    await controlFake(rig.url, { faults: [{ action: 'timeout_after_accept' }] });
    const abort = new AbortController();
    const pending = fetch(`${rig.url}/2010-04-01/Accounts/${SID}/Calls.json`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${SID}:${TOKEN}`).toString('base64')}` },
      body: new URLSearchParams(call() as Record<string, string>),
      signal: abort.signal,
    }).catch((error: unknown) => error);

    await eventually(() => heard().length === 1);

    abort.abort();
    expect(await pending).toMatchObject({ name: 'AbortError' });
  });

  it('calls back early even when only the end was asked for', async () => {
    await controlFake(rig.url, { statusDelayMs: 600_000, callbacks: { early: true } });

    const created = await rig.create('Calls', call());

    expect(heard()).toEqual(['completed']);
    expect(created['status']).toBe('queued');
  });

  it('lists newest first, page by page, by person and by status, and with a lag', async () => {
    await controlFake(rig.url, { statusDelayMs: 600_000 });
    const sids: unknown[] = [];
    for (let n = 0; n < 5; n += 1) sids.unshift((await rig.create('Calls', call()))['sid']);
    await rig.create('Calls', call({ To: '+14155550199' }));

    const seen: unknown[] = [];
    let path: string | null = 'Calls.json?To=%2B14155550100&PageSize=2';
    let pages = 0;
    while (path !== null) {
      const page: Resource = await rig.get(path);
      seen.push(...(page['calls'] as Resource[]).map(({ sid }) => sid));
      path = page['next_page_uri'] as string | null;
      pages += 1;
    }

    expect(seen).toEqual(sids);
    expect(pages).toBe(3);
    expect((await rig.get('Calls.json?Status=queued'))['calls']).toHaveLength(6);
    expect((await rig.get('Calls.json?Status=completed'))['calls']).toHaveLength(0);
    expect((await rig.get('Calls.json?StartTime%3E=2020-01-01'))['calls']).toHaveLength(0);
    await controlFake(rig.url, { listLagMs: 600_000 });
    expect((await rig.get('Calls.json'))['calls']).toHaveLength(0);
  });

  it('hangs up: before the answer the call is canceled, after it completed, at the end nothing', async () => {
    await controlFake(rig.url, {
      outcomes: [
        { match: { to: '+14155550100' }, stopAfter: 'ringing' },
        { match: { to: '+14155550101' }, stopAfter: 'in-progress' },
      ],
    });
    const ringing = await rig.create('Calls', call());
    const talking = await rig.create('Calls', call({ To: '+14155550101' }));
    await reaches(ringing, 'ringing');
    await reaches(talking, 'in-progress');
    const change = async (resource: Resource, status: string): Promise<unknown> => {
      const response = await rig.post(`Calls/${resource['sid'] as string}`, { Status: status });
      const answer = (await response.json()) as Resource;
      return answer['code'] ?? answer['status'];
    };

    expect(await change(ringing, 'busy')).toBe(20001);
    expect(await change(ringing, 'completed')).toBe('canceled');
    expect(await change(talking, 'canceled')).toBe('in-progress');
    expect(await change(talking, 'completed')).toBe('completed');
    expect(await change(talking, 'completed')).toBe(21220);

    await eventually(() => heard().length === 2);
    expect(heard().sort()).toEqual(['canceled', 'completed']);
    await rig.restart();
    expect(await read(ringing)).toMatchObject({ status: 'canceled', duration: '0' });
    expect(await read(talking)).toMatchObject({ status: 'completed', duration: '1' });
  });

  it('knows nothing of a deleted call, also after a restart', async () => {
    const created = await rig.create('Calls', call());
    await reaches(created, 'completed');

    expect(await rig.delete(created['uri'] as string)).toBe(204);
    expect(await read(created)).toMatchObject({ code: 20404 });
    await rig.restart();

    expect(await rig.delete(created['uri'] as string)).toBe(404);
    expect((await rig.get('Calls.json'))['calls']).toEqual([]);
  });
});
