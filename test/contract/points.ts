import type { AwardRequest, PointsLedger } from '../../src/gateways/points';
import { expectMismatch, expectUnknown, type ParticipantUnderTest } from './participant';

export interface PointsLedgerUnderTest extends ParticipantUnderTest {
  ledger: PointsLedger;
  /** Points that the customer has, by the ledger's own evidence. */
  balanceOf(customerId: string): Promise<number>;
}

/** What every points ledger must keep. `start` brings up one without entries that refuses `cus_refused`. */
export function describePointsLedgerContract(
  name: string,
  start: () => Promise<PointsLedgerUnderTest>,
): void {
  describe(`points ledger contract: ${name}`, () => {
    let subject: PointsLedgerUnderTest;
    let ledger: PointsLedger;

    beforeEach(async () => {
      subject = await start();
      ledger = subject.ledger;
    });
    afterEach(async () => {
      await ledger.close();
      await subject.stop();
    });

    const request = (changes: Partial<AwardRequest> = {}): AwardRequest => ({
      entryId: 'ent_1',
      customerId: 'cus_1',
      orderId: 'ord_1',
      points: 19,
      ...changes,
    });
    const reverse = () => ledger.reverse({ entryId: 'ent_1' });
    const balance = () => subject.balanceOf('cus_1');

    it('awards and adds up', async () => {
      expect(await ledger.award(request())).toEqual({ kind: 'awarded' });
      expect(await ledger.award(request({ entryId: 'ent_2', points: 5 }))).toEqual({ kind: 'awarded' });

      expect(await balance()).toBe(24);
    });

    it('awards once under ten awards at once', async () => {
      const results = await Promise.all(Array.from({ length: 10 }, () => ledger.award(request())));

      expect(results).toEqual(Array(10).fill({ kind: 'awarded' }));
      expect(await balance()).toBe(19);
    });

    it.each<Partial<AwardRequest>>([{ points: 20 }, { orderId: 'ord_2' }, { customerId: 'cus_2' }])(
      'refuses the id for another request (%j), without retry',
      async (changes) => {
        await ledger.award(request());

        await expectMismatch(ledger.award(request(changes)));

        expect(await balance()).toBe(19);
        expect(await subject.balanceOf('cus_2')).toBe(0);
      },
    );

    it('tells a refusal for good, again and again', async () => {
      const refused = request({ customerId: 'cus_refused' });

      const results = [await ledger.award(refused), await ledger.award(refused)];

      expect(results).toEqual(Array(2).fill({ kind: 'refused', code: 'account_closed' }));
      expect(await reverse()).toEqual({ kind: 'unknown' });
      expect(await subject.balanceOf('cus_refused')).toBe(0);
    });

    it('takes back what was awarded, once, and never awards it again', async () => {
      await ledger.award(request());
      await ledger.award(request({ entryId: 'ent_2', points: 5 }));

      const results = [await reverse(), await reverse()];

      expect(results).toEqual([{ kind: 'reversed' }, { kind: 'reversed' }]);
      expect(await ledger.award(request())).toEqual({ kind: 'refused', code: 'reversed' });
      expect(await balance()).toBe(5);
    });

    it('makes an award impossible that was reversed before it arrived', async () => {
      const results = [await reverse(), await reverse()];

      expect(results).toEqual([{ kind: 'unknown' }, { kind: 'unknown' }]);
      expect(await ledger.award(request())).toEqual({ kind: 'refused', code: 'reversed' });
      expect(await balance()).toBe(0);
    });

    it.each(['lost_before', 'lost_after'] as const)(
      'awards once although the answer is %s',
      async (fault) => {
        await subject.plan(fault, 'award');

        await expectUnknown(ledger.award(request()));

        expect(await ledger.award(request())).toEqual({ kind: 'awarded' });
        expect(await balance()).toBe(19);
      },
    );

    it('takes back once although the answer is lost', async () => {
      await ledger.award(request());
      await subject.plan('lost_after', 'reverse');

      await expectUnknown(reverse());

      expect(await reverse()).toEqual({ kind: 'reversed' });
      expect(await balance()).toBe(0);
    });

    it('never awards what was overtaken by its reverse', async () => {
      await subject.plan('late', 'award');
      await expectUnknown(ledger.award(request()));

      expect(await reverse()).toEqual({ kind: 'unknown' });
      await subject.settleLate();

      expect(await balance()).toBe(0);
    });

    it('throws when the answer names another entry', async () => {
      await subject.plan('mismatch', 'award');

      await expectMismatch(ledger.award(request()));
    });
  });
}
