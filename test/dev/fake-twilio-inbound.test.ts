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

const PERSON = '+14155550100';

describe('what people write to the fake Twilio', () => {
  let rig: TwilioRig;
  let receiver: Receiver;

  beforeEach(async () => {
    [rig, receiver] = await Promise.all([startRig(), startReceiver()]);
    await controlFake(rig.url, { statusDelayMs: 5, inboundUrl: receiver.url });
    await rig.get('Messages');
  });
  afterEach(async () => {
    await rig.stop();
    await receiver.stop();
  });

  const sends = async (changes: Record<string, string> = {}): Promise<unknown> => {
    const response = await rig.post('Messages', { To: PERSON, From: FROM, Body: 'x', ...changes });
    return ((await response.json()) as Resource)['code'] ?? response.status;
  };
  const writes = async (body: string, changes: Record<string, string> = {}): Promise<Resource> => {
    const response = await rig.inbound({ from: PERSON, to: FROM, body, ...changes });
    expect(response.status).toBe(201);
    return (await response.json()) as Resource;
  };

  it('reports it, signed, and keeps it in the list', async () => {
    const message = await writes('Grüße & 100 %');
    await eventually(() => receiver.received.length === 1);

    const [webhook] = receiver.received;
    expect(webhook?.isSignedWith(TOKEN)).toBe(true);
    expect(webhook?.params).toEqual({
      MessageSid: message['sid'],
      SmsSid: message['sid'],
      SmsMessageSid: message['sid'],
      SmsStatus: 'received',
      AccountSid: SID,
      From: PERSON,
      To: FROM,
      Body: 'Grüße & 100 %',
      NumMedia: '0',
      NumSegments: '1',
      ApiVersion: '2010-04-01',
    });
    const listed = await rig.get(`Messages.json?To=${encodeURIComponent(FROM)}`);
    expect(listed['messages']).toMatchObject([{ direction: 'inbound', status: 'received', from: PERSON }]);
    expect(await evidenceOf(rig.url, 'inbound')).toMatchObject([{ from: PERSON, body: 'Grüße & 100 %' }]);
    expect(await evidenceOf(rig.url, 'accepted')).toHaveLength(0);
    await eventually(async () => (await evidenceOf(rig.url, 'callback')).length === 1);
    expect(await evidenceOf(rig.url, 'callback')).toMatchObject([{ status: 'received', answered: 204 }]);
  });

  it('tells the name and the id of a person on WhatsApp', async () => {
    const whatsApp = { from: `whatsapp:${PERSON}`, to: `whatsapp:${FROM}`, profileName: 'Ann' };

    await writes('STOP', whatsApp);
    await eventually(() => receiver.received.length === 1);

    expect(receiver.received[0]?.params).toMatchObject({
      From: `whatsapp:${PERSON}`,
      ProfileName: 'Ann',
      WaId: '14155550100',
    });
    expect(receiver.received[0]?.params).not.toHaveProperty('OptOutType');
  });

  it.each([
    ['STOP', 'STOP'],
    [' unsubscribe ', 'STOP'],
    ['Start', 'START'],
    ['help', 'HELP'],
    ['STOP please', undefined],
    ['hello', undefined],
  ])('takes %j for %s', async (body, type) => {
    await writes(body);
    await eventually(() => receiver.received.length === 1);

    expect(receiver.received[0]?.params['OptOutType']).toBe(type);
    expect(receiver.received[0]?.params['Body']).toBe(body);
  });

  it('sends nothing more from a number after STOP, until START', async () => {
    expect(await sends()).toBe(201);
    await writes('STOP');

    expect(await sends()).toBe(21610);
    expect(await sends({ From: '', MessagingServiceSid: `MG${'1'.repeat(32)}` })).toBe(21610);
    expect(await sends({ From: '+14155550999' })).toBe(201);
    expect(await sends({ To: '+14155550101' })).toBe(201);
    await rig.restart();
    expect(await sends()).toBe(21610);

    await writes('START');
    expect(await sends()).toBe(201);
    expect(await evidenceOf(rig.url, 'accepted')).toHaveLength(4);
  });

  it.each([
    [{ from: '12' }, 'from'],
    [{ to: `whatsapp:${FROM}` }, 'same channel'],
    [{ unknown: 'x' }, 'unknown'],
    [{ at: 'yesterday' }, 'at'],
  ])('refuses %j', async (changes, reason) => {
    const message = { from: PERSON, to: FROM, body: 'x', ...changes } as Record<string, string>;
    const response = await rig.inbound(message);

    expect(response.status).toBe(400);
    expect(((await response.json()) as Resource)['message']).toContain(reason);
    expect(await evidenceOf(rig.url, 'inbound')).toHaveLength(0);
  });

  it('asks for the account and a token until it knows them', async () => {
    await rig.restart();
    await controlFake(rig.url, { inboundUrl: receiver.url });
    expect((await rig.inbound({ from: PERSON, to: FROM, body: 'x' })).status).toBe(400);
    expect((await rig.inbound({ from: PERSON, to: FROM, body: 'x', accountSid: SID })).status).toBe(400);
    expect(await evidenceOf(rig.url, 'inbound')).toHaveLength(0);

    await controlFake(rig.url, { authTokens: ['primary'] });
    await writes('x', { accountSid: SID });
    await eventually(() => receiver.received.length === 1);
    expect(receiver.received[0]?.isSignedWith('primary')).toBe(true);
  });

  it('redacts and deletes, for good', async () => {
    const message = (await (
      await rig.post('Messages', { To: PERSON, From: FROM, Body: 'secret' })
    ).json()) as Resource;
    const path = message['uri'] as string;

    expect((await rig.post(path, { Body: 'other' })).status).toBe(400);
    expect(await (await rig.post(path, { Status: 'canceled' })).json()).toMatchObject({ code: 30409 });
    expect(await (await rig.post(path, { Body: '' })).json()).toMatchObject({ body: '' });
    await rig.restart();
    expect(await rig.get(path)).toMatchObject({ body: '', sid: message['sid'] });

    expect(await rig.delete(path)).toBe(204);
    await rig.restart();
    expect(await rig.get(path)).toMatchObject({ code: 20404 });
    expect((await rig.get(`Messages.json?To=${encodeURIComponent(PERSON)}`))['messages']).toEqual([]);
  });
});
