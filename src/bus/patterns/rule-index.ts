import { jsonPointer } from '../json-pointer';
import type { Requirement } from './requirements';
import { objectsIn, ownMember, scalarsIn, type JsonObject, type Scalar } from './values';

/** Which entries an event can match at all. */
export interface RuleIndex {
  /** Positions of these entries, ascending. An entry that is left out cannot match. */
  candidates(event: object): number[];
}

/** What an entry asks for: for each of the ways in which it can match, what it requires. */
type Entry = readonly (readonly Requirement[])[];

/** One member of the event: what is looked up there and below. */
interface Branch {
  positionsByValue: Map<Scalar, number[]>;
  members: Map<string, Branch>;
}

/**
 * Builds an index over compiled patterns: each way of each pattern is filed under one of its required exact values, the
 * one that the fewest others share, so that an event is tested only by rules that ask for something it holds. A way
 * without any exact value is tested always.
 */
export function createRuleIndex(entries: readonly Entry[]): RuleIndex {
  const shared = countSharers(entries);
  const always = new Set<number>();
  const root = newBranch();
  entries.forEach((ways, position) => {
    for (const requirements of ways) {
      const chosen = mostSelective(requirements, shared);
      if (chosen === undefined) always.add(position);
      else file(chosen, position, root);
    }
  });
  return {
    candidates(event) {
      const found = new Set(always);
      for (const object of objectsIn(event)) collect(root, object, found);
      return [...found].sort((left, right) => left - right);
    },
  };
}

/** How many ways ask for a value at a path. */
type Sharers = ReadonlyMap<string, ReadonlyMap<Scalar, number>>;

function countSharers(entries: readonly Entry[]): Sharers {
  const sharers = new Map<string, Map<Scalar, number>>();
  for (const { path, values } of entries.flat(2)) {
    const name = jsonPointer(path);
    const counts = sharers.get(name) ?? new Map<Scalar, number>();
    sharers.set(name, counts);
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return sharers;
}

function mostSelective(requirements: readonly Requirement[], shared: Sharers): Requirement | undefined {
  const rated = requirements.map((requirement) => {
    const counts = shared.get(jsonPointer(requirement.path));
    let sharers = 0;
    for (const value of requirement.values) sharers += counts?.get(value) ?? 0;
    return { requirement, sharers };
  });
  return rated.sort((left, right) => left.sharers - right.sharers)[0]?.requirement;
}

function file({ path, values }: Requirement, position: number, root: Branch): void {
  let branch = root;
  for (const key of path) {
    const next = branch.members.get(key) ?? newBranch();
    branch.members.set(key, next);
    branch = next;
  }
  for (const value of values) {
    const positions = branch.positionsByValue.get(value);
    if (positions === undefined) branch.positionsByValue.set(value, [position]);
    else positions.push(position);
  }
}

function newBranch(): Branch {
  return { positionsByValue: new Map(), members: new Map() };
}

/** Follows the event and the index together, along whichever has fewer members: neither's size alone decides. */
function collect(branch: Branch, object: JsonObject, found: Set<number>): void {
  const keys = Object.keys(object);
  if (keys.length < branch.members.size) {
    for (const key of keys) {
      const below = branch.members.get(key);
      if (below !== undefined) collectMember(below, object[key], found);
    }
    return;
  }
  for (const [key, below] of branch.members) collectMember(below, ownMember(object, key), found);
}

function collectMember(branch: Branch, value: unknown, found: Set<number>): void {
  if (value === undefined) return;
  if (branch.positionsByValue.size > 0) {
    for (const scalar of scalarsIn(value)) {
      for (const position of branch.positionsByValue.get(scalar) ?? []) found.add(position);
    }
  }
  if (branch.members.size > 0) for (const object of objectsIn(value)) collect(branch, object, found);
}
