import { jsonPointer } from '../json-pointer';
import { PRESENT, type LookupKey } from './lookup';
import { countBelow } from './range-index';
import type { Requirement } from './requirements';

/** What all rules ask for at one path. */
interface Demand {
  keys: number;
  parts: Map<string, number>;
  /** Bounds of the ranges, sorted. The lower ones are negated, so that those above a value are counted as below. */
  negatedFroms: number[];
  tos: number[];
}

/**
 * Learns what many requirements ask for and tells of some of them which the fewest others share: ranges are shared by
 * those that overlap them, presence by all that is asked at its path, and the rest by what is looked up alike.
 */
export function createSelector(
  all: readonly Requirement[],
): (some: readonly Requirement[]) => Requirement | undefined {
  const demands = new Map<string, Demand>();
  for (const { path, keys } of all) {
    const name = jsonPointer(path);
    const demand = demands.get(name) ?? { keys: 0, parts: new Map(), negatedFroms: [], tos: [] };
    demands.set(name, demand);
    for (const key of keys) addKey(demand, key);
  }
  for (const { negatedFroms, tos } of demands.values()) {
    for (const bounds of [negatedFroms, tos]) bounds.sort((left, right) => left - right);
  }
  return (some) => {
    const rated = some.map((requirement) => {
      const demand = demands.get(jsonPointer(requirement.path))!;
      const sharers = requirement.keys.reduce((sum, key) => sum + sharersOf(demand, key), 0);
      return { requirement, sharers };
    });
    return rated.sort((left, right) => left.sharers - right.sharers)[0]?.requirement;
  };
}

function addKey(demand: Demand, key: LookupKey): void {
  demand.keys += 1;
  if ('from' in key) {
    demand.negatedFroms.push(-key.from);
    demand.tos.push(key.to);
  } else {
    const name = JSON.stringify(key);
    demand.parts.set(name, (demand.parts.get(name) ?? 0) + 1);
  }
}

function sharersOf({ keys, parts, negatedFroms, tos }: Demand, key: LookupKey): number {
  if (!('from' in key)) return key === PRESENT ? keys : (parts.get(JSON.stringify(key)) ?? 0);
  return tos.length - countBelow(key.from, tos) - countBelow(-key.to, negatedFroms);
}
