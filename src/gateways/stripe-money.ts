import { decimalsOf } from '../domain/money';

/**
 * Stripe's minor units are not always those of ISO 4217, which our amounts are in.
 * Source: docs.stripe.com/currencies, "Zero-decimal currencies", "Three-decimal currencies" and "Special cases".
 */

/** The amount cannot be said in Stripe's units. Ours to tell, before anything is sent. */
export const NOT_REPRESENTABLE = 'amount_not_representable';

/** The charge and the amount are the same number. */
const ZERO_DECIMALS = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '));
const THREE_DECIMALS = new Set('BHD JOD KWD OMR TND'.split(' '));
/** Without decimals, and yet sent with two that must be 00. UGX stands on the list of zero decimals too; this rule wins. */
const ALWAYS_00 = new Set(['ISK', 'UGX']);

/** Three decimals are sent with the last one 0. */
const THREE_DECIMAL_STEP = 10;
const HUNDREDTHS = 100;

/** @returns null when Stripe cannot take this amount in this currency, for instance half an ariary */
export function toStripeAmount(amountMinor: number, currency: string): number | null {
  const amount = shifted(amountMinor, stripeDecimals(currency) - decimalsOf(currency));
  if (!Number.isSafeInteger(amount)) return null;
  return amount % stepOf(currency) === 0 ? amount : null;
}

/** @returns null when the amount cannot be said in our units */
export function fromStripeAmount(amount: number, currency: string): number | null {
  const amountMinor = shifted(amount, decimalsOf(currency) - stripeDecimals(currency));
  return Number.isSafeInteger(amountMinor) ? amountMinor : null;
}

/** By so many decimals. It is divided where it gets smaller, because a whole result of a division is exact. */
function shifted(amount: number, decimals: number): number {
  return decimals >= 0 ? amount * 10 ** decimals : amount / 10 ** -decimals;
}

function stepOf(currency: string): number {
  if (ALWAYS_00.has(currency)) return HUNDREDTHS;
  return THREE_DECIMALS.has(currency) ? THREE_DECIMAL_STEP : 1;
}

function stripeDecimals(currency: string): number {
  if (ZERO_DECIMALS.has(currency)) return 0;
  return THREE_DECIMALS.has(currency) ? 3 : 2;
}
