import type { FieldError } from '../../errors';
import { jsonPointer } from '../json-pointer';

/**
 * Reads the members of a configuration object and collects what is wrong with each, so that a person learns of all
 * mistakes at once. A member that was refused reads as its fallback; the caller asks `errors` before using anything.
 */
export class ConfigFields {
  readonly errors: FieldError[] = [];
  readonly #members: Record<string, unknown> = {};

  /** Anything but an object counts as one error; members that are not `known` count as one each. */
  constructor(config: unknown, known: readonly string[]) {
    if (typeof config !== 'object' || config === null || Array.isArray(config)) {
      this.refuse([], 'This must be an object.');
      return;
    }
    this.#members = config as Record<string, unknown>;
    for (const name of Object.keys(config)) {
      if (!known.includes(name)) this.refuse([name], 'There is no such member.');
    }
  }

  refuse(path: readonly string[], message: string): void {
    this.errors.push({ pointer: jsonPointer(path), message });
  }

  /** The member as it is; `undefined` when it is absent. */
  value(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? this.#members[name] : undefined;
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[], fallback: Choice): Choice {
    const value = this.value(name);
    if (value === undefined) return fallback;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) this.refuse([name], `This must be one of ${choices.join(', ')}.`);
    return found ?? fallback;
  }

  wholeNumber(name: string, range: { minimum: number; maximum: number; fallback: number }): number {
    const value = this.value(name);
    if (value === undefined) return range.fallback;
    if (Number.isSafeInteger(value)) {
      const number = value as number;
      if (number >= range.minimum && number <= range.maximum) return number;
    }
    this.refuse([name], `This must be a whole number from ${range.minimum} to ${range.maximum}.`);
    return range.fallback;
  }

  /** A text of `lengthMin` (default 1) to `lengthMax` characters that `pattern` accepts; else an empty text. */
  text(
    name: string,
    rule: { pattern: RegExp; lengthMin?: number; lengthMax: number; message: string },
  ): string {
    const value = this.value(name);
    const { pattern, lengthMin = 1, lengthMax, message } = rule;
    const fits = typeof value === 'string' && value.length >= lengthMin && value.length <= lengthMax;
    if (fits && pattern.test(value)) return value;
    this.refuse([name], message);
    return '';
  }
}
