import { GatewayUnavailableError } from '../../src/errors';
import { startFakeTwilio } from '../../src/dev/fake-twilio';
import type { FakeServer } from '../../src/dev/fake-server';
import { controlFake, temporaryLog } from '../dev/fake-control';
import { openedChannels } from './opened-channels';
import { CONTENT_SID, textOf, TO } from './twilio-subject';

const channelsAt = openedChannels();
const OTHER_SENDER = '+15005550000';
let log: ReturnType<typeof temporaryLog>;
let fake: FakeServer;
beforeEach(async () => {
  log = temporaryLog();
  fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
  await controlFake(fake.url, { contents: [{ sid: CONTENT_SID, body: '{{1}}' }] });
});
afterEach(async () => {
  await fake.close();
  log.remove();
});

const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1_000).toISOString();

/** Sends one message on a channel. Returns its sid. */
async function send(name: 'sms' | 'whatsapp' | 'voice', body: string): Promise<string> {
  const content = { ...textOf(body), contentSid: CONTENT_SID, contentVariables: { 1: body } };
  const message = { to: TO, attemptId: body, content: name === 'whatsapp' ? content : textOf(body) };
  const result = await channelsAt(fake.url)[name].send(message);
  if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
  return result.sid;
}

describe.each(['sms', 'whatsapp', 'voice'] as const)('the list of what was sent by %s', (name) => {
  it('has all that our sender sent since then, newest first, whoever it went to, and nothing of other channels', async () => {
    const first = await send(name, 'one');
    const second = await send(name, 'two');
    await send(name === 'sms' ? 'whatsapp' : 'sms', 'elsewhere');

    const listed = await channelsAt(fake.url)[name].list!(inSeconds(-60));

    expect(listed.map(({ sid, to }) => [sid, to])).toEqual([
      [second, TO],
      [first, TO],
    ]);
    expect(Date.parse(listed[0]!.createdAt!)).toBeGreaterThan(Date.now() - 60_000);
  });

  it('leaves out what is older, and what another sender sent', async () => {
    await send(name, 'one');
    const from = { sms: OTHER_SENDER, whatsapp: OTHER_SENDER, voice: OTHER_SENDER };

    expect(await channelsAt(fake.url)[name].list!(inSeconds(3_600))).toEqual([]);
    expect(await channelsAt(fake.url, { from })[name].list!(inSeconds(-60))).toEqual([]);
  });

  it('throws when the provider cannot be asked: nothing listed and not asked are not the same', async () => {
    await controlFake(fake.url, { down: true });

    await expect(channelsAt(fake.url)[name].list!(inSeconds(-60))).rejects.toThrow(GatewayUnavailableError);
  });
});

it('is not there for a messaging service, which picks its sender itself', () => {
  const service = `MG${'0'.repeat(32)}`;
  const { sms, whatsapp } = channelsAt(fake.url, { from: { sms: service, whatsapp: service } });

  expect(['list' in sms, 'list' in whatsapp]).toEqual([false, false]);
});
