import fc from 'fast-check';
import { compilePattern, type CompiledPattern } from '../../src/bus/pattern';
import { foldCase } from '../../src/bus/patterns/ignore-case';
import { createRangeIndex } from '../../src/bus/patterns/range-index';
import { createRuleIndex } from '../../src/bus/patterns/rule-index';
import type { EventEnvelope } from '../../src/domain/events';

/** Few letters, so that random texts meet; those whose cases differ in length, place or half characters. */
const LETTERS = [
  'a',
  'A',
  'b',
  'ß',
  'ẞ',
  'ss',
  'SS',
  'İ',
  'i\u0307',
  'I',
  'i',
  'ı',
  'K',
  'k',
  'K',
  'Σ',
  'ς',
  'σ',
];
const HALVES = ['\u{10400}', '\u{10428}', '\ud801', '\udc28'];
const ADDRESSES = ['10.0.0.1', '10.000.0.1', '10.7.0.1', '::1', '0:0::1', '2001:db8::1', '::ffff:10.0.0.1'];
const BLOCKS = ['10.0.0.0/8', '10.0.0.0/13', '8.0.0.0/5', '0.0.0.0/0', '::/0', '2001:db8::/33', '::/127'];

const letters = fc
  .array(fc.constantFrom(...LETTERS, ...HALVES), { maxLength: 3 })
  .map((some) => some.join(''));
const number = fc.oneof(fc.integer({ min: -4, max: 4 }), fc.constantFrom(-0, 0.5, 5e-324, -1e300, 1e300));
const word = fc.oneof(
  { weight: 6, arbitrary: letters },
  { weight: 1, arbitrary: fc.constantFrom(...ADDRESSES) },
  { weight: 1, arbitrary: letters.map((some) => `${some}${'x'.repeat(40)}${some}`) },
);
const key = fc.constantFrom('a', 'b');

/** Patterns of these words. */
function patternOf(words: readonly string[]): fc.Arbitrary<object> {
  const text = fc.constantFrom(...words);
  const part = fc.oneof(
    text,
    text.map((value) => ({ 'equals-ignore-case': value })),
  );
  const range = fc
    .tuple(fc.constantFrom('>', '>='), number, fc.constantFrom('<', '<='), number)
    .filter(([, from, , to]) => from < to);
  const operator = fc.oneof(
    part.map((suffix) => ({ suffix })),
    part.map((prefix) => ({ prefix })),
    text.map((value) => ({ 'equals-ignore-case': value })),
    range.map((numeric) => ({ numeric })),
    fc.tuple(fc.constantFrom('=', '<', '<=', '>', '>='), number).map((numeric) => ({ numeric })),
    fc.tuple(letters, text).map(([head, tail]) => ({ wildcard: `${head}*${tail}` })),
    text.map((head) => ({ wildcard: `${head}*` })),
    fc.constantFrom(...BLOCKS).map((cidr) => ({ cidr })),
    fc.oneof(text, number).map((denied) => ({ 'anything-but': denied })),
    fc.boolean().map((exists) => ({ exists })),
    text.map((exactly) => ({ exactly })),
  );
  const list = fc.array(fc.oneof(operator, operator, operator, operator, text, number), {
    minLength: 1,
    maxLength: 2,
  });
  const members = fc.dictionary(key, list, { minKeys: 1 });
  const one = fc.dictionary(key, list, { minKeys: 1, maxKeys: 1 });
  return fc.oneof(
    one,
    one,
    one,
    members,
    fc.record({ a: list, b: members }),
    fc.record({ a: list, $or: fc.array(members, { minLength: 2, maxLength: 3 }) }),
  );
}

