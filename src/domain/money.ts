/**
 * Amounts are whole minor units (cents, yen) as safe integers, with an ISO 4217 code beside them. No floats, no bigints:
 * Temporal's payloads are JSON.
 */

/** Codes of ISO 4217 that name no money anyone can pay with: tests, metals, funds and "no currency". */
const NOT_PAYABLE = new Set([
  'XXX',
  'XTS',
  'XAU',
  'XAG',
  'XPT',
  'XPD',
  'XBA',
  'XBB',
  'XBC',
  'XBD',
  'XDR',
  'XSU',
  'XUA',
]);

const PAYABLE = new Set(Intl.supportedValuesOf('currency').filter((code) => !NOT_PAYABLE.has(code)));

/** True for an upper-case ISO 4217 code that an order can be paid in. */
export function isCurrency(code: string): boolean {
  return PAYABLE.has(code);
}

/** Source: ISO 4217, table A.1, "minor unit"; every other currency has 2. */
const NO_DECIMALS = new Set('BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' '));
const THREE_DECIMALS = new Set('BHD IQD JOD KWD LYD OMR TND'.split(' '));
const FOUR_DECIMALS = new Set(['CLF', 'UYW']);

/** Of ISO 4217. The table is ours, because that of the runtime is not ISO's: it gives forint and rupiah no decimals. */
export function decimalsOf(currency: string): number {
  if (NO_DECIMALS.has(currency)) return 0;
  if (THREE_DECIMALS.has(currency)) return 3;
  return FOUR_DECIMALS.has(currency) ? 4 : 2;
}

/**
 * An amount as a person reads it, for instance `EUR 59.90` or `JPY 500`. The number of decimals is the currency's own.
 * @param amountMinor - minor units of `currency`
 */
export function formatMoney(amountMinor: number, currency: string): string {
  const digits = decimalsOf(currency);
  const sign = amountMinor < 0 ? '-' : '';
  const text = String(Math.abs(amountMinor)).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  return `${currency} ${sign}${whole}${digits > 0 ? `.${text.slice(-digits)}` : ''}`;
}
