import { jsonPointer } from '../json-pointer';
import type { Requirement } from './requirements';
import { objectsIn, ownMember, scalarsIn, type JsonObject, type Scalar } from './values';

/** Which entries an event can match at all. */
export interface RuleIndex {
  /** Positions of these entries, ascending. An entry that is left out cannot match. */
  candidates(event: object): readonly number[];
}

/** What an entry asks for: for each of the ways in which it can match, what it requires. */
type Entry = readonly (readonly Requirement[])[];

/** Characters of a prefix that are looked up: bounds the lookups for one text; the pattern itself asks for the rest. */
const PREFIX_LENGTH_MAX = 32;

/** One member of the event: what is looked up there and below. */
interface Branch {
  positionsByValue: Map<Scalar, number[]>;
  positionsByPrefix: Map<string, number[]>;
  prefixLengths: Set<number>;
  members: Map<string, Branch>;
}

/**
 * Builds an index over compiled patterns: each way of each pattern is filed under one of its required values or
 * prefixes, those that the fewest others share, so that an event is tested only by rules that ask for something it holds.
 * A way that requires neither is tested always.
 */
export function createRuleIndex(entries: readonly Entry[]): RuleIndex {
  const sharers = countSharers(entries);
  const always: number[] = [];
  const root = newBranch();
  entries.forEach((ways, position) => {
    const chosen = ways.map((requirements) => mostSelective(requirements, sharers));
    if (chosen.includes(undefined)) always.push(position);
    else for (const requirement of chosen) if (requirement !== undefined) file(requirement, position, root);
  });
  return {
    candidates(event) {
      const found = new Set<number>();
      for (const object of objectsIn(event)) collect(root, object, found);
      return merged(
        always,
        [...found].sort((left, right) => left - right),
      );
    },
  };
}

/** Both are ascending and share nothing: sorting what is always asked for each event cost more than the asking. */
function merged(always: readonly number[], found: readonly number[]): readonly number[] {
  if (found.length === 0) return always;
  const positions: number[] = [];
  let next = 0;
  for (const position of found) {
    while (next < always.length && always[next]! < position) positions.push(always[next++]!);
    positions.push(position);
  }
  return positions.concat(always.slice(next));
}

/** How many ways ask for a value, or a prefix, at a path. */
type Sharers = Map<string, Map<Scalar, number>>;

function countSharers(entries: readonly Entry[]): Sharers {
  const sharers: Sharers = new Map();
  for (const requirement of entries.flat(2)) {
    const counts = countsOf(requirement, sharers);
    for (const name of namesOf(requirement)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return sharers;
}

function countsOf({ path }: Requirement, sharers: Sharers): Map<Scalar, number> {
  const name = jsonPointer(path);
  const counts = sharers.get(name) ?? new Map<Scalar, number>();
  sharers.set(name, counts);
  return counts;
}

/** A value and a prefix of the same text count as one: close enough to choose by. */
function namesOf({ values, prefixes }: Requirement): Scalar[] {
  return [...values, ...prefixes.map(shortened)];
}

function mostSelective(requirements: readonly Requirement[], sharers: Sharers): Requirement | undefined {
  const rated = requirements.map((requirement) => {
    const counts = countsOf(requirement, sharers);
    let others = 0;
    for (const name of namesOf(requirement)) others += counts.get(name) ?? 0;
    return { requirement, others };
  });
  return rated.sort((left, right) => left.others - right.others)[0]?.requirement;
}

function file({ path, values, prefixes }: Requirement, position: number, root: Branch): void {
  let branch = root;
  for (const key of path) {
    const next = branch.members.get(key) ?? newBranch();
    branch.members.set(key, next);
    branch = next;
  }
  for (const value of values) append(branch.positionsByValue, value, position);
  for (const prefix of prefixes.map(shortened)) {
    append(branch.positionsByPrefix, prefix, position);
    branch.prefixLengths.add(prefix.length);
  }
}

function append<Key>(positions: Map<Key, number[]>, key: Key, position: number): void {
  const list = positions.get(key);
  if (list === undefined) positions.set(key, [position]);
  else list.push(position);
}

function shortened(prefix: string): string {
  return prefix.slice(0, PREFIX_LENGTH_MAX);
}

function newBranch(): Branch {
  return {
    positionsByValue: new Map(),
    positionsByPrefix: new Map(),
    prefixLengths: new Set(),
    members: new Map(),
  };
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
  if (branch.positionsByValue.size > 0 || branch.prefixLengths.size > 0) {
    for (const scalar of scalarsIn(value)) collectScalar(branch, scalar, found);
  }
  if (branch.members.size > 0) for (const object of objectsIn(value)) collect(branch, object, found);
}

function collectScalar(branch: Branch, scalar: Scalar, found: Set<number>): void {
  for (const position of branch.positionsByValue.get(scalar) ?? []) found.add(position);
  if (typeof scalar !== 'string') return;
  for (const length of branch.prefixLengths) {
    const positions = branch.positionsByPrefix.get(scalar.slice(0, length));
    for (const position of positions ?? []) found.add(position);
  }
}
