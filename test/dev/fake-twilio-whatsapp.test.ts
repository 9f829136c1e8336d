import { controlFake, evidenceOf, eventually } from './fake-control';
import {
  startReceiver,
  startRig,
  TOKEN,
  type Receiver,
  type Resource,
  type TwilioRig,
} from './fake-twilio-rig';

const PERSON = 'whatsapp:+14155550100';
const SHOP = 'whatsapp:+15005550006';
const CONTENT = { sid: `HX${'1'.repeat(32)}`, body: 'Order #{{1}} confirmed, {{name}}.' };
const DAY_MS = 24 * 60 * 60 * 1000;

describe('WhatsApp at the fake Twilio', () => {
  let rig: TwilioRig;
  let receiver: Receiver;

  beforeEach(async () => {
    [rig, receiver] = await Promise.all([startRig(), startReceiver()]);
    await controlFake(rig.url, { statusDelayMs: 5, contents: [CONTENT] });
  });
  afterEach(async () => {
    await rig.stop();
    await receiver.stop();
  });

  const template = (changes: Record<string, string> = {}): Record<string, string> => ({
    To: PERSON,
    From: SHOP,
    ContentSid: CONTENT.sid,
    ContentVariables: '{"1":"1001","name":"Ann"}',
    StatusCallback: receiver.url,
    ...changes,
  });
  const freeText = (changes: Record<string, string> = {}): Record<string, string> => ({
    To: PERSON,
    From: SHOP,
    Body: 'Hello',
    StatusCallback: receiver.url,
    ...changes,
  });
  const heard = (): (string | undefined)[] => receiver.received.map(({ params }) => params['MessageStatus']);
  const codeOf = async (form: Record<string, string>): Promise<unknown> =>
    ((await (await rig.post('Messages', form)).json()) as Resource)['code'];
  const endOf = async (message: Resource): Promise<Resource> => {
    const read = (): Promise<Resource> => rig.get(message['uri'] as string);
    await eventually(
      async () => !['queued', 'sent', 'accepted'].includes((await read())['status'] as string),
    );
    return read();
  };

  it('renders the template, and tells its statuses with the members of the channel', async () => {
    const message = await rig.create('Messages', template());
    await eventually(() => heard().length === 2);

    expect(message).toMatchObject({ body: 'Order #1001 confirmed, Ann.', to: PERSON, from: SHOP });
    expect(heard()).toEqual(['sent', 'delivered']);
    expect(receiver.received[1]?.params).toEqual({
      MessageSid: message['sid'],
      SmsSid: message['sid'],
      MessageStatus: 'delivered',
      SmsStatus: 'delivered',
      To: PERSON,
      From: SHOP,
      AccountSid: message['account_sid'],
      ApiVersion: '2010-04-01',
      ChannelPrefix: 'whatsapp',
      ChannelInstallSid: expect.stringMatching(/^XE[0-9a-f]{32}$/) as string,
      ChannelToAddress: '+1415555XXXX',
      EventType: 'DELIVERED',
    });
    expect(receiver.received.every(({ isSignedWith }) => isSignedWith(TOKEN))).toBe(true);
    expect(await evidenceOf(rig.url, 'accepted')).toMatchObject([
      { channel: 'whatsapp', to: PERSON, body: 'Order #1001 confirmed, Ann.', contentSid: CONTENT.sid },
    ]);
    const listed = await rig.get(`Messages.json?To=${encodeURIComponent(PERSON)}`);
    expect(listed['messages']).toMatchObject([{ body: 'Order #1001 confirmed, Ann.' }]);
  });

  it('is read when the outcome says so', async () => {
    await controlFake(rig.url, { outcomes: [{ statuses: ['sent', 'delivered', 'read'] }] });

    await rig.create('Messages', template());
    await eventually(() => heard().length === 3);

    expect(receiver.received[2]?.params).toMatchObject({ MessageStatus: 'read', EventType: 'READ' });
  });

  it.each([
    ['a template that the account lacks', { ContentSid: `HX${'2'.repeat(32)}` }, 21655],
    ['a malformed sid', { ContentSid: 'HX1' }, 21655],
    ['variables that are no JSON', { ContentVariables: '{1:2}' }, 21656],
    ['variables that are a list', { ContentVariables: '["1001"]' }, 21656],
    ['a variable that is no text', { ContentVariables: '{"1":1001,"name":"Ann"}' }, 21656],
    ['an empty variable', { ContentVariables: '{"1":"","name":"Ann"}' }, 21656],
    ['a missing variable', { ContentVariables: '{"1":"1001"}' }, 21656],
    ['a variable with a newline', { ContentVariables: '{"1":"1\\n2","name":"Ann"}' }, 21656],
    ['variables without a template', { ContentSid: '' }, 21654],
    ['a sender of another channel', { From: '+15005550006' }, 21910],
    ['an invalid number', { To: 'whatsapp:+15005550001' }, 21211],
  ])('refuses %s', async (_name, changes, code) => {
    expect(await codeOf(template(changes as Record<string, string>))).toBe(code);
    expect(await evidenceOf(rig.url, 'accepted')).toHaveLength(0);
  });

  it('takes a default for a variable that is left out', async () => {
    await controlFake(rig.url, { contents: [{ ...CONTENT, variables: { name: 'customer' } }] });

    const message = await rig.create('Messages', template({ ContentVariables: '{"1":"7"}' }));

    expect(message['body']).toBe('Order #7 confirmed, customer.');
  });

  it('still has its templates after a reset and after a restart', async () => {
    await controlFake(rig.url, { reset: true });
    await rig.restart();

    expect(await rig.create('Messages', template())).toMatchObject({ body: 'Order #1001 confirmed, Ann.' });
  });

  it('does not deliver free text to somebody who has not written: 63016, told and in the resource', async () => {
    const message = await rig.create('Messages', freeText());

    expect(await endOf(message)).toMatchObject({
      status: 'undelivered',
      error_code: 63016,
      error_message: expect.stringContaining('outside the allowed window') as string,
    });
    await eventually(() => heard().length === 1);
    expect(receiver.received[0]?.params).toMatchObject({
      MessageStatus: 'undelivered',
      ErrorCode: '63016',
      EventType: 'UNDELIVERED',
      ChannelStatusMessage: expect.stringContaining('Message Template') as string,
    });
  });

  it('delivers free text within 24 hours of what the person wrote, and not after', async () => {
    await rig.get('Messages');
    const hoursAgo = (hours: number): string => new Date(Date.now() - (hours * DAY_MS) / 24).toISOString();
    const other = 'whatsapp:+14155550101';
    await rig.inbound({ from: PERSON, to: SHOP, body: 'Hi', at: hoursAgo(23.9) });
    await rig.inbound({ from: other, to: SHOP, body: 'Hi', at: hoursAgo(24.1) });

    const open = await rig.create('Messages', freeText());
    const service = { MessagingServiceSid: `MG${'1'.repeat(32)}`, From: '' };
    const byService = await rig.create('Messages', freeText(service));
    const closed = await rig.create('Messages', freeText({ To: other }));
    const elsewhere = await rig.create('Messages', freeText({ From: 'whatsapp:+15005550009' }));

    expect((await endOf(open))['status']).toBe('delivered');
    expect((await endOf(byService))['status']).toBe('delivered');
    expect((await endOf(closed))['error_code']).toBe(63016);
    expect((await endOf(elsewhere))['error_code']).toBe(63016);
    await rig.restart();
    expect((await endOf(await rig.create('Messages', freeText())))['status']).toBe('delivered');
  });
});
