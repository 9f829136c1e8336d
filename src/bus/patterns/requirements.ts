import type { Condition } from './combinations';
import type { Scalar } from './values';

/** One of the values must stand at the path, in any element of the arrays on the way. */
export interface Requirement {
  path: readonly string[];
  values: readonly Scalar[];
}

/** The conditions of one combination that an index can look up: those that only exact values meet. */
export function requirementsOf(conditions: readonly Condition[]): Requirement[] {
  return conditions.flatMap(({ path, leaf: { exactValues: values } }) =>
    values === null ? [] : [{ path, values }],
  );
}
