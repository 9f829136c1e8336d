import type { Choices } from './choices';
import { anyKey } from './generate-event';
import { anyEntry, entryFor, ODD_ENTRIES } from './generate-operator';

type JsonObject = Record<string, unknown>;

/** Objects within objects: our limit is 10, and branches of `$or` count. */
const DEPTH_MAX = 5;
const RESERVED_NAMES = ['prefix', 'exists', '=', 'regex', 'numeric', 'date-after'];

/**
 * A pattern that likely matches the event: it asks for some of its members by operators made from their values, mixed
 * with alternatives, branches and mistakes that have nothing to do with it.
 */
export function patternFor(choices: Choices, event: JsonObject, depth = 0): JsonObject {
  const names = Object.keys(event);
  const chosen = names.length === 0 ? [] : choices.several(1, 3, () => choices.pick(names));
  const members = chosen.map((name): [string, unknown] => [name, memberFor(choices, event[name], depth)]);
  if (members.length === 0 || choices.chance(12)) members.push(anyMember(choices));
  if (depth < DEPTH_MAX && choices.chance(18)) {
    members.splice(choices.between(0, members.length), 0, ['$or', branchesFor(choices, event, depth)]);
  }
  return Object.fromEntries(members);
}

/** A member that the event may not have: often it must not. */
function anyMember(choices: Choices): [string, unknown] {
  if (choices.chance(3)) return [choices.pick(RESERVED_NAMES), ['a']];
  if (choices.chance(3)) return [anyKey(choices), choices.pick<unknown>([{}, 'a', null, 5, [], true])];
  if (choices.chance(25)) return [anyKey(choices), { [anyKey(choices)]: listOf(choices) }];
  return [anyKey(choices), choices.chance(60) ? [{ exists: false }] : listOf(choices)];
}

function memberFor(choices: Choices, value: unknown, depth: number): unknown {
  const elements = elementsOf(value);
  const objects = elements.filter(isObject);
  if (objects.length > 0 && depth < DEPTH_MAX && choices.chance(85)) {
    // Members of two elements, at times: array consistency decides.
    const merged = (choices.chance(30) ? Object.assign({}, ...objects) : choices.pick(objects)) as JsonObject;
    return patternFor(choices, merged, depth + 1);
  }
  const scalars = elements.filter((element) => !isObject(element));
  return listOf(choices, scalars.length === 0 ? undefined : { value: choices.pick(scalars) });
}

function listOf(choices: Choices, wanted?: { value: unknown }): unknown[] {
  const list = choices.several(wanted === undefined ? 1 : 0, 2, () => oddOrAny(choices));
  if (wanted !== undefined) {
    const entry = choices.chance(92) ? entryFor(choices, wanted.value) : oddOrAny(choices);
    list.splice(choices.between(0, list.length), 0, entry);
  }
  return list;
}

function oddOrAny(choices: Choices): unknown {
  return choices.chance(6) ? choices.pick(ODD_ENTRIES) : anyEntry(choices);
}

function branchesFor(choices: Choices, event: JsonObject, depth: number): unknown {
  if (choices.chance(4)) {
    return choices.pick<unknown>([
      [],
      [{ a: ['a'] }],
      {},
      { a: ['a'] },
      'a',
      [{}, { a: ['a'] }],
      ['a', 'b'],
      null,
    ]);
  }
  return choices.several(2, 3, () =>
    choices.chance(60) ? patternFor(choices, event, depth + 1) : Object.fromEntries([anyMember(choices)]),
  );
}

function elementsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.flatMap(elementsOf) : [value];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
