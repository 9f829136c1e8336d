import { ignoringCase } from './ignore-case';
import { refusal, takeLeaves, type Budget, type Place } from './refusal';
import { isObject, type Scalar } from './values';
import { compileWildcard } from './wildcard';

type TextTest = (text: string) => boolean;

/** The operators that can be denied. Each takes one text or a list of them. */
const DENIABLE: ReadonlyMap<string, (text: string, place: Place) => TextTest> = new Map([
  ['prefix', (prefix: string, place: Place) => notEmpty(prefix, place, (text) => text.startsWith(prefix))],
  ['suffix', (suffix: string, place: Place) => notEmpty(suffix, place, (text) => text.endsWith(suffix))],
  ['equals-ignore-case', (wanted: string) => ignoringCase(wanted).equals],
  ['wildcard', (pattern: string, place: Place) => compileWildcard(pattern, place)],
]);

/**
 * Compiles `{"anything-but": …}`: a text, a number, a list of texts or of numbers, or one of prefix, suffix, wildcard
 * and equals-ignore-case with a text or a list of texts. It matches every value that is there and is none of these;
 * in an array one such element is enough.
 * @throws InvalidPatternError for any other form
 */
export function compileAnythingBut(
  operand: unknown,
  place: Place,
  budget: Budget,
): (value: Scalar) => boolean {
  if (isObject(operand)) return compileDenied(operand, place, budget);
  const values = listOf(operand, place, budget);
  const type = typeof values[0];
  values.forEach((value, index) => {
    const valuePlace = Array.isArray(operand) ? [...place, index] : place;
    if (typeof value === 'number' ? !Number.isFinite(value) : typeof value !== 'string') {
      throw refusal(valuePlace, 'anything-but takes a text, a number, or a list of them.');
    }
    if (typeof value !== type)
      throw refusal(valuePlace, 'A list in anything-but has only texts or only numbers.');
  });
  const denied = new Set(values);
  return (value) => !denied.has(value);
}

function compileDenied(
  operand: Record<string, unknown>,
  place: Place,
  budget: Budget,
): (value: Scalar) => boolean {
  const [operator, ...others] = Object.keys(operand);
  if (operator === undefined || others.length > 0) throw refusal(place, 'anything-but takes one operator.');
  const operatorPlace = [...place, operator];
  const compile = DENIABLE.get(operator);
  if (compile === undefined) {
    throw refusal(
      operatorPlace,
      `anything-but takes one of ${[...DENIABLE.keys()].join(', ')}, not ${operator}.`,
    );
  }
  const texts = operand[operator];
  const denied = listOf(texts, operatorPlace, budget).map((text, index) => {
    const textPlace = Array.isArray(texts) ? [...operatorPlace, index] : operatorPlace;
    if (typeof text !== 'string') throw refusal(textPlace, `${operator} takes a text.`);
    return compile(text, textPlace);
  });
  return (value) => typeof value !== 'string' || !denied.some((matches) => matches(value));
}

/** One value counts as a list of one. The list itself was counted as one value of the pattern already. */
function listOf(operand: unknown, place: Place, budget: Budget): readonly unknown[] {
  if (!Array.isArray(operand)) return [operand];
  if (operand.length === 0) throw refusal(place, 'An empty list denies nothing; name a value.');
  takeLeaves(budget, operand.length - 1, place);
  return operand;
}

/** Every text begins and ends with nothing, so denying that would match no text at all. */
function notEmpty(text: string, place: Place, test: TextTest): TextTest {
  if (text === '') throw refusal(place, 'An empty text stands at each beginning and end; name one.');
  return test;
}
