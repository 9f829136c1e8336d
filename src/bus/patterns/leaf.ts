import { parseAddress, sameAddress, type Address } from './address';
import { valueKey, type LookupKey } from './lookup';
import { compileOperator } from './operators';
import type { ScalarTest } from './scalar-operator';
import { refusal, takeLeaves, type Budget, type Place } from './refusal';
import { isObject, isScalar, scalarsIn, type Scalar } from './values';

/** What a pattern asks of one place of the event. */
export interface Leaf {
  /** True when one of the scalars at the place, which may be an array, is one of the list's alternatives. */
  matches(value: unknown): boolean;
  /** True when the list has `{"exists": false}`: no scalar at the place will do as well. */
  orAbsent: boolean;
  /** One of these has each scalar that matches, for an index of rules; null when absence may match. */
  keys: readonly LookupKey[] | null;
}

/**
 * Compiles a list of alternatives.
 * @throws InvalidPatternError when the list is empty or one of its entries is neither a value nor an operator
 */
export function compileLeaf(list: readonly unknown[], place: Place, budget: Budget): Leaf {
  if (list.length === 0) throw refusal(place, 'An empty list matches nothing; name a value.');
  takeLeaves(budget, list.length, place);
  const exact = new Set<Scalar>();
  const tests: ScalarTest[] = [];
  const keys: LookupKey[] = [];
  let orAbsent = false;
  list.forEach((entry, index) => {
    const entryPlace = [...place, index];
    if (isScalar(entry)) {
      exact.add(entry);
      const address = typeof entry === 'string' ? parseAddress(entry) : null;
      if (address !== null) tests.push(addressTest(address));
      keys.push(valueKey(entry));
      return;
    }
    if (Array.isArray(entry)) throw refusal(entryPlace, 'A list within a list matches nothing.');
    if (!isObject(entry))
      throw refusal(entryPlace, 'A value is a string, a finite number, true, false or null.');
    const operator = compileOperator(entry, entryPlace, budget);
    if (operator === 'absent') {
      orAbsent = true;
      return;
    }
    tests.push(operator.test);
    keys.push(operator.key);
  });
  const one: ScalarTest = (value) => exact.has(value) || tests.some((test) => test(value));
  return {
    matches: (value) => (isScalar(value) ? one(value) : scalarsIn(value).some(one)),
    orAbsent,
    keys: orAbsent ? null : keys,
  };
}

/** An address is compared as an address, as event-ruler does it: `::1` is `0:0:0:0:0:0:0:1`. */
function addressTest(address: Address): ScalarTest {
  return (value) => {
    const other = typeof value === 'string' ? parseAddress(value) : null;
    return other !== null && sameAddress(address, other);
  };
}
