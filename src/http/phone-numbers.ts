import { parsePhoneNumberFromString, type PhoneNumber } from 'libphonenumber-js/max';
import { InvalidValueError } from '../errors';
import { E164 } from '../domain/message-rules';
import { z } from './zod';

/** Of the last number that was asked for: a request asks for the same one several times in a row. */
let last: { phone: string; parsed: PhoneNumber | undefined } | undefined;

function parse(phone: string): PhoneNumber | undefined {
  if (last?.phone !== phone) last = { phone, parsed: parsePhoneNumberFromString(phone) };
  return last.parsed;
}

/**
 * True for a number that can exist and costs its owner's callers no more than a call: premium-rate numbers are how
 * message pumping earns money. Possible, not valid: numbering plans change faster than any library, and the provider
 * says what it cannot reach.
 */
function isReachable(phone: string): boolean {
  const number = parse(phone);
  return number !== undefined && number.isPossible() && number.getType() !== 'PREMIUM_RATE';
}

/** A number that messages may be sent to. */
export const Phone = z
  .string()
  .regex(E164, {
    abort: true,
    message: 'This must be an E.164 number: a plus, the country code, the number.',
  })
  .refine(isReachable, 'This is not a number that messages are sent to.')
  .openapi({ example: '+15005550006', description: 'E.164' });

/** ISO 3166 code of a number's country, in capitals; null when it cannot be told, as of satellite phones. */
export function countryOf(phone: string): string | null {
  return parse(phone)?.country ?? null;
}

/**
 * Refuses the number of a country that nobody is to be told in: fraudsters order to numbers that they earn money with.
 * @param countries - null: every country is allowed
 * @param pointer - where the number stands in the body
 * @throws InvalidValueError also for a number whose country cannot be told
 */
export function assertAllowedCountry(
  country: string | null,
  countries: ReadonlySet<string> | null,
  pointer: string,
): void {
  if (countries === null || (country !== null && countries.has(country))) return;
  const message = 'No messages are sent to numbers of this country.';
  throw new InvalidValueError(message, { fields: [{ pointer, message }] });
}
