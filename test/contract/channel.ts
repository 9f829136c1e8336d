import type { Channel, SendResult } from '../../src/channels/channel';

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
  goodAddress: string;
  /** Refused for good. */
  badAddress: string;
  planFault(fault: ChannelFault): Promise<void>;
  /** How long an accepted message is missing from the provider's list. */
  setListLagMs(lagMs: number): Promise<void>;
  /** What the provider accepted and how often it was asked to, by its own evidence. */
  evidence(): Promise<{ accepted: { sid: string; to: string; body: string }[]; sendRequests: number }>;
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

/** What every way to reach a person must keep. `start` brings up a provider without any message. */
export function describeChannelContract(name: string, start: () => Promise<ChannelUnderTest>): void {
  describe(`channel contract: ${name}`, () => {
    let subject: ChannelUnderTest;
    const since = (): string => new Date().toISOString();
    const send = (body: string, to = subject.goodAddress): Promise<SendResult> =>
      subject.channel.send({ to, body, attemptId: 'att_1' });

    beforeEach(async () => {
      subject = await start();
    });
    afterEach(async () => {
      await subject.stop();
    });

    it("sends one message and tells the provider's sid", async () => {
      const result = await send('Order #1 confirmed.');

      const { accepted } = await subject.evidence();
      expect(accepted).toMatchObject([{ to: subject.goodAddress, body: 'Order #1 confirmed.' }]);
      expect(result).toMatchObject({ kind: 'accepted', sid: accepted[0]?.sid });
      expect(result.latencyMs).toBeGreaterThanOrEqual(0);
    });

    it('tells a refusal for good, without the address in its message', async () => {
      const result = await send('hello', subject.badAddress);

      expect(result.kind).toBe('rejected');
      expect(JSON.stringify(result)).not.toContain(subject.badAddress);
      expect((await subject.evidence()).accepted).toHaveLength(0);
    });

    it.each(Object.entries(EXPECTED))('%s: asks once and says what is known', async (fault, expected) => {
      await subject.planFault(fault as ChannelFault);
      const startedAt = since();

      const result = await send('Order #2 confirmed.');

      expect(result.kind).toBe(expected.kind);
      const { accepted, sendRequests } = await subject.evidence();
      expect(sendRequests).toBe(1);
      expect(accepted).toHaveLength(expected.accepted);
      const found = await subject.channel.find({
        to: subject.goodAddress,
        body: 'Order #2 confirmed.',
        since: startedAt,
      });
      expect(found.map(({ sid }) => sid)).toEqual(accepted.map(({ sid }) => sid));
    });

    it('works again after a fault', async () => {
      await subject.planFault('cut_after_accept');
      await send('first');

      const result = await send('second');

      expect(result.kind).toBe('accepted');
    });

    it('finds exactly this text to this person, newest first', async () => {
      const startedAt = since();
      const first = await send('same text');
      await send('same text.');
      await send('Same text');
      const second = await send('same text');

      const found = await subject.channel.find({
        to: subject.goodAddress,
        body: 'same text',
        since: startedAt,
      });
      const others = await subject.channel.find({ to: '+15005550010', body: 'same text', since: startedAt });

      const sids = [second, first].map((result) => (result.kind === 'accepted' ? result.sid : null));
      expect(found.map(({ sid }) => sid)).toEqual(sids);
      expect(others).toEqual([]);
    });

    it('looks back as far as the clocks may differ and no further', async () => {
      await send('old');

      const find = (inSeconds: number): Promise<unknown[]> =>
        subject.channel.find({
          to: subject.goodAddress,
          body: 'old',
          since: new Date(Date.now() + inSeconds * 1000).toISOString(),
        });

      expect(await find(3)).toHaveLength(1);
      expect(await find(60)).toHaveLength(0);
    });

    it('finds nothing while the list lags, without an error', async () => {
      const startedAt = since();
      await subject.setListLagMs(60_000);
      await send('late');

      const find = (): Promise<unknown[]> =>
        subject.channel.find({ to: subject.goodAddress, body: 'late', since: startedAt });

      expect(await find()).toHaveLength(0);
      await subject.setListLagMs(0);
      expect(await find()).toHaveLength(1);
    });

    it('keeps many messages at once apart', async () => {
      const results = await Promise.all(Array.from({ length: 20 }, (_, n) => send(`message ${n}`)));

      const sids = results.map((result) => (result.kind === 'accepted' ? result.sid : null));
      const { accepted } = await subject.evidence();
      expect(new Set(sids)).toEqual(new Set(accepted.map(({ sid }) => sid)));
      results.forEach((result, n) => {
        const owned = accepted.find(({ sid }) => result.kind === 'accepted' && sid === result.sid);
        expect(owned?.body).toBe(`message ${n}`);
      });
    });
  });
}
