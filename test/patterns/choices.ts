import fc, { type GeneratorValue } from 'fast-check';

/** Random choices of one generated case; fast-check repeats and shrinks them. */
export interface Choices {
  /** One of the values, each as likely. */
  pick<T>(values: readonly T[]): T;
  /** True in so many of a hundred cases. */
  chance(percent: number): boolean;
  /** A whole number in the range, both ends included. */
  between(min: number, max: number): number;
  /** So many results, the number within the range. */
  several<T>(min: number, max: number, make: () => T): T[];
}

/** fast-check favours the ends of a range, which would favour the first and last of our lists. */
const evenly = (min: number, max: number): fc.Arbitrary<number> => fc.noBias(fc.integer({ min, max }));

export function choicesOf(generate: GeneratorValue): Choices {
  const between = (min: number, max: number): number => generate(evenly, min, max);
  return {
    between,
    pick: (values) => values[between(0, values.length - 1)]!,
    // Shrinks to false: the plainer case.
    chance: (percent) => between(0, 99) >= 100 - percent,
    several: (min, max, make) => Array.from({ length: between(min, max) }, make),
  };
}
