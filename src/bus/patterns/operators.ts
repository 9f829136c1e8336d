import { blockHolds, parseAddress, parseAddressBlock } from './address';
import { compileAnythingBut } from './anything-but';
import { ignoringCase } from './ignore-case';
import { compileNumeric } from './numeric';
import { refusal, type Budget, type Place } from './refusal';
import { isObject, type JsonObject, type Scalar } from './values';
import { compileWildcard } from './wildcard';

/** Asks one scalar of the event. */
export type ScalarTest = (value: Scalar) => boolean;
/** What an operator asks for: a value that passes, or that there is none. */
export type Operator = ScalarTest | 'absent';
type Compile = (operand: unknown, place: Place, budget: Budget) => Operator;

const IGNORE_CASE = 'equals-ignore-case';

const OPERATORS: ReadonlyMap<string, Compile> = new Map<string, Compile>([
  ['exactly', (operand, place) => equalTo(text(operand, place))],
  ['prefix', compilePrefix],
  ['suffix', compileSuffix],
  [IGNORE_CASE, (operand, place) => onText(ignoringCase(text(operand, place)).equals)],
  ['wildcard', (operand, place) => onText(compileWildcard(text(operand, place), place))],
  ['anything-but', compileAnythingBut],
  ['numeric', compileNumeric],
  ['cidr', compileCidr],
  ['exists', compileExists],
]);

/**
 * Compiles one object in a list, such as `{"prefix": "eu-"}`: one operator with its operand.
 * @throws InvalidPatternError when the operator is unknown or its operand has another form
 */
export function compileOperator(entry: JsonObject, place: Place, budget: Budget): Operator {
  const [name, ...others] = Object.keys(entry);
  if (name === undefined) throw refusal(place, 'An operator is missing in the empty object.');
  const compile = OPERATORS.get(name);
  if (compile === undefined) throw refusal([...place, name], `Unknown operator ${JSON.stringify(name)}.`);
  if (others.length > 0) throw refusal(place, 'An object in a list has one operator.');
  return compile(entry[name], [...place, name], budget);
}

function compilePrefix(operand: unknown, place: Place): ScalarTest {
  if (isObject(operand)) return onText(ignoringCase(ignoredCaseText(operand, place)).startsWith);
  const prefix = text(operand, place);
  return onText((value) => value.startsWith(prefix));
}

function compileSuffix(operand: unknown, place: Place): ScalarTest {
  if (isObject(operand)) return onText(ignoringCase(ignoredCaseText(operand, place)).endsWith);
  const suffix = text(operand, place);
  return onText((value) => value.endsWith(suffix));
}

function ignoredCaseText(operand: JsonObject, place: Place): string {
  const [name, ...others] = Object.keys(operand);
  if (name !== IGNORE_CASE || others.length > 0) {
    throw refusal(place, `A prefix or suffix is a text, or {"${IGNORE_CASE}": "text"}.`);
  }
  return text(operand[name], [...place, name]);
}

function compileCidr(operand: unknown, place: Place): ScalarTest {
  const block = parseAddressBlock(text(operand, place));
  if (block === null) throw refusal(place, 'A block of addresses is like "10.0.0.0/8" or "2001:db8::/32".');
  return onText((value) => {
    const address = parseAddress(value);
    return address !== null && blockHolds(block, address);
  });
}

function compileExists(operand: unknown, place: Place): Operator {
  if (typeof operand !== 'boolean') throw refusal(place, 'exists is true or false.');
  return operand ? () => true : 'absent';
}

function text(operand: unknown, place: Place): string {
  if (typeof operand !== 'string') throw refusal(place, 'This operator takes a text.');
  return operand;
}

function onText(test: (value: string) => boolean): ScalarTest {
  return (value) => typeof value === 'string' && test(value);
}

function equalTo(wanted: string): ScalarTest {
  return (value) => value === wanted;
}
