import { isObject, isScalar, type JsonObject, type Scalar } from './values';
import { wildcardHead } from './wildcard';

/**
 * What an index can look up: every value that meets a condition is one of these values, or a text that begins with one
 * of these prefixes.
 */
export interface Lookup {
  values: readonly Scalar[];
  prefixes: readonly string[];
}

/**
 * What can be looked up for a list of alternatives that was found to be valid.
 * @returns null when one of them finds values that begin in any way, or is met by absence
 */
export function lookupOf(list: readonly unknown[]): Lookup | null {
  const values = list.filter(isScalar);
  const prefixes = list.filter(isObject).map(requiredPrefix);
  if (prefixes.includes('')) return null;
  return { values, prefixes };
}

/** What each text begins with that the operator finds; empty when that is not known. */
function requiredPrefix({ exactly, prefix, wildcard }: JsonObject): string {
  if (typeof wildcard === 'string') return wildcardHead(wildcard);
  if (typeof prefix === 'string') return prefix;
  return typeof exactly === 'string' ? exactly : '';
}
