import type { EventEnvelope } from '../domain/events';
import { readCombinations } from './patterns/combinations';
import { compileMatcher } from './patterns/matcher';
import { PATTERN_BYTES_MAX, PATTERN_LEAVES_MAX, refusal } from './patterns/refusal';
import { requirementsOf, type Requirement } from './patterns/requirements';
import { isObject } from './patterns/values';

/** A pattern that was checked once and can be asked often. */
export interface CompiledPattern {
  /** True when every member of the pattern finds one of its values in the event. Pure, never throws. */
  matches(event: EventEnvelope): boolean;
  /**
   * For each way through the pattern's `$or`: what an event must hold for it to match, in keys that an index can look up. For an
   * event that lacks one of them in every way, an index need not ask the pattern.
   */
  requirements: readonly (readonly Requirement[])[];
}

/**
 * Compiles an event pattern in the language of EventBridge (Classic), as AWS's event-ruler reads it; docs/event-patterns.md
 * describes it and names every difference. Lists hold alternatives, members must all match, an array in the event
 * matches by any of its elements, and all conditions on an array of objects must be met by the same element. Keys are
 * literal own keys. A match takes time linear in the event for any pattern that is accepted.
 *
 * @param pattern - parsed JSON
 * @throws InvalidPatternError (not retryable), with a JSON pointer into the pattern
 */
export function compilePattern(pattern: unknown): CompiledPattern {
  const combinations = readCombinations(pattern, { leavesLeft: PATTERN_LEAVES_MAX });
  const bytes = Buffer.byteLength(JSON.stringify(pattern));
  if (bytes > PATTERN_BYTES_MAX) {
    throw refusal([], `The pattern has ${bytes} bytes; at most ${PATTERN_BYTES_MAX} are allowed.`);
  }
  const matchers = combinations.map(compileMatcher);
  return {
    matches: (event) => isObject(event) && matchers.some((matches) => matches(event)),
    requirements: combinations.map(requirementsOf),
  };
}
