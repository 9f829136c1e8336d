import type { Channel, FoundMessage, MessageContent, SendResult } from '../../src/channels/channel';
import { GatewayUnavailableError } from '../../src/errors';
import { waitFor } from '../support/wait';

/** What a provider can be made to do with the next message, whatever the channel. */
export type ChannelFault =
  | '429'
  | '500_before_accept'
  | '500_after_accept'
  | 'timeout_after_accept'
  | 'cut_after_accept'
  | 'no_sid'
  | 'html'
  | 'refuse_connection_like_reset_before_accept';

export interface ChannelUnderTest {
  channel: Channel;
  /** What reaches a person on this channel at any time and says exactly this. */
  contentOf(text: string): MessageContent;
  /** Whether the provider keeps the text, so that `find` can tell messages to one person apart. */
  storesText: boolean;
  goodAddress: string;
  /** Refused for good by the provider. */
  badAddress: string;
  /** In the provider's form, known to nobody. */
  unknownSid: string;
  /** The status in which a message that went well ends. */
  finalStatus: string;
  planFault(fault: ChannelFault): Promise<void>;
  /** Makes the next message end badly after it was accepted; tells how the provider then reports on it. */
  planFailure(): Promise<{ status: string; errorCode: string | null }>;
  /** The provider answers nothing but 503. */
  takeDown(): Promise<void>;
  /** How long an accepted message is missing from the provider's list. */
  setListLagMs(lagMs: number): Promise<void>;
  /** What the provider accepted, to whom and with which text, and how often it was asked to, by its own evidence. */
  evidence(): Promise<{
    accepted: { sid: string; to: string; text: string; statusCallback: string | null }[];
    sendRequests: number;
  }>;
  /** The URL that the channel was told to have the provider report to. */
  callbackUrl(attemptId: string): string;
  stop(): Promise<void>;
}

const EXPECTED: Record<ChannelFault, { kind: SendResult['kind']; accepted: number }> = {
  '429': { kind: 'unsent', accepted: 0 },
  '500_before_accept': { kind: 'ambiguous', accepted: 0 },
  refuse_connection_like_reset_before_accept: { kind: 'ambiguous', accepted: 0 },
  '500_after_accept': { kind: 'ambiguous', accepted: 1 },
  timeout_after_accept: { kind: 'ambiguous', accepted: 1 },
  cut_after_accept: { kind: 'ambiguous', accepted: 1 },
  no_sid: { kind: 'ambiguous', accepted: 1 },
  html: { kind: 'ambiguous', accepted: 1 },
};

/** No text at all, and texts that look like one. */
const EMPTY_TEXTS = { nothing: '', 'white space': ' \n\t', 'what is invisible': '\u0007\u200b\ufeff' };

/** What must not be taken for a number: a lack of one, another channel's address, a client's name. */
const NO_NUMBERS = [
  '',
  '4155550100',
  '+0123456789',
  'whatsapp:+14155550100',
  'sip:a@shop.example',
  'client:a',
];

