import type { Choices } from './choices';

/**
 * Cases about array consistency alone: arrays of objects within each other, and patterns that ask for values and for
 * absence at every level. With all operators and names in play such cases come by too rarely.
 */
const KEYS = ['a', 'b', 'b-c'];
const DEPTH_MAX = 3;

export function arrayEvent(choices: Choices, depth = 0): Record<string, unknown> {
  const keys = KEYS.filter(() => choices.chance(75));
  return Object.fromEntries(keys.map((key) => [key, arrayValue(choices, depth)]));
}

function arrayValue(choices: Choices, depth: number): unknown {
  if (depth >= DEPTH_MAX || choices.chance(40)) return choices.pick(['x', 'y', ['x', 'y'], []]);
  if (choices.chance(25)) return arrayEvent(choices, depth + 1);
  const elements = choices.several(1, 3, () => arrayEvent(choices, depth + 1));
  return choices.chance(10) ? [elements, arrayEvent(choices, depth + 1)] : elements;
}

/** A pattern that one choice of elements of the event likely meets: by what it has, and by what only others have. */
export function arrayPattern(
  choices: Choices,
  event: Record<string, unknown>,
  depth = 0,
): Record<string, unknown> {
  const members = KEYS.filter(() => choices.chance(75)).map((key): [string, unknown] => [
    key,
    arrayMember(choices, event[key], depth),
  ]);
  if (members.length === 0) members.push([choices.pick(KEYS), arrayLeaf(choices)]);
  if (depth < DEPTH_MAX && choices.chance(8)) {
    members.push(['$or', choices.several(2, 2, () => arrayPattern(choices, event, depth + 1))]);
  }
  return Object.fromEntries(members);
}

function arrayMember(choices: Choices, value: unknown, depth: number): unknown {
  const elements = [value].flat(DEPTH_MAX);
  const objects = elements.filter((element) => typeof element === 'object') as Record<string, unknown>[];
  if (depth < DEPTH_MAX && objects.length > 0 && choices.chance(90)) {
    return arrayPattern(choices, choices.pick(objects), depth + 1);
  }
  if (elements.includes('x') && choices.chance(80)) return choices.pick([['x'], ['x', { exists: false }]]);
  if (value === undefined && choices.chance(80)) return [{ exists: false }];
  return arrayLeaf(choices);
}

function arrayLeaf(choices: Choices): unknown[] {
  return choices.pick<unknown[]>([
    ...[['x'], ['x', 'y'], [{ exists: true }], [{ exists: false }], [{ exists: false }]],
    ...[['x', { exists: false }], [{ 'anything-but': 'x' }, { exists: false }], [{ 'anything-but': 'x' }]],
  ]);
}
