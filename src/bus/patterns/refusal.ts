import { InvalidPatternError } from '../../errors';
import { jsonPointer } from '../json-pointer';

/** Objects within objects, branches of `$or` included: bounds the recursion. Source: bad-input, row 47. */
export const PATTERN_DEPTH_MAX = 10;
/** Values in all lists together: bounds the work of one match. Source: bad-input, row 47. */
export const PATTERN_LEAVES_MAX = 200;
/** UTF-8 bytes of the pattern as JSON without whitespace. Source: bad-input, row 47. */
export const PATTERN_BYTES_MAX = 4_096;
/** Ways to choose one branch of every `$or`: each is matched on its own. Source: bad-input, row 47. */
export const PATTERN_COMBINATIONS_MAX = 1_000;

/** Where something stands in the pattern: the segments of a JSON pointer. */
export type Place = readonly (string | number)[];

/** What a pattern may still hold while it is read. */
export interface Budget {
  leavesLeft: number;
}

/** @throws InvalidPatternError when the pattern holds more values than a pattern may */
export function takeLeaves(budget: Budget, count: number, place: Place): void {
  budget.leavesLeft -= count;
  if (budget.leavesLeft < 0) throw refusal(place, `The pattern has more than ${PATTERN_LEAVES_MAX} values.`);
}

/** The error for a pattern that is not valid at one place. Not retryable. */
export function refusal(place: Place, message: string): InvalidPatternError {
  return new InvalidPatternError(message, { fields: [{ pointer: jsonPointer(place), message }] });
}
