import type { Condition } from './combinations';
import type { Leaf } from './leaf';
import { hasScalarAt, ownMember, someObjectIn, type JsonObject } from './values';

/**
 * One object of the event that was chosen, and the choices that led to it. A choice is bound once a value within it
 * matched; as long as it is not, any other element of the same array could have been chosen.
 */
interface Choice {
  object: JsonObject;
  parent: Choice | null;
  bound: boolean;
  /** Answers for `exists: false` asked from here, so that they are searched once and not once per element. */
  absences: Map<Asked, boolean> | null;
}

/** A condition in its place of the tree. */
interface Asked {
  path: readonly string[];
  leaf: Leaf;
}

/** A condition on the object, or the conditions below one of its members, in the order of their paths. */
type Step = (choice: Choice) => boolean;

/**
 * Compiles the conditions of one combination. All conditions below one array must be met by the same element, and
 * `exists: false` asks only that element when a value of it was asked for before, in the order of the paths; else all
 * of them. This is event-ruler's array consistency, without its search over all choices of elements: conditions on
 * different arrays do not touch each other, so that each value of the event is looked at once.
 */
export function compileMatcher(conditions: readonly Condition[]): (event: JsonObject) => boolean {
  const sorted = [...conditions].sort((left, right) => (nameOf(left) < nameOf(right) ? -1 : 1));
  const steps = stepsOf(sorted, 0);
  return (event) => {
    const root: Choice = { object: event, parent: null, bound: true, absences: null };
    return steps.every((step) => step(root));
  };
}

/** As event-ruler names paths, since its order of paths is what counts. */
function nameOf({ path }: Condition): string {
  return path.join('.');
}

function stepsOf(sorted: readonly Asked[], depth: number): Step[] {
  const steps: Step[] = [];
  for (let index = 0; index < sorted.length;) {
    const asked = sorted[index] as Asked;
    const key = asked.path[depth] ?? '';
    if (asked.path.length === depth + 1) {
      steps.push(leafStep(asked, key));
      index += 1;
      continue;
    }
    let end = index + 1;
    while (isBelow(sorted[end], key, depth)) end += 1;
    steps.push(memberStep(key, stepsOf(sorted.slice(index, end), depth + 1)));
    index = end;
  }
  return steps;
}

function isBelow(asked: Asked | undefined, key: string, depth: number): boolean {
  return asked !== undefined && asked.path[depth] === key && asked.path.length > depth + 1;
}

function leafStep(asked: Asked, key: string): Step {
  const { leaf } = asked;
  return (choice) => {
    if (leaf.matches(ownMember(choice.object, key))) {
      choice.bound = true;
      return true;
    }
    return leaf.orAbsent && isAbsent(asked, choice);
  };
}

function memberStep(key: string, steps: readonly Step[]): Step {
  return (choice) =>
    someObjectIn(ownMember(choice.object, key), (object) => {
      const inner: Choice = { object, parent: choice, bound: false, absences: null };
      if (!steps.every((step) => step(inner))) return false;
      if (inner.bound) choice.bound = true;
      return true;
    });
}

/** Asks from the nearest choice that is bound, through all elements of the arrays below it. */
function isAbsent(asked: Asked, choice: Choice): boolean {
  let from = choice;
  let depth = asked.path.length - 1;
  while (!from.bound && from.parent !== null) {
    from = from.parent;
    depth -= 1;
  }
  const known = from.absences?.get(asked);
  if (known !== undefined) return known;
  const absent = !hasScalarAt(from.object, asked.path.slice(depth));
  from.absences ??= new Map();
  from.absences.set(asked, absent);
  return absent;
}
