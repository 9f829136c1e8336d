import { valueKey, type Range } from './lookup';
import type { ScalarOperator } from './scalar-operator';
import { refusal, type Place } from './refusal';

type Comparison = (value: number, bound: number) => boolean;

const COMPARISONS: ReadonlyMap<unknown, Comparison> = new Map<unknown, Comparison>([
  ['=', (value, bound) => value === bound],
  ['>', (value, bound) => value > bound],
  ['>=', (value, bound) => value >= bound],
  ['<', (value, bound) => value < bound],
  ['<=', (value, bound) => value <= bound],
]);

const FORM = 'numeric is ["=", n], [">", n], ["<", n] (or >=, <=), or a range such as [">", n, "<=", m].';

/**
 * Compiles `{"numeric": […]}`: one comparison, or a range from a lower bound to a higher one, in this order. Numbers
 * are compared as doubles, so 5, 5.0 and 5e0 are the same; text that looks like a number is none.
 * @throws InvalidPatternError for any other form, and for a range in which nothing can lie
 */
export function compileNumeric(operand: unknown, place: Place): ScalarOperator {
  if (!Array.isArray(operand) || (operand.length !== 2 && operand.length !== 4)) throw refusal(place, FORM);
  const [operator, bound, upperOperator, upperBound] = operand as unknown[];
  const compare = comparison(operator, [...place, 0]);
  const lower = finite(bound, [...place, 1]);
  if (operand.length === 2) {
    return {
      test: (value) => typeof value === 'number' && compare(value, lower),
      key: operator === '=' ? valueKey(lower) : rangeOf(operator, lower),
    };
  }
  if (operator !== '>' && operator !== '>=') throw refusal([...place, 0], FORM);
  if (upperOperator !== '<' && upperOperator !== '<=') throw refusal([...place, 2], FORM);
  const compareUpper = comparison(upperOperator, [...place, 2]);
  const upper = finite(upperBound, [...place, 3]);
  if (lower >= upper) throw refusal([...place, 3], 'A range ends above where it begins.');
  return {
    test: (value) => typeof value === 'number' && compare(value, lower) && compareUpper(value, upper),
    key: { from: lower, to: upper },
  };
}

function rangeOf(operator: unknown, bound: number): Range {
  return operator === '>' || operator === '>='
    ? { from: bound, to: Infinity }
    : { from: -Infinity, to: bound };
}

function comparison(operator: unknown, place: Place): Comparison {
  const compare = COMPARISONS.get(operator);
  if (compare === undefined) throw refusal(place, 'A comparison is one of =, >, >=, <, <=.');
  return compare;
}

function finite(bound: unknown, place: Place): number {
  if (typeof bound !== 'number' || !Number.isFinite(bound)) {
    throw refusal(place, 'A number is compared with a finite number.');
  }
  return bound;
}
