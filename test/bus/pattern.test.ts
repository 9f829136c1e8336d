import fc from 'fast-check';
import { compilePattern } from '../../src/bus/pattern';
import type { EventEnvelope } from '../../src/domain/events';
import { InvalidPatternError } from '../../src/errors';

const EVENT: EventEnvelope = {
  id: 'evt_1',
  source: 'ecommerce.orders',
  'detail-type': 'order.confirmed',
  time: '2026-08-01T12:00:00.000Z',
  detail: {
    orderId: 'ord_1',
    seq: 1,
    gift: false,
    coupon: null,
    totalMinor: 1998,
    tags: ['new', ['nested', 7]],
    lines: [
      { sku: 'SKU-1', quantity: 2 },
      { sku: 'SKU-2', quantity: 5 },
    ],
  },
};

function matches(pattern: unknown, event: unknown = EVENT): boolean {
  return compilePattern(pattern).matches(event as EventEnvelope);
}

function pointerOfRefusal(pattern: unknown): string | undefined {
  try {
    compilePattern(pattern);
  } catch (error) {
    if (error instanceof InvalidPatternError) return error.fields[0]?.pointer;
    throw error;
  }
  return 'accepted';
}

describe('an exact pattern', () => {
  it.each<[string, unknown]>([
    [
      'the rule of the source documents',
      { source: ['ecommerce.orders'], 'detail-type': ['order.confirmed'] },
    ],
    ['one of several values', { 'detail-type': ['order.placed', 'order.confirmed'] }],
    ['a number', { detail: { totalMinor: [1998] } }],
    ['a number in another spelling', JSON.parse('{"detail":{"totalMinor":[1.998e3]}}')],
    ['false', { detail: { gift: [false] } }],
    ['null', { detail: { coupon: [null] } }],
    ['an element of a list', { detail: { tags: ['new'] } }],
    ['an element of a list within a list', { detail: { tags: [7] } }],
    ['a member of an object in a list', { detail: { lines: { sku: ['SKU-2'] } } }],
    ['members of the same object in a list', { detail: { lines: { sku: ['SKU-2'], quantity: [5] } } }],
  ])('matches %s', (_situation, pattern) => {
    expect(matches(pattern)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['another value', { source: ['ecommerce.carts'] }],
    ['a value of another type', { detail: { totalMinor: ['1998'] } }],
    ['null where the member is absent', { detail: { absent: [null] } }],
    ['one member that differs', { source: ['ecommerce.orders'], detail: { seq: [2] } }],
    ['members of different objects in a list', { detail: { lines: { sku: ['SKU-1'], quantity: [5] } } }],
    ['an object where a value is', { source: { name: ['ecommerce.orders'] } }],
    ['a value where an object is', { detail: ['ord_1'] }],
    ['a dotted key, which is a literal one', { 'detail.orderId': ['ord_1'] }],
    ['text in another case', { source: ['Ecommerce.Orders'] }],
  ])('does not match %s', (_situation, pattern) => {
    expect(matches(pattern)).toBe(false);
  });

  it('finds own keys only', () => {
    const event = JSON.parse('{"detail":{"__proto__":"literal"}}') as unknown;

    expect(matches(JSON.parse('{"detail":{"__proto__":["literal"]}}'), event)).toBe(true);
    expect(matches(JSON.parse('{"detail":{"__proto__":["literal"]}}'))).toBe(false);
    expect(matches({ detail: { constructor: { name: ['Object'] } } })).toBe(false);
    expect(matches({ detail: { tags: { length: [2] } } })).toBe(false);
  });

  it('survives a list nested deeper than the stack', () => {
    const depth = 100_000;
    const event = { detail: { tags: JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown } };

    expect(matches({ detail: { tags: ['new'] } }, event)).toBe(false);
  });
});

describe('a pattern that is refused', () => {
  it.each<[string, unknown, string]>([
    ['is a text', '{}', ''],
    ['is null', null, ''],
    ['is a list', [], ''],
    ['is empty', {}, ''],
    ['has an empty object', { detail: {} }, '/detail'],
    ['has an empty list', { source: [] }, '/source'],
    ['has a value outside of a list', { source: 'ecommerce.orders' }, '/source'],
    ['has null outside of a list', { detail: { coupon: null } }, '/detail/coupon'],
    ['has a list within a list', { source: [['ecommerce.orders']] }, '/source/0'],
    ['has an unknown operator', { 'a/b~c': [{ regex: '.*' }] }, '/a~1b~0c/0/regex'],
    ['has an empty operator', { source: [{}] }, '/source/0'],
    ['has a number that JSON cannot hold', { detail: { seq: [Number.NaN] } }, '/detail/seq/0'],
    ['has a value that JSON cannot hold', { detail: { seq: [1n] } }, '/detail/seq/0'],
  ])('%s', (_situation, pattern, pointer) => {
    expect(pointerOfRefusal(pattern)).toBe(pointer);
  });

  it('is too deep', () => {
    const nested = (depth: number): unknown => (depth === 0 ? ['x'] : { a: nested(depth - 1) });

    expect(pointerOfRefusal(nested(10))).toBe('accepted');
    expect(pointerOfRefusal(nested(11))).toBe('/a/a/a/a/a/a/a/a/a/a');
  });

  it('is endless', () => {
    const pattern: Record<string, unknown> = {};
    pattern['self'] = pattern;

    expect(pointerOfRefusal(pattern)).toMatch(/^(\/self){10}$/);
  });

  it('has too many values', () => {
    const values = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

    expect(pointerOfRefusal({ a: values(100), b: values(100) })).toBe('accepted');
    expect(pointerOfRefusal({ a: values(100), b: values(101) })).toBe('/b');
  });

  it('has too many bytes', () => {
    expect(pointerOfRefusal({ a: ['x'.repeat(4_096 - 10)] })).toBe('accepted');
    expect(pointerOfRefusal({ a: ['x'.repeat(4_096 - 9)] })).toBe('');
    expect(pointerOfRefusal({ a: ['é'.repeat(2_048)] })).toBe('');
  });
});

describe('compared with a naive matcher', () => {
  /** The same language said differently: spread the event into all combinations of its list elements, then compare. */
  function naive(pattern: unknown, value: unknown): boolean {
    if (Array.isArray(value)) return value.some((element) => naive(pattern, element));
    if (Array.isArray(pattern)) {
      return (value === null || typeof value !== 'object') && pattern.includes(value);
    }
    if (typeof value !== 'object' || value === null) return false;
    const own = new Map(Object.entries(value));
    return Object.entries(pattern as object).every(
      ([key, child]) => own.has(key) && naive(child, own.get(key)),
    );
  }

  const scalar = fc.constantFrom('a', 'b', '', 0, 1, -0, true, false, null);
  const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'toString');
  const { pattern } = fc.letrec<{ pattern: unknown }>((tie) => ({
    pattern: fc.dictionary(
      key,
      fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.array(scalar, { minLength: 1, maxLength: 3 }),
        tie('pattern'),
      ),
      { minKeys: 1, maxKeys: 3 },
    ),
  }));
  const { object: event } = fc.letrec<{ object: unknown; value: unknown }>((tie) => ({
    object: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }),
      tie('object'),
    ),
  }));

  it('gives the same answer for any pattern and event', () => {
    fc.assert(
      fc.property(pattern, event, (candidate, document) => {
        let compiled: ReturnType<typeof compilePattern>;
        try {
          compiled = compilePattern(candidate);
        } catch (error) {
          if (error instanceof InvalidPatternError) return fc.pre(false);
          throw error;
        }
        expect(compiled.matches(document as EventEnvelope)).toBe(naive(candidate, document));
      }),
      { numRuns: 2_000 },
    );
  });

  it('matches an event by any choice of its own values', () => {
    fc.assert(
      fc.property(event, (document) => {
        const chosen = choiceOf(document);
        fc.pre(chosen !== null);
        expect(matches(chosen, document)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  /** A pattern that takes the first element of each list of the event; null when the event has no value at all. */
  function choiceOf(value: unknown): unknown {
    if (Array.isArray(value)) return value.length === 0 ? null : choiceOf(value[0]);
    if (typeof value !== 'object' || value === null) return [value];
    const members = Object.entries(value)
      .map(([name, child]) => [name, choiceOf(child)] as const)
      .filter(([, child]) => child !== null);
    return members.length === 0 ? null : Object.fromEntries(members);
  }
});
