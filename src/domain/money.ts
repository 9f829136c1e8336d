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

/**
 * An amount as a person reads it, for instance `EUR 59.90` or `JPY 500`. The number of decimals is the currency's own.
 * @param amountMinor - minor units of `currency`
 */
export function formatMoney(amountMinor: number, currency: string): string {
  const digits =
    new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  const sign = amountMinor < 0 ? '-' : '';
  const text = String(Math.abs(amountMinor)).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  return `${currency} ${sign}${whole}${digits > 0 ? `.${text.slice(-digits)}` : ''}`;
}
