import { jsonPointer } from '../json-pointer';
import { compileLeaf, type Leaf } from './leaf';
import { PATTERN_COMBINATIONS_MAX, PATTERN_DEPTH_MAX, refusal, type Budget, type Place } from './refusal';
import { isObject, type JsonObject } from './values';

/** What must hold at one path of the event. */
export interface Condition {
  path: readonly string[];
  leaf: Leaf;
}

/** One way through every `$or`: conditions that must all hold, by path. */
type Combination = Map<string, Condition>;

/** Where the reader is: in the pattern, in the event, and whether within a branch of `$or`. */
interface Position {
  place: Place;
  path: readonly string[];
  depth: number;
  inOr: boolean;
}

const OR = '$or';
/** event-ruler takes these for a misplaced operator when they stand in a branch of `$or`. Source: its Constants.java. */
const RESERVED_IN_OR: ReadonlySet<string> = new Set([
  ...['exactly', 'equals-ignore-case', 'prefix', 'suffix', 'anything-but', 'exists', 'wildcard', 'numeric'],
  ...['cidr', '=', '<', '<=', '>', '>=', 'regex', 'not-wildcard', 'not-equals-ignore-case', 'date-after'],
  ...['date-on-or-after', 'date-before', 'date-on-or-before', 'in-date-range', 'ip-address-in-range'],
  'ip-address-not-in-range',
]);

/**
 * Reads a pattern into the ways in which it can match. A path that is asked for twice in one way, outside of a `$or`
 * and in a branch, keeps what was read last, as in event-ruler.
 * @throws InvalidPatternError with a pointer to what is wrong
 */
export function readCombinations(pattern: unknown, budget: Budget): Condition[][] {
  const start: Position = { place: [], path: [], depth: 0, inOr: false };
  return readObject(pattern, start, [new Map() as Combination], budget).map((combination) => [
    ...combination.values(),
  ]);
}

/** Adds the object's conditions to each of the ways that led to it; the ways given are changed. */
function readObject(
  pattern: unknown,
  position: Position,
  before: Combination[],
  budget: Budget,
): Combination[] {
  const { place, depth } = position;
  if (!isObject(pattern)) throw refusal(place, 'A pattern is a JSON object.');
  if (depth >= PATTERN_DEPTH_MAX) {
    throw refusal(place, `Objects are nested more than ${PATTERN_DEPTH_MAX} deep.`);
  }
  const keys = Object.keys(pattern);
  if (keys.length === 0)
    throw refusal(place, 'An empty object matches nothing in particular; name a member.');
  return keys.reduce((combinations, key) => readMember(pattern, key, position, combinations, budget), before);
}

function readMember(
  pattern: JsonObject,
  key: string,
  position: Position,
  combinations: Combination[],
  budget: Budget,
): Combination[] {
  const value = pattern[key];
  const inner: Position = {
    place: [...position.place, key],
    path: [...position.path, key],
    depth: position.depth + 1,
    inOr: position.inOr,
  };
  if (key === OR) return readOr(value, { ...inner, path: position.path, inOr: true }, combinations, budget);
  if (position.inOr && RESERVED_IN_OR.has(key)) {
    throw refusal(inner.place, `${JSON.stringify(key)} is an operator; in a branch of $or stand members.`);
  }
  if (isObject(value)) return readObject(value, inner, combinations, budget);
  if (!Array.isArray(value)) {
    throw refusal(inner.place, 'A value to match stands in a list, for instance ["value"].');
  }
  const leaf = compileLeaf(value, inner.place, budget);
  for (const combination of combinations) {
    combination.set(jsonPointer(inner.path), { path: inner.path, leaf });
  }
  return combinations;
}

function readOr(branches: unknown, position: Position, before: Combination[], budget: Budget): Combination[] {
  const { place } = position;
  if (!Array.isArray(branches) || branches.length < 2) {
    throw refusal(place, '$or is a list of at least two objects.');
  }
  const combinations: Combination[] = [];
  branches.forEach((branch, index) => {
    const copies = before.map((combination) => new Map(combination));
    for (const one of readObject(branch, { ...position, place: [...place, index] }, copies, budget)) {
      combinations.push(one);
    }
    if (combinations.length > PATTERN_COMBINATIONS_MAX) {
      throw refusal(place, `$or makes more than ${PATTERN_COMBINATIONS_MAX} combinations.`);
    }
  });
  return combinations;
}
