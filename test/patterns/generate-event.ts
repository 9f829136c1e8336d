import type { Choices } from './choices';

/** Few and similar values, so that patterns and events meet often. */
export const KEYS = ['a', 'b', 'c', 'b-c', 'detail', 'a b', '__proto__', 'toString', 'ä'];
const RARE_KEYS = ['', 'a.b', '.', '$or'];
export const NUMBERS = [
  ...[
    0, -0, 1, -1, 2, 5, 5.5, 5.000001, 5.0000001, 0.1, 0.3, 300, 301.8, -5e9, 5e9, 5000000001, 123456789012,
  ],
  ...[9007199254740991, 1e-7, 1.5e-9, 1e21, 1e300, -1e300, 2.3e-308],
];
export const ADDRESSES = [
  ...['10.0.0.1', '10.0.0.2', '10.0.255.9', '010.0.0.01', '192.168.0.1', '0.0.0.0', '255.255.255.255'],
  ...['::1', '0:0:0:0:0:0:0:1', '::', '2001:db8::1', '2001:DB8:0::1', '2001:db8:ffff::', '::ffff:a00:1'],
  ...['00001::1', 'fe80::1', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8'],
];
const ALMOST_ADDRESSES = [
  ...[
    '1:2',
    ':',
    ':::',
    '1::2::3',
    '12345::',
    ':1::',
    '1:2:3:4:5:6:7:8:9',
    '10.0.0',
    '1.2.3.4.5',
    'fe80::1%eth0',
  ],
  ...[
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '10.0.0.1 ',
    '::ffff:10.0.0.1',
    '0x0a.0.0.1',
    'abcd:',
    '1::2:',
  ],
];
export const TEXTS = [
  ...[
    '',
    'a',
    'A',
    'b',
    'ab',
    'AB',
    'aB',
    'abc',
    'aab',
    'aabaab',
    'abab',
    'b-c',
    'order.placed',
    'order.cancelled',
  ],
  ...[
    'Straße',
    'STRASSE',
    'ß',
    'SS',
    'ǅ',
    'ǆ',
    'İ',
    'i̇',
    'ı',
    'I',
    'k',
    '\u212a',
    'ﬁ',
    'FI',
    'Σ',
    'ς',
    'σ',
    'Ⱥ',
    'ⱥ',
  ],
  ...['ΐ', '\u0390', '大雨', '🚀', '5', '5.0', 'true', 'null', '*', 'a*b', '\\', 'a\\b', '"', '"ab', 'ab"'],
  ...['a b', '\n', '\u0000', '?', '??'],
];

export function anyKey(choices: Choices): string {
  return choices.between(1, 400) === 400 ? choices.pick(RARE_KEYS) : choices.pick(KEYS);
}

export function anyText(choices: Choices): string {
  const kind = choices.between(0, 9);
  if (kind === 0) return choices.pick(ALMOST_ADDRESSES);
  if (kind <= 2) return choices.pick(ADDRESSES);
  if (kind === 3) return choices.several(0, 6, () => choices.pick(['a', 'b', 'A', 'ä', 'ß'])).join('');
  return choices.pick(TEXTS);
}

export function anyNumber(choices: Choices): number {
  if (choices.between(1, 400) === 400) return 5e-324;
  if (choices.chance(70)) return choices.pick(NUMBERS);
  return choices.between(-1_000_000, 1_000_000) / choices.pick([1, 2, 10, 1_000]);
}

export function anyScalar(choices: Choices): unknown {
  const kind = choices.between(0, 9);
  if (kind <= 5) return anyText(choices);
  return kind <= 7 ? anyNumber(choices) : choices.pick([true, false, null]);
}

/** An event, or an object within one: objects, arrays of scalars and of objects, arrays in arrays. */
export function anyEvent(choices: Choices, depth = 0): Record<string, unknown> {
  const members = choices.several(depth === 0 ? 2 : 0, 4, () => [anyKey(choices), anyValue(choices, depth)]);
  return Object.fromEntries(members) as Record<string, unknown>;
}

function anyValue(choices: Choices, depth: number): unknown {
  const kind = choices.between(0, 9);
  if (depth >= 4 || kind <= 4) return anyScalar(choices);
  if (kind <= 7) return choices.several(0, 3, () => anyValue(choices, depth + 1));
  return anyEvent(choices, depth + 1);
}

/** The event with one part changed: near misses say more than strangers. */
export function changedEvent(choices: Choices, event: Record<string, unknown>): Record<string, unknown> {
  return changed(choices, event, 0) as Record<string, unknown>;
}

function changed(choices: Choices, value: unknown, depth: number): unknown {
  if (Array.isArray(value) && value.length > 0 && choices.chance(80)) {
    const index = choices.between(0, value.length - 1);
    if (choices.chance(20)) return value.filter((_, position) => position !== index);
    return value.map((element: unknown, position) =>
      position === index ? changed(choices, element, depth + 1) : element,
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value);
    const index = choices.between(0, Math.max(0, entries.length - 1));
    if (choices.chance(15)) return Object.fromEntries(entries.filter((_, position) => position !== index));
    return Object.fromEntries(
      entries.map(([key, member], position) => [
        key,
        position === index ? changed(choices, member, depth + 1) : member,
      ]),
    );
  }
  return choices.chance(30) ? [value, anyValue(choices, depth)] : anyValue(choices, depth);
}
