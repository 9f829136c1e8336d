import { blockDigits, blockHolds, parseAddress, parseAddressBlock } from './address';
import { compileAnythingBut } from './anything-but';
import { ignoringCase } from './ignore-case';
import { foldedKey, partKey, PRESENT, valueKey, type LookupKey } from './lookup';
import type { ScalarOperator } from './scalar-operator';
import { compileNumeric } from './numeric';
import { refusal, type Budget, type Place } from './refusal';
import { isObject, type JsonObject } from './values';
import { compileWildcard, wildcardKey } from './wildcard';

/** What an operator asks for: a scalar that passes, or that there is none. */
export type Operator = ScalarOperator | 'absent';
type Compile = (operand: unknown, place: Place, budget: Budget) => Operator;

const IGNORE_CASE = 'equals-ignore-case';

const OPERATORS: ReadonlyMap<string, Compile> = new Map<string, Compile>([
  ['exactly', (operand, place) => equalTo(text(operand, place))],
  ['prefix', compilePrefix],
  ['suffix', compileSuffix],
  [IGNORE_CASE, compileIgnoringCase],
  ['wildcard', compileWildcardOperator],
  ['anything-but', (...operand) => ({ test: compileAnythingBut(...operand), key: PRESENT })],
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

function compilePrefix(operand: unknown, place: Place): ScalarOperator {
  if (isObject(operand)) {
    const prefix = ignoredCaseText(operand, place);
    return onText(ignoringCase(prefix).startsWith, foldedKey('start', prefix));
  }
  const prefix = text(operand, place);
  return onText((value) => value.startsWith(prefix), partKey('start', prefix));
}

function compileSuffix(operand: unknown, place: Place): ScalarOperator {
  if (isObject(operand)) {
    const suffix = ignoredCaseText(operand, place);
    return onText(ignoringCase(suffix).endsWith, foldedKey('end', suffix));
  }
  const suffix = text(operand, place);
  return onText((value) => value.endsWith(suffix), partKey('end', suffix));
}

function compileIgnoringCase(operand: unknown, place: Place): ScalarOperator {
  const wanted = text(operand, place);
  return onText(ignoringCase(wanted).equals, foldedKey('whole', wanted));
}

function compileWildcardOperator(operand: unknown, place: Place): ScalarOperator {
  const pattern = text(operand, place);
  return onText(compileWildcard(pattern, place), wildcardKey(pattern));
}

function ignoredCaseText(operand: JsonObject, place: Place): string {
  const [name, ...others] = Object.keys(operand);
  if (name !== IGNORE_CASE || others.length > 0) {
    throw refusal(place, `A prefix or suffix is a text, or {"${IGNORE_CASE}": "text"}.`);
  }
  return text(operand[name], [...place, name]);
}

function compileCidr(operand: unknown, place: Place): ScalarOperator {
  const block = parseAddressBlock(text(operand, place));
  if (block === null) throw refusal(place, 'A block of addresses is like "10.0.0.0/8" or "2001:db8::/32".');
  return onText(
    (value) => {
      const address = parseAddress(value);
      return address !== null && blockHolds(block, address);
    },
    partKey('start', blockDigits(block), 'address'),
  );
}

function compileExists(operand: unknown, place: Place): Operator {
  if (typeof operand !== 'boolean') throw refusal(place, 'exists is true or false.');
  return operand ? { test: () => true, key: PRESENT } : 'absent';
}

function text(operand: unknown, place: Place): string {
  if (typeof operand !== 'string') throw refusal(place, 'This operator takes a text.');
  return operand;
}

function onText(test: (value: string) => boolean, key: LookupKey): ScalarOperator {
  return { test: (value) => typeof value === 'string' && test(value), key };
}

/** Spelled as it stands, also an address: what finds all its spellings finds this one. */
function equalTo(wanted: string): ScalarOperator {
  return { test: (value) => value === wanted, key: valueKey(wanted) };
}
