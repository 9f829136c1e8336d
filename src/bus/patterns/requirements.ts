import type { Condition } from './combinations';
import type { Lookup } from './lookup';

/** Something that meets the lookup must stand at the path, in any element of the arrays on the way. */
export interface Requirement extends Lookup {
  path: readonly string[];
}

/** The conditions of one combination that an index can look up. */
export function requirementsOf(conditions: readonly Condition[]): Requirement[] {
  return conditions.flatMap(({ path, leaf: { lookup } }) => (lookup === null ? [] : [{ path, ...lookup }]));
}
