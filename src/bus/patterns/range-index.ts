import type { Range } from './lookup';

/** A range and the position that it leads to. */
export interface FiledRange extends Range {
  position: number;
}

/** The positions of all ranges that hold a value, in lists that may name one more than once. */
export type RangeIndex = (value: number) => readonly (readonly number[])[];

/**
 * Builds a segment tree (Bentley, 1977): the bounds cut the numbers into slots, one for each bound and one for each
 * gap, and each range is kept at the fewest nodes that cover its slots. With n bounds a range is kept at no more than
 * 2 log2(2n) nodes and a value asks log2(2n), whatever the ranges overlap.
 */
export function createRangeIndex(ranges: readonly FiledRange[]): RangeIndex {
  const bounds = [...new Set(ranges.flatMap(({ from, to }) => [from, to]))].sort(
    (left, right) => left - right,
  );
  const slots = 2 * bounds.length + 1;
  const nodes: number[][] = Array.from({ length: 2 * slots }, () => []);
  for (const { from, to, position } of ranges) {
    let first = slots + slotOf(from, bounds);
    let end = slots + slotOf(to, bounds) + 1;
    for (; first < end; first >>= 1, end >>= 1) {
      if (first % 2 === 1) nodes[first++]!.push(position);
      if (end % 2 === 1) nodes[--end]!.push(position);
    }
  }
  return (value) => {
    const lists: (readonly number[])[] = [];
    for (let node = slots + slotOf(value, bounds); node > 0; node >>= 1) {
      if (nodes[node]!.length > 0) lists.push(nodes[node]!);
    }
    return lists;
  };
}

/** Bounds have the odd slots, the gaps around them the even ones. */
function slotOf(value: number, bounds: readonly number[]): number {
  const below = countBelow(value, bounds);
  return bounds[below] === value ? 2 * below + 1 : 2 * below;
}

/** How many of the ascending numbers are less than the value. */
export function countBelow(value: number, ascending: readonly number[]): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
