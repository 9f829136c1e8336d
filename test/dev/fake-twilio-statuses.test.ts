import { controlFake, evidenceOf, eventually } from './fake-control';
import {
  FROM,
  startReceiver,
  startRig,
  TOKEN,
  type Receiver,
  type Resource,
  type TwilioRig,
} from './fake-twilio-rig';

describe('statuses of the fake Twilio', () => {
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

  const sms = (changes: Record<string, string> = {}): Record<string, string> => ({
    To: '+14155550100',
    From: FROM,
    Body: 'Order #1 confirmed.',
    StatusCallback: receiver.url,
    ...changes,
  });
  const heard = (): (string | undefined)[] => receiver.received.map(({ params }) => params['MessageStatus']);
  const hears = async (...statuses: string[]): Promise<void> => {
    await eventually(() => heard().length >= statuses.length);
    expect(heard()).toEqual(statuses);
  };
  const callbacks = () => evidenceOf(rig.url, 'callback');
  const statusOf = async (message: Resource): Promise<unknown> =>
    (await rig.get(message['uri'] as string))['status'];

  it('tells of each status after the first one, signed and with what Twilio tells', async () => {
    const message = await rig.create('Messages', sms());

    expect(message['status']).toBe('queued');
    await hears('sent', 'delivered');
    const [sent, delivered] = receiver.received;
    const common = {
      MessageSid: message['sid'],
      SmsSid: message['sid'],
      To: '+14155550100',
      From: FROM,
      AccountSid: message['account_sid'],
      ApiVersion: '2010-04-01',
    };
    expect(sent?.params).toEqual({ ...common, MessageStatus: 'sent', SmsStatus: 'sent' });
    expect(delivered?.params).toEqual({
      ...common,
      MessageStatus: 'delivered',
      SmsStatus: 'delivered',
      RawDlrDoneDate: expect.stringMatching(/^\d{10}$/) as string,
    });
    for (const { headers, isSignedWith } of receiver.received) {
      expect(isSignedWith(TOKEN)).toBe(true);
      expect(isSignedWith('another')).toBe(false);
      expect(headers['i-twilio-idempotency-token']).toMatch(/^[0-9a-f-]{36}$/);
    }
    expect(await rig.get(message['uri'] as string)).toMatchObject({
      status: 'delivered',
      error_code: null,
      date_sent: expect.stringMatching(/\+0000$/) as string,
    });
  });

  it('signs with the token that created the message, and with the primary one when the tokens are given', async () => {
    await rig.post('Messages', sms(), 'old-token');
    await hears('sent', 'delivered');
    await controlFake(rig.url, { authTokens: ['new-token', 'old-token'] });

    await rig.post('Messages', sms(), 'old-token');
    await hears('sent', 'delivered', 'sent', 'delivered');

    expect(receiver.received.map(({ isSignedWith }) => isSignedWith('old-token'))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(receiver.received.slice(2).every(({ isSignedWith }) => isSignedWith('new-token'))).toBe(true);
    expect((await rig.post('Messages', sms(), 'stolen')).status).toBe(401);
    expect(JSON.stringify(await evidenceOf(rig.url))).not.toMatch(/old-token|new-token/);
  });

  it('moves on without a StatusCallback', async () => {
    const message = await rig.create('Messages', sms({ StatusCallback: '' }));

    await eventually(async () => (await statusOf(message)) === 'delivered');

    expect(await callbacks()).toHaveLength(0);
    expect((await evidenceOf(rig.url, 'status')).map(({ status }) => status)).toEqual(['sent', 'delivered']);
  });

  it('finds a sent message by the day, and by the second, on which it was sent', async () => {
    const message = await rig.create('Messages', sms());
    await hears('sent', 'delivered');
    const { date_sent: sent } = await rig.get(message['uri'] as string);
    const second = new Date(sent as string).toISOString();
    const found = async (filter: string): Promise<number> =>
      ((await rig.get(`Messages.json?${filter}`))['messages'] as Resource[]).length;

    expect(await found(`DateSent=${second.slice(0, 10)}`)).toBe(1);
    expect(await found(`DateSent%3E=${second}&DateSent%3C=${second}`)).toBe(1);
    expect(await found('DateSent%3C=2020-01-01')).toBe(0);
    expect(await found('DateSent%3E=2020-01-01T00:00:00Z')).toBe(1);
    expect(await found('DateSent=never')).toBe(0);
  });

  it('lets a messaging service queue and pick the sender after the answer', async () => {
    const MessagingServiceSid = `MG${'1'.repeat(32)}`;
    const message = await rig.create('Messages', sms({ From: '', MessagingServiceSid }));

    expect(message).toMatchObject({ status: 'accepted', from: null, num_segments: '0' });
    await hears('queued', 'sent', 'delivered');
    expect(receiver.received[0]?.params).toMatchObject({
      From: FROM,
      MessagingServiceSid,
    });
    expect(await rig.get(message['uri'] as string)).toMatchObject({ from: FROM, num_segments: '1' });
  });

  it('fails as planned, by callback and in the resource', async () => {
    await controlFake(rig.url, {
      outcomes: [
        { match: { bodyIncludes: '#1' }, statuses: ['sent', 'undelivered'], errorCode: 30003, times: 1 },
      ],
    });

    const message = await rig.create('Messages', sms());
    await hears('sent', 'undelivered');
    const other = await rig.create('Messages', sms());
    await eventually(async () => (await statusOf(other)) === 'delivered');

    expect(receiver.received[1]?.params).toMatchObject({ MessageStatus: 'undelivered', ErrorCode: '30003' });
    expect(await rig.get(message['uri'] as string)).toMatchObject({
      status: 'undelivered',
      error_code: 30003,
      error_message: 'Unreachable destination handset',
    });
    const planned = (await controlFake(rig.url, {}))['outcomes'];
    expect(planned).toMatchObject([{ times: 1, fired: 1 }]);
  });

  it('falls silent where it was told to, and takes the outcome planned last', async () => {
    await controlFake(rig.url, { outcomes: [{ statuses: ['teleported'] }] });
    await controlFake(rig.url, { outcomes: [{ match: { to: '+14155550100' }, stopAfter: 'sent' }] });

    const silent = await rig.create('Messages', sms());
    const odd = await rig.create('Messages', sms({ To: '+14155550101' }));

    await eventually(async () => (await statusOf(odd)) === 'teleported');
    await eventually(async () => (await statusOf(silent)) === 'sent');
    await eventually(() => heard().length === 2);
    expect(heard().sort()).toEqual(['sent', 'teleported']);
  });

  it('sends copies with the same idempotency token', async () => {
    await controlFake(rig.url, { callbacks: { duplicate: 2 } });

    await rig.create('Messages', sms());
    await eventually(() => heard().length === 6);

    const tokens = receiver.received.map(({ params, headers }) => [
      params['MessageStatus'],
      headers['i-twilio-idempotency-token'],
    ]);
    expect(new Set(tokens.map(String)).size).toBe(2);
    expect(heard().filter((status) => status === 'sent')).toHaveLength(3);
  });

  it('turns the order round', async () => {
    await controlFake(rig.url, { callbacks: { reorder: true } });

    await rig.create('Messages', sms());

    await hears('delivered', 'sent');
  });

  it('loses callbacks, all or a part that can be foretold', async () => {
    await controlFake(rig.url, { callbacks: { lose: true } });
    const lost = await rig.create('Messages', sms());
    await eventually(async () => (await statusOf(lost)) === 'delivered');
    expect(heard()).toEqual([]);
    expect(await callbacks()).toMatchObject([
      { status: 'sent', answered: null, lost: true },
      { status: 'delivered', answered: null, lost: true },
    ]);

    await controlFake(rig.url, { callbacks: { lose: 0.5 } });
    await Promise.all([1, 2, 3, 4].map(() => rig.create('Messages', sms())));
    await eventually(async () => (await callbacks()).length === 10);
    expect(heard()).toHaveLength(4);
  });

  it('is late by as much as it was told', async () => {
    await controlFake(rig.url, { callbacks: { delayMs: 200 } });

    await rig.create('Messages', sms());
    await eventually(async () => (await callbacks()).length === 2);

    const statuses = await evidenceOf(rig.url, 'status');
    const delays = (await callbacks()).map(
      ({ at }, place) => Date.parse(at) - Date.parse(statuses[place]?.at ?? ''),
    );
    for (const delayMs of delays) expect(delayMs).toBeGreaterThanOrEqual(199);
  });

  it.each([[{}], [{ action: 'cut_after_accept' }], [{ action: '500_after_accept' }]])(
    'calls back before the create is answered, with the fault %j',
    async (fault) => {
      await controlFake(rig.url, {
        statusDelayMs: 600_000,
        callbacks: { early: true },
        faults: 'action' in fault ? [fault] : [],
      });

      const answer = await rig.post('Messages', sms()).catch(() => null);

      expect(heard()).toEqual(['sent']);
      if (!('action' in fault)) expect(await answer?.json()).toMatchObject({ status: 'queued' });
    },
  );

  it('writes down what the receiver answered and does not repeat after a 503', async () => {
    receiver.answer(503);

    await rig.create('Messages', sms());
    await eventually(async () => (await callbacks()).length === 2);

    expect(await callbacks()).toMatchObject([
      { status: 'sent', url: receiver.url, answered: 503, attempt: 1 },
      { status: 'delivered', url: receiver.url, answered: 503, attempt: 1 },
    ]);
    expect(heard()).toHaveLength(2);
  });

  it('tries once more when nobody listens', async () => {
    await receiver.stop();

    await rig.create('Messages', sms());
    await eventually(async () => (await callbacks()).length === 4);

    const attempts = (await callbacks()).filter(({ status }) => status === 'delivered');
    expect(attempts).toMatchObject([
      { answered: null, attempt: 1, error: 'ECONNREFUSED' },
      { answered: null, attempt: 2, error: 'ECONNREFUSED' },
    ]);
  });

  it.each([
    'ftp://shop.example/x',
    'shop.example',
    'https://my_shop.example/x',
    `https://a.example/${'x'.repeat(4000)}`,
  ])('refuses the StatusCallback %s', async (StatusCallback) => {
    const response = await rig.post('Messages', sms({ StatusCallback }));

    expect(await response.json()).toMatchObject({ code: 21609, status: 400 });
  });

  it.each(['500_after_accept', 'cut_after_accept', 'no_sid', 'html'])(
    'calls back for what was accepted in spite of %s',
    async (action) => {
      await controlFake(rig.url, { faults: [{ action, match: { channel: 'sms' } }] });

      await rig.post('Messages', sms()).catch(() => null);

      await hears('sent', 'delivered');
      expect(await evidenceOf(rig.url, 'accepted')).toHaveLength(1);
    },
  );

  it('goes on after a restart, once it knows the token again', async () => {
    await controlFake(rig.url, { statusDelayMs: 600_000 });
    const message = await rig.create('Messages', sms());
    await rig.restart();
    await controlFake(rig.url, { statusDelayMs: 5 });

    expect(heard()).toEqual([]);
    expect(await statusOf(message)).toBe('queued');

    await hears('sent', 'delivered');
    expect(receiver.received.every(({ isSignedWith }) => isSignedWith(TOKEN))).toBe(true);
    const seen = await rig.get(message['uri'] as string);
    await rig.restart();
    expect(await rig.get(message['uri'] as string)).toEqual(seen);
  });

  it('keeps no timer once it is closed', async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const before = timers();
    await controlFake(rig.url, { statusDelayMs: 600_000 });
    for (let n = 0; n < 5; n += 1) await rig.create('Messages', sms());
    expect(timers()).toBeGreaterThanOrEqual(before + 5);

    await rig.stop();

    expect(timers()).toBeLessThanOrEqual(before);
  });
});
