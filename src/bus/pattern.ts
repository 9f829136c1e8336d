import type { EventEnvelope } from '../domain/events';
import { InvalidPatternError } from '../errors';
import { jsonPointer } from './json-pointer';

/** Objects within objects. Deeper patterns are mistakes, and the limit bounds the recursion. Source: bad-input, row 47. */
const PATTERN_DEPTH_MAX = 10;
/** Values in all lists together: bounds the work of one match. Source: bad-input, row 47. */
const PATTERN_LEAVES_MAX = 200;
/** UTF-8 bytes of the pattern as JSON without whitespace. Source: bad-input, row 47. */
const PATTERN_BYTES_MAX = 4_096;

/** A pattern that was checked once and can be asked often. */
export interface CompiledPattern {
  /** True when every member of the pattern finds one of its values in the event. Pure, never throws. */
  matches(event: EventEnvelope): boolean;
}

type Scalar = string | number | boolean | null;
type JsonObject = Record<string, unknown>;
type Path = readonly (string | number)[];

/** Asks the value at one place of the event; `undefined` is a place that the event does not have. */
type Matcher = (value: unknown) => boolean;
/** One alternative of a list. It gets all scalars at that place, none when it is absent, so that operators fit in. */
type LeafTest = (values: readonly Scalar[]) => boolean;

interface Budget {
  leavesLeft: number;
}

const NO_MEMBERS: readonly JsonObject[] = [{}];

/**
 * Compiles an event pattern: exact values in EventBridge's pattern language. Lists hold alternatives, members must all
 * match, an array in the event matches by any of its elements, and all conditions on an array of objects must be met by
 * the same element (as AWS's event-ruler does it). Keys are literal own keys. Numbers are compared by value, not by
 * spelling: an event was parsed before it gets here, so 300 and 3.0e2 are the same.
 *
 * @param pattern - parsed JSON
 * @throws InvalidPatternError (not retryable), with a JSON pointer into the pattern
 */
export function compilePattern(pattern: unknown): CompiledPattern {
  const matcher = compileObject(pattern, [], { leavesLeft: PATTERN_LEAVES_MAX });
  const bytes = Buffer.byteLength(JSON.stringify(pattern));
  if (bytes > PATTERN_BYTES_MAX) {
    throw refusal([], `The pattern has ${bytes} bytes; at most ${PATTERN_BYTES_MAX} are allowed.`);
  }
  return { matches: (event) => matcher(event) };
}

function compileObject(pattern: unknown, path: Path, budget: Budget): Matcher {
  if (!isObject(pattern)) throw refusal(path, 'A pattern is a JSON object.');
  if (path.length >= PATTERN_DEPTH_MAX) {
    throw refusal(path, `Objects are nested more than ${PATTERN_DEPTH_MAX} deep.`);
  }
  const fields = Object.keys(pattern).map((key) => ({
    key,
    matches: compileField(key, pattern[key], [...path, key], budget),
  }));
  if (fields.length === 0)
    throw refusal(path, 'An empty object matches nothing in particular; name a member.');
  return (value) =>
    objectsIn(value).some((object) => fields.every(({ key, matches }) => matches(ownMember(object, key))));
}

function compileField(key: string, pattern: unknown, path: Path, budget: Budget): Matcher {
  if (key === '$or') throw refusal(path, 'Unknown operator "$or".');
  if (Array.isArray(pattern)) return compileList(pattern, path, budget);
  if (isObject(pattern)) return compileObject(pattern, path, budget);
  throw refusal(path, 'A value to match stands in a list, for instance ["value"].');
}

function compileList(list: readonly unknown[], path: Path, budget: Budget): Matcher {
  if (list.length === 0) throw refusal(path, 'An empty list matches nothing; name a value.');
  budget.leavesLeft -= list.length;
  if (budget.leavesLeft < 0) throw refusal(path, `The pattern has more than ${PATTERN_LEAVES_MAX} values.`);
  const exactValues = new Set(list.map((entry, index) => exactValue(entry, [...path, index])));
  const tests: readonly LeafTest[] = [(values) => values.some((value) => exactValues.has(value))];
  return (value) => {
    const values = scalarsIn(value);
    return tests.some((test) => test(values));
  };
}

function exactValue(entry: unknown, path: Path): Scalar {
  if (isScalar(entry)) return entry;
  if (Array.isArray(entry)) throw refusal(path, 'A list within a list matches nothing.');
  if (!isObject(entry)) throw refusal(path, 'A value is a string, a finite number, true, false or null.');
  const operator = Object.keys(entry)[0];
  if (operator === undefined) throw refusal(path, 'An operator is missing in the empty object.');
  throw refusal([...path, operator], `Unknown operator ${JSON.stringify(operator)}.`);
}

/** The objects at a place, those in arrays included. A place without any has no members, but can still be asked for them. */
function objectsIn(value: unknown): readonly JsonObject[] {
  if (isObject(value)) return [value];
  if (!Array.isArray(value)) return NO_MEMBERS;
  const objects = elementsOf(value).filter(isObject);
  return objects.length > 0 ? objects : NO_MEMBERS;
}

function scalarsIn(value: unknown): readonly Scalar[] {
  if (isScalar(value)) return [value];
  return Array.isArray(value) ? elementsOf(value).filter(isScalar) : [];
}

/** All elements, arrays within arrays opened. A loop: an event of 64 KB can nest deeper than the stack allows. */
function elementsOf(array: readonly unknown[]): unknown[] {
  const elements: unknown[] = [];
  const open: unknown[] = [array];
  while (open.length > 0) {
    const value = open.pop();
    if (!Array.isArray(value)) elements.push(value);
    else for (const element of value) open.push(element);
  }
  return elements;
}

/** Own members only: a pattern on `__proto__` or `toString` must not find what every object inherits. */
function ownMember(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): value is Scalar {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

function refusal(path: Path, message: string): InvalidPatternError {
  return new InvalidPatternError(message, { fields: [{ pointer: jsonPointer(path), message }] });
}
