import type { StoredEvidence } from '../../src/dev/evidence-log';
import type { FakeServer } from '../../src/dev/fake-server';
import { startFakeTwilio } from '../../src/dev/fake-twilio';
import { controlFake, evidenceOf, temporaryLog } from '../dev/fake-control';
import { openedChannels } from './opened-channels';
import { FROM, textOf, TO } from './twilio-subject';

/** What the API was asked, without the reports that go to the same server here. */
async function askedOf(url: string): Promise<StoredEvidence[]> {
  return (await evidenceOf(url, 'request')).filter(({ path }) => String(path).endsWith('.json'));
}

describe('sms against the fake Twilio', () => {
  const log = temporaryLog();
  const open = openedChannels();
  let fake: FakeServer;
  const lastForm = async (): Promise<Record<string, string>> => {
    const request = (await askedOf(fake.url)).at(-1) as StoredEvidence;
    return request['form'] as Record<string, string>;
  };

  beforeAll(async () => {
    fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
  });
  afterEach(async () => {
    await controlFake(fake.url, { reset: true });
  });
  afterAll(async () => {
    await fake.close();
    log.remove();
  });

  it('sends From and no StatusCallback by default', async () => {
    await open(fake.url).sms.send({ to: TO, attemptId: 'att_1', content: textOf('Grüße & 100 %') });

    expect(await lastForm()).toEqual({ To: TO, From: FROM, Body: 'Grüße & 100 %' });
  });

  it('sends no StatusCallback while nobody outside can reach us', async () => {
    const { sms } = open(fake.url, { statusCallbackUrl: () => undefined });

    await sms.send({ to: TO, attemptId: 'att_1', content: textOf('x') });

    expect(await lastForm()).not.toHaveProperty('StatusCallback');
  });

  it('sends a messaging service and a callback when it has them', async () => {
    const messagingServiceSid = `MG${'1'.repeat(32)}`;
    const { sms } = open(fake.url, {
      from: { sms: messagingServiceSid },
      statusCallbackUrl: (attemptId) => `${fake.url}/reports?na=${attemptId}`,
    });

    const result = await sms.send({ to: TO, attemptId: 'att_1', content: textOf('x') });

    expect(result).toMatchObject({ kind: 'accepted', status: 'accepted' });
    const created = (await evidenceOf(fake.url, 'request')).filter(({ path }) =>
      String(path).endsWith('/Messages.json'),
    );
    expect(created.at(-1)?.['form']).toEqual({
      To: TO,
      MessagingServiceSid: messagingServiceSid,
      Body: 'x',
      StatusCallback: `${fake.url}/reports?na=att_1`,
    });
  });

  it.each([
    ['+15005550001', '21211'],
    ['+15005550002', '21612'],
    ['+15005550003', '21408'],
    ['+15005550004', '21610'],
    ['+15005550009', '21614'],
  ])('tells the code of a refused number %s', async (to, code) => {
    const result = await open(fake.url).sms.send({ to, attemptId: 'att_1', content: textOf('x') });

    expect(result).toMatchObject({ kind: 'rejected', code });
    expect(JSON.stringify(result)).not.toContain(to);
  });

  it('sends 1,600 characters, whatever their length in bytes, and refuses one more without asking', async () => {
    const send = (body: string) =>
      open(fake.url).sms.send({ to: TO, attemptId: 'att_1', content: textOf(body) });
    const before = (await askedOf(fake.url)).length;

    const longest = await send('😀'.repeat(1_600));
    const tooLong = await send('😀'.repeat(1_601));

    expect(longest.kind).toBe('accepted');
    expect(tooLong).toMatchObject({ kind: 'rejected', code: 'body_too_long' });
    expect(await askedOf(fake.url)).toHaveLength(before + 1);
  });

  it('ignores what only WhatsApp has', async () => {
    const content = { ...textOf('x'), contentSid: `HX${'1'.repeat(32)}`, contentVariables: { 1: '' } };

    const result = await open(fake.url).sms.send({ to: TO, attemptId: 'att_1', content });

    expect(result.kind).toBe('accepted');
    expect(await lastForm()).toEqual({ To: TO, From: FROM, Body: 'x' });
  });

  it('passes on the seconds that the fake was told', async () => {
    await controlFake(fake.url, { faults: [{ action: '429', retryAfterSeconds: 3 }] });

    const result = await open(fake.url).sms.send({ to: TO, attemptId: 'att_1', content: textOf('x') });

    expect(result).toMatchObject({ kind: 'unsent', retryAfterMs: 3_000 });
  });

  it('finds a message behind several pages of others', async () => {
    const { sms } = open(fake.url);
    const since = new Date().toISOString();
    const send = (body: string) => sms.send({ to: TO, attemptId: 'att_1', content: textOf(body) });
    await send('the one');
    for (let n = 0; n < 120; n += 1) await send(`noise ${n}`);

    const found = await sms.find({ to: TO, body: 'the one', since });

    expect(found).toHaveLength(1);
    const lists = (await evidenceOf(fake.url, 'request')).filter(({ method }) => method === 'GET');
    expect(lists.length).toBeGreaterThanOrEqual(3);
    expect(JSON.stringify(lists)).not.toContain('DateSent');
  });

  it("finds a message behind a trial account's prefix", async () => {
    const { sms } = open(fake.url);
    const since = new Date().toISOString();
    await sms.send({
      to: TO,
      attemptId: 'att_1',
      content: textOf('Sent from your Twilio trial account - Hi'),
    });

    expect(await sms.find({ to: TO, body: 'Hi', since })).toHaveLength(1);
  });

  it('rejects a time that is none: a bug of the caller', async () => {
    const found = open(fake.url).sms.find({ to: TO, body: 'x', since: 'yesterday' });

    await expect(found).rejects.toBeInstanceOf(RangeError);
  });
});