/** What every way to reach a person must keep. `start` brings up a provider without any message. */
export function describeChannelContract(name: string, start: () => Promise<ChannelUnderTest>): void {
  describe(`channel contract: ${name}`, () => {
    let subject: ChannelUnderTest;
    const since = (): string => new Date().toISOString();
    const send = (text: string, to = subject.goodAddress): Promise<SendResult> =>
      subject.channel.send({ to, attemptId: 'att_1', content: subject.contentOf(text) });
    const find = (body: string, from: string, to = subject.goodAddress): Promise<FoundMessage[]> =>
      subject.channel.find({ to, body, since: from });
    const sidOf = (result: SendResult): string => {
      if (result.kind !== 'accepted') throw new Error(`not accepted but ${JSON.stringify(result)}`);
      return result.sid;
    };

    beforeEach(async () => {
      subject = await start();
    });
    afterEach(async () => {
      await subject.stop();
    });

    it("sends one message with its attempt's callback and tells the provider's sid", async () => {
      const result = await send('Grüße & <Dank>, Order #1 confirmed.');

      const { accepted } = await subject.evidence();
      expect(accepted).toEqual([
        {
          sid: sidOf(result),
          to: subject.goodAddress,
          text: 'Grüße & <Dank>, Order #1 confirmed.',
          statusCallback: subject.callbackUrl('att_1'),
        },
      ]);
      expect(result.latencyMs).toBeGreaterThanOrEqual(0);
    });

    it('tells a refusal for good, without the address in its message', async () => {
      const result = await send('hello', subject.badAddress);

      expect(result.kind).toBe('rejected');
      expect(JSON.stringify(result)).not.toContain(subject.badAddress);
      expect((await subject.evidence()).accepted).toHaveLength(0);
    });

    it.each(Object.entries(EMPTY_TEXTS))('refuses %s without asking the provider', async (_name, text) => {
      const result = await send(text);

      expect(result).toMatchObject({ kind: 'rejected', code: 'body_empty' });
      expect((await subject.evidence()).sendRequests).toBe(0);
    });

    it.each(NO_NUMBERS)('never takes "%s" for a number', async (to) => {
      await send('to somebody');

      const result = await send('hello', to);
      const found = await find('to somebody', since(), to);

      expect(result).toMatchObject({ kind: 'rejected', code: 'invalid_number' });
      expect(found).toEqual([]);
      expect((await subject.evidence()).sendRequests).toBe(1);
    });

    it.each(Object.entries(EXPECTED))('%s: asks once and says what is known', async (fault, expected) => {
      await subject.planFault(fault as ChannelFault);
      const startedAt = since();

      const result = await send('Order #2 confirmed.');

      expect(result.kind).toBe(expected.kind);
      const { accepted, sendRequests } = await subject.evidence();
      expect(sendRequests).toBe(1);
      expect(accepted).toHaveLength(expected.accepted);
      const found = await find('Order #2 confirmed.', startedAt);
      expect(found.map(({ sid }) => sid)).toEqual(accepted.map(({ sid }) => sid));
    });

    it('works again after a fault', async () => {
      await subject.planFault('cut_after_accept');
      await send('first');

      const result = await send('second');

      expect(result.kind).toBe('accepted');
    });

    it('finds what may be this message to this person, newest first', async () => {
      const startedAt = since();
      const sent: SendResult[] = [];
      for (const text of ['same text', 'same text.', 'Same text', 'same text']) sent.push(await send(text));

      const found = await find('same text', startedAt);
      const others = await find('same text', startedAt, '+15005550010');

      const newestFirst = sent.map(sidOf).reverse();
      const expected = subject.storesText ? [newestFirst[0], newestFirst[3]] : newestFirst;
      expect(found.map(({ sid }) => sid)).toEqual(expected);
      expect(others).toEqual([]);
    });

    it('looks back as far as the clocks may differ and no further', async () => {
      await send('old');

      const findSince = (inSeconds: number): Promise<FoundMessage[]> =>
        find('old', new Date(Date.now() + inSeconds * 1000).toISOString());

      expect(await findSince(3)).toHaveLength(1);
      expect(await findSince(60)).toHaveLength(0);
    });

    it('finds nothing while the list lags, without an error', async () => {
      const startedAt = since();
      await subject.setListLagMs(60_000);
      await send('late');

      const during = await find('late', startedAt);
      await subject.setListLagMs(0);
      const after = await find('late', startedAt);

      expect(during).toHaveLength(0);
      expect(after).toHaveLength(1);
    });

    it('reads how a message fares until it has arrived', async () => {
      const startedAt = since();
      const sid = sidOf(await send('followed'));

      const report = await waitFor(`the message is ${subject.finalStatus}`, async () => {
        const now = await subject.channel.read(sid);
        return now?.status === subject.finalStatus && now;
      });

      expect(report.errorCode).toBeNull();
      expect(await find('followed', startedAt)).toEqual([{ sid, ...report }]);
    });

    it('reads that a message did not arrive, and why', async () => {
      const failure = await subject.planFailure();
      const sid = sidOf(await send('lost'));

      const report = await waitFor(`the message is ${failure.status}`, async () => {
        const now = await subject.channel.read(sid);
        return now?.status === failure.status && now;
      });

      expect(report.errorCode).toBe(failure.errorCode);
    });

    it('reads nothing of a sid that the provider does not know', async () => {
      expect(await subject.channel.read(subject.unknownSid)).toBeNull();
      expect(await subject.channel.read('../Messages')).toBeNull();
    });

    it('throws a retryable error while the provider cannot be asked, and says nothing of the person', async () => {
      const sid = sidOf(await send('before'));
      await subject.takeDown();

      const failures = await Promise.all(
        [find('before', since()), subject.channel.read(sid)].map((asked) =>
          asked.then(
            () => null,
            (error: unknown) => error,
          ),
        ),
      );

      for (const failure of failures) {
        expect(failure).toBeInstanceOf(GatewayUnavailableError);
        expect(failure).toMatchObject({ retryable: true });
        expect(String(failure)).not.toContain(subject.goodAddress);
      }
    });

    it('keeps many messages at once apart', async () => {
      const results = await Promise.all(Array.from({ length: 20 }, (_, n) => send(`message ${n}`)));

      const { accepted } = await subject.evidence();
      expect(accepted).toHaveLength(results.length);
      results.forEach((result, n) => {
        expect(accepted.find(({ sid }) => sid === sidOf(result))?.text).toBe(`message ${n}`);
      });
    });
  });
}