/** Events whose texts have something to do with the words. */
function eventOf(words: readonly string[]): fc.Arbitrary<EventEnvelope> {
  const plain = fc.constantFrom(...words, ...words, ...words, ...ADDRESSES);
  const text = fc.oneof(
    plain,
    plain.map((value) => value.toUpperCase()),
    plain.map((value) => value.toLowerCase()),
    fc.tuple(plain, plain).map((both) => both.join('')),
  );
  const scalar = fc.oneof(text, text, text, number, fc.constantFrom(true, null));
  const value = fc.oneof(scalar, fc.array(scalar, { minLength: 1, maxLength: 3 }));
  return fc
    .dictionary(key, fc.oneof(value, value, value, fc.dictionary(key, value)), { minKeys: 2 })
    .map((members) => members as unknown as EventEnvelope);
}

const situation = fc
  .array(word, { minLength: 1, maxLength: 3 })
  .chain((words) =>
    fc.tuple(
      fc.array(patternOf(words), { minLength: 1, maxLength: 12 }),
      fc.array(eventOf(words), { minLength: 4, maxLength: 8 }),
    ),
  );

function indexOf(patterns: readonly CompiledPattern[]): ReturnType<typeof createRuleIndex> {
  return createRuleIndex(patterns.map(({ requirements }) => requirements));
}

describe('the index of rules', () => {
  it('leaves out no rule that matches when it is asked on its own', () => {
    const seen = { matches: 0, leftOut: 0 };
    fc.assert(
      fc.property(situation, ([patterns, events]) => {
        const compiled = patterns.map(compilePattern);
        const index = indexOf(compiled);
        for (const one of events) {
          const candidates = index.candidates(one);
          const matching = [...compiled.keys()].filter((position) => compiled[position]!.matches(one));

          expect(candidates).toEqual([...new Set(candidates)].sort((left, right) => left - right));
          expect(matching.filter((position) => !candidates.includes(position))).toEqual([]);
          seen.matches += matching.length;
          seen.leftOut += compiled.length - candidates.length;
        }
      }),
      { numRuns: 2_000 },
    );
    // Rules that never match, or an index that leaves out nothing, would pass without proving anything.
    expect(seen.matches).toBeGreaterThan(5_000);
    expect(seen.leftOut).toBeGreaterThan(5_000);
  });

  it.each<[string, (position: number) => unknown, (position: number) => unknown]>([
    ['texts', (n) => `shop_${n}`, (n) => `shop_${n}`],
    ['prefixes', (n) => ({ prefix: `${n}_` }), (n) => `${n}_shop`],
    ['wildcards that end with a star', (n) => ({ wildcard: `${n}_*` }), (n) => `${n}_shop`],
    ['suffixes', (n) => ({ suffix: `_${n}` }), (n) => `shop_${n}`],
    ['suffixes in any case', (n) => ({ suffix: { 'equals-ignore-case': `_Ab${n}` } }), (n) => `shop_aB${n}`],
    ['prefixes in any case', (n) => ({ prefix: { 'equals-ignore-case': `Ab${n}_` } }), (n) => `aB${n}_shop`],
    ['texts in any case', (n) => ({ 'equals-ignore-case': `Shop_${n}` }), (n) => `sHOP_${n}`],
    ['wildcards that begin with a star', (n) => ({ wildcard: `*_${n}` }), (n) => `shop_${n}`],
    ['ranges', (n) => ({ numeric: ['>', n, '<', n + 1] }), (n) => n + 0.5],
    ['ranges that meet', (n) => ({ numeric: ['>', 2 * n - 1, '<=', 2 * n] }), (n) => 2 * n],
    ['numbers', (n) => ({ numeric: ['=', n] }), (n) => n],
    ['addresses', (n) => `10.0.${n >> 8}.${n & 255}`, (n) => `10.0.${n >> 8}.${n & 255}`],
    [
      'blocks of addresses',
      (n) => ({ cidr: `10.${n >> 4}.${(n & 15) << 4}.0/20` }),
      (n) => `10.${n >> 4}.${(n & 15) << 4}.7`,
    ],
  ])('asks one of 1,000 rules that differ by %s only', (_kind, alternativeAt, valueAt) => {
    const positions = Array.from({ length: 1_000 }, (_, position) => position);
    const index = indexOf(positions.map((position) => compilePattern({ a: [alternativeAt(position)] })));

    for (const position of [0, 1, 10, 500, 999]) {
      expect(index.candidates({ a: valueAt(position) })).toEqual([position]);
    }
    expect(index.candidates({ a: 'other' })).toEqual([]);
    expect(index.candidates({ b: valueAt(5) })).toEqual([]);
  });

  it('asks a rule on presence only where the path is there', () => {
    const index = indexOf(
      [{ a: [{ exists: true }] }, { b: [{ 'anything-but': 'x' }] }, { a: [{ suffix: '' }] }].map(
        compilePattern,
      ),
    );

    expect(index.candidates({ a: null })).toEqual([0, 2]);
    expect(index.candidates({ b: ['x'] })).toEqual([1]);
    expect(index.candidates({ a: [], b: {} })).toEqual([]);
  });

  it('finds half of a surrogate pair in any case, whose pair folds to another half', () => {
    const pattern = compilePattern({ a: [{ suffix: { 'equals-ignore-case': '\udc28' } }] });
    const event = { a: '\u{10428}' } as unknown as EventEnvelope;

    expect(pattern.matches(event)).toBe(true);
    expect(indexOf([pattern]).candidates(event)).toEqual([0]);
  });

  it('files a rule under what the fewest others ask for, not under a wide range that overlaps theirs', () => {
    const patterns = Array.from({ length: 1_000 }, (_, position) => ({
      kind: [{ suffix: '.orders' }],
      total: [{ numeric: ['>=', 100, '<', 100_000 + position] }],
      known: [{ exists: true }],
      shop: [{ suffix: `_${position}` }],
    }));
    const index = indexOf(patterns.map(compilePattern));

    expect(index.candidates({ kind: 'a.orders', total: 500, known: 1, shop: 'shop_7' })).toEqual([7]);
    expect(index.candidates({ kind: 'a.orders', total: 500, known: 1, shop: 'other' })).toEqual([]);
  });
});

