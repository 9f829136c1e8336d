import fc from 'fast-check';
import { formatMoney, isCurrency } from '../../src/domain/money';

describe('money', () => {
  it.each([
    [5990, 'EUR', 'EUR 59.90'],
    [5, 'EUR', 'EUR 0.05'],
    [500, 'JPY', 'JPY 500'],
    [1234, 'KWD', 'KWD 1.234'],
    // ISO 4217 has two decimals for these; the runtime's own table has none.
    [104500, 'HUF', 'HUF 1045.00'],
    [104500, 'IDR', 'IDR 1045.00'],
    [12345, 'CLF', 'CLF 1.2345'],
    [-1999, 'USD', 'USD -19.99'],
    [0, 'EUR', 'EUR 0.00'],
  ])('shows %d minor units of %s as %s', (amount, currency, text) => {
    expect(formatMoney(amount, currency)).toBe(text);
  });

  it('loses no digit of any amount', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.constantFrom('EUR', 'JPY', 'KWD'), (amount, currency) => {
        expect(
          formatMoney(amount, currency)
            .replace(/\D/g, '')
            .replace(/^0+(?=\d)/, ''),
        ).toBe(String(amount));
      }),
    );
  });

  it.each(['EUR', 'USD', 'JPY'])('knows %s', (code) => expect(isCurrency(code)).toBe(true));
  it.each(['eur', 'US$', 'XXX', 'XTS', 'XAU', '', 'EURO'])('refuses %p', (code) =>
    expect(isCurrency(code)).toBe(false),
  );
});
