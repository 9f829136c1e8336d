import { parseAddress } from '../../src/bus/patterns/address';
import { isObject, scalarsIn, type JsonObject } from '../../src/bus/patterns/values';

/**
 * Where event-ruler and we differ on purpose. Each has a row in docs/event-patterns.md, "Differences", under the name
 * that is given here. A pair that no predicate takes must come out the same.
 */
export type Difference =
  | 'names with dots'
  | 'quotes at the open end'
  | 'case outside of the basic plane'
  | 'addresses against numbers'
  | 'address families'
  | 'mask spellings'
  | 'empty lists to deny'
  | 'subnormal numbers'
  | 'value and members at one path';

/** The smallest double with all its bits. */
const NORMAL_MIN = 2.2250738585072014e-308;

/** A list of alternatives and where it looks. */
interface List {
  path: string[];
  entries: readonly unknown[];
}

/** The first difference that the pair falls under; null when both must agree. */
export function differenceOf(pattern: unknown, events: readonly JsonObject[]): Difference | null {
  const lists = [...listsOf(pattern, [])];
  const operators = lists.flatMap(({ entries }) => entries.filter(isObject));
  if ([pattern, ...events].some(hasDottedName)) return 'names with dots';
  if ([pattern, ...events].some(hasSubnormal)) return 'subnormal numbers';
  if (operators.some(endsInQuote)) return 'quotes at the open end';
  if (operators.some(ignoresCaseOfAstral)) return 'case outside of the basic plane';
  if (operators.some(hasOddMask)) return 'mask spellings';
  if (operators.some(deniesEmptyList)) return 'empty lists to deny';
  for (const { path, entries } of lists) {
    const families = entries.flatMap(familiesOf);
    const values = families.length === 0 ? [] : events.flatMap((event) => valuesAt(event, path));
    if (values.some((value) => typeof value === 'number')) return 'addresses against numbers';
    const others = values.flatMap((value) => familyOf(value) ?? []);
    if (others.some((family) => families.some((asked) => asked !== family))) return 'address families';
  }
  if (events.some(hasNestedArray) && hasValueAndMembers(lists)) return 'value and members at one path';
  return null;
}

function* listsOf(pattern: unknown, path: string[]): Generator<List> {
  if (!isObject(pattern)) return;
  for (const [key, value] of Object.entries(pattern)) {
    if (key === '$or' && Array.isArray(value)) for (const branch of value) yield* listsOf(branch, path);
    else if (Array.isArray(value)) yield { path: [...path, key], entries: value };
    else yield* listsOf(value, [...path, key]);
  }
}

/** event-ruler joins names with dots and then cannot tell `{"a.b": …}` from `{"a": {"b": …}}`, nor "" from nothing. */
function hasDottedName(document: unknown): boolean {
  if (Array.isArray(document)) return document.some(hasDottedName);
  if (!isObject(document)) return false;
  return Object.entries(document).some(
    ([key, value]) => key === '' || key.includes('.') || hasDottedName(value),
  );
}

/** Java 17 writes the smallest number 4.9E-324, so that event-ruler takes 5e-324 for one that a double cannot hold. */
function hasSubnormal(document: unknown): boolean {
  if (typeof document === 'number') return document !== 0 && Math.abs(document) < NORMAL_MIN;
  if (typeof document !== 'object' || document === null) return false;
  return Object.values(document).some(hasSubnormal);
}

/** event-ruler compares texts with their quotes, so the prefix `a"` finds the text `a`. */
function endsInQuote(operator: JsonObject): boolean {
  const inner = isObject(operator['anything-but']) ? operator['anything-but'] : operator;
  return (
    textsOf(inner['prefix']).some((prefix) => prefix.endsWith('"')) ||
    textsOf(inner['suffix']).some((suffix) => suffix.startsWith('"'))
  );
}

/** event-ruler folds case by UTF-16 unit, and half of a pair becomes "?". */
function ignoresCaseOfAstral(operator: JsonObject): boolean {
  return (
    JSON.stringify(operator).includes('equals-ignore-case') &&
    /[\u{10000}-\u{10ffff}]/u.test(JSON.stringify(operator))
  );
}

/** `10.0.0.0/8/` and `/+8` pass event-ruler. */
function hasOddMask(operator: JsonObject): boolean {
  const { cidr } = operator;
  return typeof cidr === 'string' && /\/$|\/\+/.test(cidr);
}

/** `{"anything-but": {"prefix": []}}` fails within event-ruler, or never matches, by what stands beside it. */
function deniesEmptyList({ 'anything-but': denied }: JsonObject): boolean {
  return isObject(denied) && Object.values(denied).some((list) => Array.isArray(list) && list.length === 0);
}

/** event-ruler compares an address by its hexadecimal digits: with those of a number, and of the other family. */
function familiesOf(entry: unknown): number[] {
  const text = isObject(entry) && typeof entry['cidr'] === 'string' ? entry['cidr'].split('/')[0] : entry;
  const family = familyOf(text);
  return family === null ? [] : [family];
}

function familyOf(value: unknown): number | null {
  return typeof value === 'string' ? (parseAddress(value)?.length ?? null) : null;
}

/** `{"a": ["x"], "$or": [{"a": {"b": …}}, …]}`: which elements of arrays in arrays belong together differs. */
function hasValueAndMembers(lists: readonly List[]): boolean {
  const paths = lists.map(({ path }) => JSON.stringify(path).slice(0, -1));
  return paths.some((path) => paths.some((other) => other.startsWith(`${path},`)));
}

function hasNestedArray(document: unknown): boolean {
  if (Array.isArray(document))
    return document.some((element) => Array.isArray(element) || hasNestedArray(element));
  return isObject(document) && Object.values(document).some(hasNestedArray);
}

/** The text, or texts, of an operand; with or without equals-ignore-case. */
function textsOf(operand: unknown): string[] {
  const inner = isObject(operand) ? operand['equals-ignore-case'] : operand;
  return (Array.isArray(inner) ? (inner as unknown[]) : [inner]).filter((text) => typeof text === 'string');
}

function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  const [key, ...rest] = path;
  if (key === undefined) return [...scalarsIn(value)];
  if (Array.isArray(value)) return value.flatMap((element) => valuesAt(element, path));
  return isObject(value) && Object.hasOwn(value, key) ? valuesAt(value[key], rest) : [];
}
