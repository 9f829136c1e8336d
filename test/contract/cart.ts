import type { Cart, CartRequest } from '../../src/gateways/cart';
import { expectMismatch, expectUnknown, type ParticipantUnderTest } from './participant';

export interface CartUnderTest extends ParticipantUnderTest {
  cart: Cart;
  /** Whether the order took the cart's content and has not given it back, by the cart's own evidence. */
  isCleared(request: CartRequest): Promise<boolean>;
  /** How often anything was cleared. */
  clearings(): Promise<number>;
}

/** What every cart must keep. `start` brings up one where nothing was cleared; `unknown_1` is no cart. */
export function describeCartContract(name: string, start: () => Promise<CartUnderTest>): void {
  describe(`cart contract: ${name}`, () => {
    let subject: CartUnderTest;
    let cart: Cart;

    beforeEach(async () => {
      subject = await start();
      cart = subject.cart;
    });
    afterEach(async () => {
      await cart.close();
      await subject.stop();
    });

    const request: CartRequest = { cartId: 'cart_1', orderId: 'ord_1' };
    const other: CartRequest = { cartId: 'cart_1', orderId: 'ord_2' };
    const isCleared = () => subject.isCleared(request);

    it('clears once under ten clears at once', async () => {
      const results = await Promise.all(Array.from({ length: 10 }, () => cart.clear(request)));

      expect(results).toEqual(Array(10).fill({ kind: 'cleared' }));
      expect(await isCleared()).toBe(true);
      expect(await subject.clearings()).toBe(1);
    });

    it('says when it does not know the cart', async () => {
      const unknown = { cartId: 'unknown_1', orderId: 'ord_1' };

      expect(await cart.clear(unknown)).toEqual({ kind: 'unknown_cart' });
      expect(await cart.restore(unknown)).toEqual({ kind: 'unknown' });
      expect(await subject.clearings()).toBe(0);
    });

    it('gives back what was cleared, and never takes it again for that order', async () => {
      await cart.clear(request);

      const results = [await cart.restore(request), await cart.restore(request)];

      expect(results).toEqual([{ kind: 'restored' }, { kind: 'restored' }]);
      expect(await cart.clear(request)).toEqual({ kind: 'refused', code: 'restored' });
      expect(await isCleared()).toBe(false);
    });

    it('keeps two orders of one cart apart', async () => {
      await cart.clear(request);
      await cart.restore(request);

      expect(await cart.clear(other)).toEqual({ kind: 'cleared' });
      expect([await isCleared(), await subject.isCleared(other)]).toEqual([false, true]);
    });

    it('makes a clear impossible that was undone before it arrived', async () => {
      const results = [await cart.restore(request), await cart.restore(request)];

      expect(results).toEqual([{ kind: 'unknown' }, { kind: 'unknown' }]);
      expect(await cart.clear(request)).toEqual({ kind: 'refused', code: 'restored' });
      expect(await subject.clearings()).toBe(0);
    });

    it.each(['lost_before', 'lost_after'] as const)(
      'clears once although the answer is %s',
      async (fault) => {
        await subject.plan(fault, 'clear');

        await expectUnknown(cart.clear(request));

        expect(await cart.clear(request)).toEqual({ kind: 'cleared' });
        expect(await subject.clearings()).toBe(1);
      },
    );

    it('gives back although the answer is lost', async () => {
      await cart.clear(request);
      await subject.plan('lost_after', 'restore');

      await expectUnknown(cart.restore(request));

      expect(await cart.restore(request)).toEqual({ kind: 'restored' });
      expect(await isCleared()).toBe(false);
    });

    it('never clears what was overtaken by its restore', async () => {
      await subject.plan('late', 'clear');
      await expectUnknown(cart.clear(request));

      expect(await cart.restore(request)).toEqual({ kind: 'unknown' });
      await subject.settleLate();

      expect(await isCleared()).toBe(false);
    });

    it('throws when the answer names another cart', async () => {
      await subject.plan('mismatch', 'clear');

      await expectMismatch(cart.clear(request));
    });

    it.each(['..', 'a/../b', '%2e%2e', 'ü ?#', '\u202e'])('takes %j for the id of a cart', async (cartId) => {
      expect(await cart.clear({ cartId, orderId: 'ord_1' })).toEqual({ kind: 'cleared' });
      expect(await subject.isCleared({ cartId, orderId: 'ord_1' })).toBe(true);
    });
  });
}
