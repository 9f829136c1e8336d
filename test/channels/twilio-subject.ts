import type { Channel, MessageContent } from '../../src/channels/channel';
import { createTwilioChannels, type TwilioChannels } from '../../src/channels/twilio-channels';
import type { StoredEvidence } from '../../src/dev/evidence-log';
import { startFakeTwilio } from '../../src/dev/fake-twilio';
import type { ChannelUnderTest } from '../contract/channel';
import { controlFake, evidenceOf, temporaryLog } from '../dev/fake-control';

export const ACCOUNT = { accountSid: `AC${'0'.repeat(32)}`, authToken: 'token' };
/** Twilio's magic number that may send. Source: Twilio, "Test credentials". */
export const FROM = '+15005550006';
export const TO = '+14155550100';
/** Short, so that the tests of silence are; far above what loopback needs. */
export const TIMEOUT_MS = 1_000;
/** An approved template that says whatever its only variable says. */
export const CONTENT_SID = `HX${'1'.repeat(32)}`;

/** A text on a channel that takes nothing else. */
export function textOf(body: string): MessageContent {
  return { body, language: 'en' };
}

/** What each channel has of its own; everything else is the same provider. */
interface Differences {
  name: keyof TwilioChannels['channels'];
  contentOf: (text: string) => MessageContent;
  /** What the fake must know before the first message. */
  setUp?: Record<string, unknown>;
  storesText: boolean;
  sidPrefix: string;
  finalStatus: string;
  /** How a message that was accepted ends badly, in the fake's words. */
  failure: { statuses: string[]; errorCode?: number };
  /** Number and text of an accepted message, from the fake's log. */
  read: (accepted: StoredEvidence) => { to: unknown; text: unknown };
}

const DIFFERENCES: Record<Differences['name'], Differences> = {
  sms: {
    name: 'sms',
    contentOf: textOf,
    storesText: true,
    sidPrefix: 'SM',
    finalStatus: 'delivered',
    failure: { statuses: ['sent', 'undelivered'], errorCode: 30003 },
    read: ({ to, body }) => ({ to, text: body }),
  },
  whatsapp: {
    name: 'whatsapp',
    contentOf: (text) => ({ ...textOf(text), contentSid: CONTENT_SID, contentVariables: { 1: text } }),
    setUp: { contents: [{ sid: CONTENT_SID, body: '{{1}}' }] },
    storesText: true,
    sidPrefix: 'SM',
    finalStatus: 'delivered',
    failure: { statuses: ['sent', 'undelivered'], errorCode: 63024 },
    read: ({ to, body }) => ({ to: String(to).replace(/^whatsapp:/, ''), text: body }),
  },
  voice: {
    name: 'voice',
    contentOf: textOf,
    storesText: false,
    sidPrefix: 'CA',
    finalStatus: 'completed',
    failure: { statuses: ['initiated', 'ringing', 'no-answer'] },
    read: ({ to, twiml }) => ({ to, text: spokenIn(String(twiml))[0] }),
  },
};

/** What a TwiML document has said, one text for each Say. */
export function spokenIn(twiml: string): string[] {
  return [...twiml.matchAll(/<Say[^>]*>(.*?)<\/Say>/gs)].map(([, escaped]) =>
    (escaped ?? '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  );
}

/** A fake Twilio of its own and one channel on it. */
export async function startTwilioSubject(name: Differences['name']): Promise<ChannelUnderTest> {
  const { contentOf, setUp, storesText, sidPrefix, finalStatus, failure, read } = DIFFERENCES[name];
  const log = temporaryLog();
  const fake = await startFakeTwilio({ port: 0, logFile: log.logFile });
  await controlFake(fake.url, setUp ?? {});
  // The fake itself answers it with 404, which is an answer: what comes of the reports is no matter here.
  const callbackUrl = (attemptId: string): string => `${fake.url}/reports?na=${attemptId}&t=x`;
  const twilio = createTwilioChannels({
    ...ACCOUNT,
    from: { sms: FROM, whatsapp: FROM, voice: FROM },
    baseUrl: fake.url,
    timeoutMs: TIMEOUT_MS,
    statusCallbackUrl: callbackUrl,
  });
  return {
    channel: twilio.channels[name] as Channel,
    contentOf,
    storesText,
    goodAddress: TO,
    badAddress: '+15005550001',
    unknownSid: `${sidPrefix}${'f'.repeat(32)}`,
    finalStatus,
    planFault: async (action) => {
      await controlFake(fake.url, { faults: [{ action }] });
    },
    planFailure: async () => {
      await controlFake(fake.url, { outcomes: [failure] });
      return {
        status: failure.statuses.at(-1) ?? '',
        errorCode: failure.errorCode === undefined ? null : String(failure.errorCode),
      };
    },
    takeDown: async () => {
      await controlFake(fake.url, { down: true });
    },
    setListLagMs: async (listLagMs) => {
      await controlFake(fake.url, { listLagMs });
    },
    evidence: async () => ({
      accepted: (await evidenceOf(fake.url, 'accepted')).map((accepted) => ({
        sid: accepted['sid'] as string,
        statusCallback: accepted['statusCallback'] as string | null,
        ...(read(accepted) as { to: string; text: string }),
      })),
      sendRequests: (await evidenceOf(fake.url, 'request')).filter(
        ({ method, path }) => method === 'POST' && String(path).endsWith('s.json'),
      ).length,
    }),
    callbackUrl,
    stop: async () => {
      twilio.close();
      await fake.close();
      log.remove();
    },
  };
}
