import { compilePattern } from '../../src/bus/pattern';
import type { EventEnvelope } from '../../src/domain/events';
import { InvalidPatternError } from '../../src/errors';

const matches = (pattern: unknown, event: unknown): boolean =>
  compilePattern(pattern).matches(event as EventEnvelope);

/** What one list says of the value of one member; `absent` leaves the member out. */
const says = (list: unknown[], value: unknown): boolean =>
  matches({ member: list }, value === 'absent' ? { other: 1 } : { member: value });

function pointerOfRefusal(pattern: unknown): string | undefined {
  try {
    compilePattern(pattern);
  } catch (error) {
    if (error instanceof InvalidPatternError) return error.fields[0]?.pointer;
    throw error;
  }
  return 'accepted';
}

describe('an operator', () => {
  it.each<[unknown, matching: unknown[], others: unknown[]]>([
    [{ exactly: 'a' }, ['a', ['b', 'a']], ['A', 'b', 'absent']],
    [{ prefix: 'or' }, ['order', 'or', ['x', 'order']], ['Order', 'for', 5, null, 'absent']],
    [{ prefix: '' }, ['', 'a'], [5, [], {}]],
    [{ suffix: 'ed' }, ['placed', 'ed'], ['placeD', 'edit', true]],
    [{ 'equals-ignore-case': 'Straße' }, ['STRASSE', 'straße', 'STRAßE'], ['strasse', 'Straßen']],
    [{ 'equals-ignore-case': '𐐀b' }, ['𐐨B'], ['??', '𐐀']],
    [{ prefix: { 'equals-ignore-case': 'Or' } }, ['ORDER', 'order'], ['for']],
    [{ suffix: { 'equals-ignore-case': 'Ed' } }, ['placeD', 'PLACED'], ['edit']],
    [{ wildcard: 'a*c' }, ['ac', 'abc', 'aXcXc'], ['abcd', 'xac', 5]],
    [{ wildcard: '*' }, ['', 'a'], [5, null, 'absent']],
    [{ wildcard: 'a\\*\\\\' }, ['a*\\'], ['ab\\', 'a\\*']],
    [{ 'anything-but': 'a' }, ['b', 5, null, ['a', 'b']], ['a', ['a', 'a'], [], 'absent']],
    [{ 'anything-but': ['a', 'b'] }, ['c', 5], ['a', 'b']],
    [{ 'anything-but': [1, 2] }, [3, '1', true], [1, 2.0]],
    [{ 'anything-but': { prefix: 'a' } }, ['ba', 5], ['ab', 'a']],
    [{ 'anything-but': { suffix: ['a', 'b'] } }, ['ac'], ['a', 'ab']],
    [{ 'anything-but': { wildcard: ['a*', '*z'] } }, ['b', 1], ['a', 'ab', 'bz']],
    [{ 'anything-but': { 'equals-ignore-case': ['a', 'B'] } }, ['c'], ['A', 'b']],
    [{ numeric: ['=', 5] }, [5, 5.0, [1, 5]], ['5', 5.000001, null]],
    [{ numeric: ['>', 0, '<=', 5] }, [5, 0.1], [0, 5.1, '3']],
    [{ numeric: ['<', -1.5] }, [-1e300, -2], [-1.5, 0]],
    [{ cidr: '10.1.0.0/16' }, ['10.1.255.9', '::ffff:a01:203'], ['10.2.0.1', '10.1.0', 'a01::', 167837696]],
    [{ cidr: '2001:db8::/33' }, ['2001:DB8:0:1::', '2001:db8:7fff::'], ['2001:db8:8000::', '32.1.13.184']],
    [{ cidr: '0.0.0.0/0' }, ['255.255.255.255'], ['::1', '256.0.0.1']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::2', '1']],
    [{ exists: true }, [0, '', null, [false]], ['absent', [], {}, [{}]]],
    [{ exists: false }, ['absent', [], {}, [{ a: 1 }]], [null, 0, [{}, 1]]],
  ])('%j', (operator, matching, others) => {
    for (const value of matching) expect([value, says([operator], value)]).toEqual([value, true]);
    for (const value of others) expect([value, says([operator], value)]).toEqual([value, false]);
  });

  it('is one alternative among others', () => {
    const list = ['a', { prefix: 'b' }, { exists: false }];

    expect(['a', 'bc', 'absent', 'c'].map((value) => says(list, value))).toEqual([true, true, true, false]);
  });

  it('finds own members only', () => {
    const pattern = JSON.parse(
      '{"__proto__":[{"exists":false}],"toString":{"name":[{"exists":false}]}}',
    ) as unknown;

    expect(matches(pattern, {})).toBe(true);
    expect(matches(pattern, JSON.parse('{"__proto__":1}'))).toBe(false);
  });
});

describe('$or', () => {
  it('takes any of its branches beside the other members, at any level', () => {
    const pattern = {
      source: ['s'],
      detail: { $or: [{ a: [1] }, { b: [2], $or: [{ c: [3] }, { d: [4] }] }] },
    };
    const detail = (members: object): boolean => matches(pattern, { source: 's', detail: members });

    expect([{ a: 1 }, { b: 2, c: 3 }, { b: 2, d: 4 }].map(detail)).toEqual([true, true, true]);
    expect([{ b: 2 }, { c: 3, d: 4 }, {}].map(detail)).toEqual([false, false, false]);
    expect(matches(pattern, { detail: { a: 1 } })).toBe(false);
  });

  it('asks members below one path of the same element', () => {
    const pattern = { lines: { sku: ['A'] }, $or: [{ lines: { count: [2] } }, { total: [9] }] };

    expect(matches(pattern, { lines: [{ sku: 'A', count: 2 }] })).toBe(true);
    expect(matches(pattern, { lines: [{ sku: 'A' }, { count: 2 }] })).toBe(false);
    expect(matches(pattern, { lines: [{ sku: 'A' }, { count: 2 }], total: 9 })).toBe(true);
  });

  it('keeps what was read last for a path that is asked twice, as event-ruler does', () => {
    const pattern = { a: [1], $or: [{ a: [2] }, { b: [3] }] };

    expect(matches(pattern, { a: 2 })).toBe(true);
    expect(matches(pattern, { a: 1 })).toBe(false);
    expect(matches(pattern, { a: 1, b: 3 })).toBe(true);
  });
});

describe('exists: false in an array of objects', () => {
  it.each<[string, boolean, unknown, unknown]>([
    [
      'asks the element of a value before it',
      true,
      { b: ['x'], c: [{ exists: false }] },
      [{ b: 'x' }, { c: 1 }],
    ],
    ['asks all elements when nothing chose one', false, { c: [{ exists: false }] }, [{ b: 'x' }, { c: 1 }]],
    [
      'asks all elements before a value after it',
      false,
      { b: [{ exists: false }], c: ['x'] },
      [{ c: 'x' }, { b: 1 }],
    ],
    [
      'asks the element of a value deeper below it',
      true,
      { b: { x: ['x'] }, c: [{ exists: false }] },
      [{ b: { x: 'x' } }, { c: 1 }],
    ],
  ])('%s', (_situation, expected, below, value) => {
    expect(matches({ a: below }, { a: value })).toBe(expected);
  });
});

describe('an operator that is refused', () => {
  it.each<[unknown, string]>([
    [{ regex: '.*' }, '/regex'],
    [{ prefix: 'a', suffix: 'b' }, ''],
    [{ prefix: 5 }, '/prefix'],
    [{ prefix: { suffix: 'a' } }, '/prefix'],
    [{ suffix: { 'equals-ignore-case': 5 } }, '/suffix/equals-ignore-case'],
    [{ 'equals-ignore-case': 5 }, '/equals-ignore-case'],
    [{ wildcard: 'a**b' }, '/wildcard'],
    [{ wildcard: 'a\\b' }, '/wildcard'],
    [{ wildcard: 'a\\' }, '/wildcard'],
    [{ numeric: [] }, '/numeric'],
    [{ numeric: ['>'] }, '/numeric'],
    [{ numeric: ['>', 1, '<'] }, '/numeric'],
    [{ numeric: ['>', 'a'] }, '/numeric/1'],
    [{ numeric: ['!=', 1] }, '/numeric/0'],
    [{ numeric: ['<', 1, '>', 0] }, '/numeric/0'],
    [{ numeric: ['>', 1, '>', 2] }, '/numeric/2'],
    [{ numeric: ['>', 5, '<', 1] }, '/numeric/3'],
    [{ numeric: ['>=', 1, '<=', 1] }, '/numeric/3'],
    [{ numeric: ['=', Number.POSITIVE_INFINITY] }, '/numeric/1'],
    [{ cidr: '10.0.0.0' }, '/cidr'],
    [{ cidr: '10.0.0.0/32' }, '/cidr'],
    [{ cidr: '10.0.0.0/8/' }, '/cidr'],
    [{ cidr: '::/128' }, '/cidr'],
    [{ cidr: 'localhost/8' }, '/cidr'],
    [{ exists: 'true' }, '/exists'],
    [{ 'anything-but': [] }, '/anything-but'],
    [{ 'anything-but': null }, '/anything-but'],
    [{ 'anything-but': ['a', true] }, '/anything-but/1'],
    [{ 'anything-but': ['a', 1] }, '/anything-but/1'],
    [{ 'anything-but': [['a']] }, '/anything-but/0'],
    [{ 'anything-but': { 'anything-but': 'a' } }, '/anything-but/anything-but'],
    [{ 'anything-but': { numeric: ['=', 1] } }, '/anything-but/numeric'],
    [{ 'anything-but': { prefix: '' } }, '/anything-but/prefix'],
    [{ 'anything-but': { prefix: [] } }, '/anything-but/prefix'],
    [{ 'anything-but': { suffix: ['a', 5] } }, '/anything-but/suffix/1'],
    [{ 'anything-but': { prefix: 'a', suffix: 'b' } }, '/anything-but'],
    [{ 'anything-but': { wildcard: ['a', '**'] } }, '/anything-but/wildcard/1'],
  ])('%j', (operator, pointer) => {
    expect(pointerOfRefusal({ detail: { member: ['x', operator] } })).toBe(`/detail/member/1${pointer}`);
  });

  it.each<[string, unknown, string]>([
    ['$or is an object', { $or: { a: ['a'] } }, '/$or'],
    ['$or has one branch', { $or: [{ a: ['a'] }] }, '/$or'],
    ['a branch is no object', { $or: [{ a: ['a'] }, 'b'] }, '/$or/1'],
    ['a branch is empty', { a: { $or: [{}, { b: ['b'] }] } }, '/a/$or/0'],
    ['an operator stands in a branch', { $or: [{ a: { prefix: ['a'] } }, { b: ['b'] }] }, '/$or/0/a/prefix'],
  ])('%s', (_situation, pattern, pointer) => {
    expect(pointerOfRefusal(pattern)).toBe(pointer);
  });
});

describe('the limits', () => {
  it('count the values in anything-but', () => {
    const denying = (count: number): unknown => ({
      a: [{ 'anything-but': Array.from({ length: count }, (_, index) => index) }],
    });

    expect(pointerOfRefusal(denying(200))).toBe('accepted');
    expect(pointerOfRefusal(denying(201))).toBe('/a/0/anything-but');
  });

  it('count branches of $or as depth', () => {
    const nested = (depth: number): unknown =>
      depth === 0 ? { a: ['x'] } : { $or: [nested(depth - 1), { b: ['x'] }] };

    expect(pointerOfRefusal(nested(9))).toBe('accepted');
    expect(pointerOfRefusal(nested(10))).toBe('/$or/0'.repeat(10));
  });

  it('allow 1,000 combinations of $or and not one more', () => {
    const branches = (count: number): object[] =>
      Array.from({ length: count }, (_, index) => ({ [`m${index}`]: [0] }));
    const pattern = (last: number): unknown => ({
      $or: branches(10),
      a: { $or: branches(10), b: { $or: branches(last) } },
    });

    expect(pointerOfRefusal(pattern(10))).toBe('accepted');
    expect(pointerOfRefusal(pattern(11))).toBe('/a/b/$or');
  });
});