describe('ranges', () => {
  it('are found as comparing each of them finds them, in few lists however they overlap', () => {
    const bound = fc.oneof(fc.integer({ min: -20, max: 20 }), fc.constantFrom(-Infinity, Infinity, 0.5));
    const ranges = fc.array(fc.tuple(bound, bound), { minLength: 1, maxLength: 60 }).map((pairs) =>
      pairs.map(([one, other], position) => ({
        from: Math.min(one, other),
        to: Math.max(one, other),
        position,
      })),
    );
    fc.assert(
      fc.property(ranges, fc.array(fc.double({ min: -25, max: 25, noNaN: true })), (some, values) => {
        const index = createRangeIndex(some);
        for (const each of [...values, ...some.flatMap(({ from, to }) => [from, to])]) {
          const lists = index(each);
          const expected = some.filter(({ from, to }) => from <= each && each <= to);

          expect(lists.flat().sort((left, right) => left - right)).toEqual(
            expected.map(({ position }) => position),
          );
          expect(lists.length).toBeLessThanOrEqual(Math.ceil(Math.log2(4 * some.length + 1)) + 1);
        }
      }),
    );
  });
});

describe('folding a text', () => {
  it('brings both spellings of each character together, and adds up over characters', () => {
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += 1) {
      const character = String.fromCodePoint(codePoint);
      const folded = foldCase(character);
      for (const spelling of [character.toLowerCase(), character.toUpperCase()]) {
        if (foldCase(spelling) !== folded) throw new Error(`${character} folds in two ways`);
        if (foldCase(`aΣ${spelling}`) !== `AΣ${folded}`)
          throw new Error(`${character} changes what is before it`);
        if (foldCase(`${spelling}Σ`) !== `${folded}Σ`)
          throw new Error(`${character} changes what is after it`);
      }
    }
  });
});
