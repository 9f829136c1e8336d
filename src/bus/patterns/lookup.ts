import { addressDigits, parseAddress } from './address';
import { foldCase } from './ignore-case';
import type { Scalar } from './values';

/** How a scalar of the event is read before it is looked up. */
export type Reading = 'itself' | 'folded' | 'address' | 'presence';
/** What of it is looked up. */
export type Part = 'whole' | 'start' | 'end';

/** The reading, or this part of it, is this text (or, of a whole one, this value). */
export interface PartKey {
  reading: Reading;
  part: Part;
  text: Scalar;
}

/** A number from one bound to the other, both included. */
export interface Range {
  from: number;
  to: number;
}

/** What an index can look up. Every scalar that an alternative takes has its key; others may have it too. */
export type LookupKey = PartKey | Range;

/** Any scalar at all. */
export const PRESENT: PartKey = { reading: 'presence', part: 'whole', text: true };

/** Characters of a start or an end that are looked up: bounds the lookups for one text; the pattern asks for the rest. */
const PART_LENGTH_MAX = 32;

/** What a scalar reads as; undefined when it cannot be read so. */
export const READINGS: Readonly<Record<Reading, (value: Scalar) => Scalar | undefined>> = {
  itself: (value) => value,
  folded: (value) => (typeof value === 'string' ? foldCase(value) : undefined),
  address: (value) => {
    const address = typeof value === 'string' ? parseAddress(value) : null;
    return address === null ? undefined : addressDigits(address);
  },
  presence: () => PRESENT.text,
};

/** The key of one value. An address is found in each of its spellings. */
export function valueKey(value: Scalar): PartKey {
  const digits = READINGS.address(value);
  if (digits !== undefined) return { reading: 'address', part: 'whole', text: digits };
  return { reading: 'itself', part: 'whole', text: value };
}

/** The key of texts that begin or end so. */
export function partKey(part: 'start' | 'end', text: string, reading: Reading = 'itself'): PartKey {
  if (text === '') return PRESENT;
  return { reading, part, text: partOf(text, part, Math.min(text.length, PART_LENGTH_MAX)) };
}

/** The key of texts that are, begin or end so in any case. Half a surrogate pair has another case than the pair. */
export function foldedKey(part: Part, text: string): PartKey {
  if (!text.isWellFormed()) return PRESENT;
  const folded = foldCase(text);
  return part === 'whole' ? { reading: 'folded', part, text: folded } : partKey(part, folded, 'folded');
}

/** The first or last units of a text; all of it when it has no more. The length is at least one. */
export function partOf(text: string, part: 'start' | 'end', length: number): string {
  return part === 'start' ? text.slice(0, length) : text.slice(-length);
}
