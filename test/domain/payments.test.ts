import fc from 'fast-check';
import { paymentKey, refundKey, statusAfterRefund } from '../../src/domain/payments';

describe('payments', () => {
  it.each([
    [1000, 0, 'PAID'],
    [1000, 1, 'PARTIALLY_REFUNDED'],
    [1000, 999, 'PARTIALLY_REFUNDED'],
    [1000, 1000, 'REFUNDED'],
  ])('captured %d, refunded %d: %s', (captured, refunded, status) => {
    expect(statusAfterRefund(captured, refunded)).toBe(status);
  });

  it('never gives two different calls one idempotency key', () => {
    const call = fc.tuple(
      fc.uuid(),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom('authorize', 'capture', 'void'),
    );
    fc.assert(
      fc.property(call, call, (one, other) => {
        expect(
          paymentKey(...(one as [string, number, 'void'])) ===
            paymentKey(...(other as [string, number, 'void'])),
        ).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
    );
    expect(refundKey('r', 2)).toBe('refund:r:2');
  });
});
