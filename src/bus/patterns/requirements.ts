import type { Condition } from './combinations';
import type { LookupKey } from './lookup';

/** A scalar with one of the keys must stand at the path, in any element of the arrays on the way. */
export interface Requirement {
  path: readonly string[];
  keys: readonly LookupKey[];
}

/** The conditions of one combination that an index can look up: those that absence does not meet. */
export function requirementsOf(conditions: readonly Condition[]): Requirement[] {
  return conditions.flatMap(({ path, leaf: { keys } }) => (keys === null ? [] : [{ path, keys }]));
}
