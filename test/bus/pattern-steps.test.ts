import fc from 'fast-check';
import { compilePattern } from '../../src/bus/pattern';
import { compileWildcard, type Characters } from '../../src/bus/patterns/wildcard';
import type { EventEnvelope } from '../../src/domain/events';

/**
 * Linear time, counted in steps and not in seconds: what a match reads of the event may grow with the event only.
 */

/** A text that counts how often one of its units is read. */
class CountedText implements Characters {
  reads = 0;
  constructor(private readonly text: string) {}

  get length(): number {
    return this.text.length;
  }

  charCodeAt(index: number): number {
    this.reads += 1;
    return this.text.charCodeAt(index);
  }
}

/** Three: once for the search, once for a fallback of it, once more where it begins or ends. */
const READS_PER_UNIT_MAX = 3;
const LENGTHS = [1_000, 10_000, 60_000];

describe('a wildcard', () => {
  it.each<[string, string, (length: number) => string]>([
    ['many stars', `${'*a'.repeat(1_000)}*b`, (length) => 'a'.repeat(length)],
    ['a long repetition', `*${'a'.repeat(2_000)}b*`, (length) => 'a'.repeat(length)],
    ['many repetitions', `${'*aaaaaaab'.repeat(400)}*`, (length) => 'aaaaaaaa'.repeat(length / 8)],
    ['almost periods', `*${'ab'.repeat(900)}c*`, (length) => 'ab'.repeat(length / 2)],
    ['stars between equals', `${'a*'.repeat(1_900)}b`, (length) => `${'a'.repeat(length - 1)}c`],
    ['a near end', '*a*b', (length) => `${'a'.repeat(length - 1)}c`],
  ])('with %s reads each unit at most three times', (_situation, pattern, textOf) => {
    const matches = compileWildcard(pattern, []);

    for (const length of LENGTHS) {
      const text = new CountedText(textOf(length));
      matches(text);
      expect(text.reads).toBeLessThanOrEqual(READS_PER_UNIT_MAX * length);
    }
  });

  it('says what a regular expression says, in so many steps', () => {
    const piece = fc.constantFrom('*', 'a', 'b', 'ab', 'aab', '\\*', '\\\\');
    const letters = fc.array(fc.constantFrom('a', 'b', '*', '\\'), { maxLength: 30 });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), letters, (pieces, units) => {
        const pattern = pieces.join('').replaceAll(/(?<!\\)\*(?:\*)+/g, '*');
        fc.pre(!/\*\*/.test(pattern.replaceAll(/\\./g, '')));
        const text = new CountedText(units.join(''));
        const expression = pattern.replaceAll(/\\(.)|\*/gs, (_, escaped?: string) =>
          escaped === undefined ? '.*' : `\\${escaped}`,
        );

        const found = compileWildcard(pattern, [])(text);

        expect(found).toBe(new RegExp(`^${expression}$`, 's').test(units.join('')));
        expect(text.reads).toBeLessThanOrEqual(READS_PER_UNIT_MAX * units.length);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('both spellings of a character', () => {
  it('differ in their first and in their last unit, so that one pass decides', () => {
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += 1) {
      const character = String.fromCodePoint(codePoint);
      const [lower, upper] = [character.toLowerCase(), character.toUpperCase()];
      if (lower === upper) continue;
      if (lower.startsWith(upper) || upper.startsWith(lower)) throw new Error(`${character} begins alike`);
      if (lower.endsWith(upper) || upper.endsWith(lower)) throw new Error(`${character} ends alike`);
    }
  });
});

describe('arrays of objects', () => {
  /** Each object is asked for its members; a proxy counts that. */
  function countedElements(count: number, reads: { count: number }): unknown[] {
    const handler: ProxyHandler<object> = {
      get: (target, key) => {
        reads.count += 1;
        return Reflect.get(target, key) as unknown;
      },
      getOwnPropertyDescriptor: (target, key) => {
        reads.count += 1;
        return Reflect.getOwnPropertyDescriptor(target, key);
      },
    };
    return Array.from({ length: count }, () => new Proxy({ b: 'x', c: 'y', e: ['z'] }, handler));
  }

  it.each<[string, unknown]>([
    ['values of which one never fits', { b: ['x'], c: ['y'], d: ['never'] }],
    ['absence that must be asked everywhere', { a: [{ exists: false }], z: ['never'] }],
    [
      'absence asked from every element',
      { b: ['other', { exists: false }], d: [{ exists: false }], e: ['never'] },
    ],
    ['two arrays that know nothing of each other', { $or: [{ b: ['no'] }, { c: ['no'] }] }],
  ])('are looked at once per condition: %s', (_situation, below) => {
    const perElement = [100, 1_000, 4_000].map((count) => {
      const reads = { count: 0 };
      const elements = countedElements(count, reads);
      compilePattern({ first: below, second: below }).matches({
        first: elements,
        second: elements,
      } as unknown as EventEnvelope);
      return reads.count / count;
    });

    expect(Math.max(...perElement)).toBeLessThanOrEqual(20);
    expect(perElement[2]).toBeCloseTo(perElement[0]!, 0);
  });
});
