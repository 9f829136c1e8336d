import { partOf, READINGS, type LookupKey, type Part, type Reading } from './lookup';
import { createRangeIndex, type FiledRange, type RangeIndex } from './range-index';
import type { Requirement } from './requirements';
import { createSelector } from './selectivity';
import { objectsIn, ownMember, scalarsIn, type JsonObject, type Scalar } from './values';

/** Which entries an event can match at all. */
export interface RuleIndex {
  /** Positions of these entries, ascending. An entry that is left out cannot match. */
  candidates(event: object): readonly number[];
}

/** What an entry asks for: for each of the ways in which it can match, what it requires. */
type Entry = readonly (readonly Requirement[])[];

/** A requirement under which the entry at a position is found. */
interface Filing extends Requirement {
  position: number;
}

/** Positions by a part of what a scalar reads as. A start or an end has a length of its own in each table. */
interface Table {
  part: Part;
  length: number;
  positions: Map<Scalar, number[]>;
}

/** One member of the event: what is looked up there and below. */
interface Branch {
  tables: Map<Reading, Table[]>;
  ranges: RangeIndex | null;
  members: Map<string, Branch>;
}

/**
 * Builds an index over compiled patterns: each way of each pattern is filed under one of its requirements, the one that
 * the fewest others share, so that an event is tested only by rules that ask for something it holds. A way that requires
 * nothing, since absence will do, is tested always. The index grows with the keys; only a range takes more, by the
 * logarithm of their number.
 */
export function createRuleIndex(entries: readonly Entry[]): RuleIndex {
  const mostSelective = createSelector(entries.flat(2));
  const always: number[] = [];
  const filings: Filing[] = [];
  entries.forEach((ways, position) => {
    const chosen = ways.map(mostSelective);
    if (chosen.includes(undefined)) always.push(position);
    else for (const requirement of distinct(chosen)) filings.push({ ...requirement, position });
  });
  const root = buildBranch(filings, 0);
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

/** Ways through a `$or` share the lists of alternatives that stand outside of it, of which there can be 1,000 copies. */
function distinct(chosen: readonly (Requirement | undefined)[]): Iterable<Requirement> {
  const byKeys = new Map<Requirement['keys'], Requirement>();
  for (const requirement of chosen) if (requirement !== undefined) byKeys.set(requirement.keys, requirement);
  return byKeys.values();
}

/** Both are ascending and share nothing: sorting what is always asked for each event cost more than the asking. */
function merged(always: readonly number[], found: readonly number[]): readonly number[] {
  if (found.length === 0) return always;
  if (always.length === 0) return found;
  const positions: number[] = [];
  let next = 0;
  for (const position of found) {
    while (next < always.length && always[next]! < position) positions.push(always[next++]!);
    positions.push(position);
  }
  return positions.concat(always.slice(next));
}

function buildBranch(filings: readonly Filing[], depth: number): Branch {
  const tables: Branch['tables'] = new Map();
  const ranges: FiledRange[] = [];
  const below = new Map<string, Filing[]>();
  for (const filing of filings) {
    const { path, keys, position } = filing;
    const member = path[depth];
    if (member !== undefined) append(below, member, filing);
    else for (const key of keys) fileKey(key, position, tables, ranges);
  }
  return {
    tables,
    ranges: ranges.length === 0 ? null : createRangeIndex(ranges),
    members: new Map([...below].map(([member, inner]) => [member, buildBranch(inner, depth + 1)])),
  };
}

function fileKey(key: LookupKey, position: number, tables: Branch['tables'], ranges: FiledRange[]): void {
  if ('from' in key) {
    ranges.push({ ...key, position });
    return;
  }
  const { reading, part, text } = key;
  const length = part === 'whole' ? 0 : String(text).length;
  let table = tables.get(reading)?.find((one) => one.part === part && one.length === length);
  if (table === undefined) {
    table = { part, length, positions: new Map() };
    append(tables, reading, table);
  }
  append(table.positions, text, position);
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
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
  if (branch.tables.size > 0 || branch.ranges !== null) {
    for (const scalar of scalarsIn(value)) collectScalar(branch, scalar, found);
  }
  if (branch.members.size > 0) for (const object of objectsIn(value)) collect(branch, object, found);
}

function collectScalar({ tables, ranges }: Branch, scalar: Scalar, found: Set<number>): void {
  for (const [reading, ofReading] of tables) {
    const read = READINGS[reading](scalar);
    if (read === undefined) continue;
    for (const { part, length, positions } of ofReading) {
      if (part === 'whole') addAll(positions.get(read), found);
      else if (typeof read === 'string') addAll(positions.get(partOf(read, part, length)), found);
    }
  }
  if (ranges === null || typeof scalar !== 'number') return;
  for (const positions of ranges(scalar)) addAll(positions, found);
}

function addAll(positions: readonly number[] | undefined, found: Set<number>): void {
  if (positions !== undefined) for (const position of positions) found.add(position);
}
