/** What stands at the end of a path in an event. */
export type Scalar = string | number | boolean | null;
export type JsonObject = Record<string, unknown>;

/** A place without any object has no members, but can still be asked for them. */
const NO_MEMBERS: readonly JsonObject[] = [{}];

/** The objects at a place, those in arrays included; an empty one where there is none. */
export function objectsIn(value: unknown): readonly JsonObject[] {
  if (isObject(value)) return [value];
  if (!Array.isArray(value)) return NO_MEMBERS;
  const objects = elementsOf(value).filter(isObject);
  return objects.length > 0 ? objects : NO_MEMBERS;
}

/** The scalars at a place, those in arrays included. A place that is absent, or holds only objects, has none. */
export function scalarsIn(value: unknown): readonly Scalar[] {
  if (isScalar(value)) return [value];
  return Array.isArray(value) ? elementsOf(value).filter(isScalar) : [];
}

/** True when one of the objects at a place, as objectsIn finds them, passes. Without a list where there is just one. */
export function someObjectIn(value: unknown, test: (object: JsonObject) => boolean): boolean {
  return isObject(value) ? test(value) : objectsIn(value).some(test);
}

/** True when a scalar stands at the end of the path, in any element of the arrays on the way. */
export function hasScalarAt(object: JsonObject, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return false;
  const value = ownMember(object, key);
  if (rest.length === 0) return scalarsIn(value).length > 0;
  return objectsIn(value).some((member) => hasScalarAt(member, rest));
}

/** Own members only: a pattern on `__proto__` or `toString` must not find what every object inherits. */
export function ownMember(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isScalar(value: unknown): value is Scalar {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

/** All elements, arrays within arrays opened. A loop: an event of 64 KB can nest deeper than the stack allows. */
function elementsOf(array: readonly unknown[]): unknown[] {
  const elements: unknown[] = [];
  const open: unknown[] = [array];
  while (open.length > 0) {
    const value = open.pop();
    if (!Array.isArray(value)) elements.push(value);
    else for (const element of value) open.push(element);
  }
  return elements;
}
