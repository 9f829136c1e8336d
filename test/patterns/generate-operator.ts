import type { Choices } from './choices';
import { ADDRESSES, anyNumber, anyScalar, anyText } from './generate-event';

/** An entry of a list that likely matches the value. */
export function entryFor(choices: Choices, value: unknown): unknown {
  if (choices.chance(25)) return value;
  if (choices.chance(6)) return { exists: true };
  if (typeof value === 'string') return textOperator(choices, value);
  if (typeof value === 'number') return numberOperator(choices, value);
  return choices.chance(50) ? value : anythingBut(choices);
}

/** An entry of a list about nothing in particular; sometimes `{"exists": false}`. */
export function anyEntry(choices: Choices): unknown {
  if (choices.chance(15)) return { exists: choices.chance(30) };
  return entryFor(choices, anyScalar(choices));
}

function textOperator(choices: Choices, text: string): unknown {
  if (ADDRESSES.includes(text) && choices.chance(60)) return { cidr: `${text}/${anyBits(choices, text)}` };
  const characters = [...text];
  const cut = choices.between(0, characters.length);
  const start = characters.slice(0, cut).join('');
  const end = characters.slice(cut).join('');
  return choices.pick([
    () => ({ exactly: text }),
    () => ({ prefix: start }),
    () => ({ suffix: end }),
    () => ({ 'equals-ignore-case': otherCase(choices, text) }),
    () => ({ prefix: { 'equals-ignore-case': otherCase(choices, start) } }),
    () => ({ suffix: { 'equals-ignore-case': otherCase(choices, end) } }),
    () => ({ wildcard: wildcardFor(choices, text) }),
    () => ({ wildcard: wildcardFor(choices, text) }),
    () => anythingBut(choices),
    () => anythingBut(choices),
  ])();
}

/** Some of the few lengths that are refused too. */
function anyBits(choices: Choices, address: string): number {
  return address.includes(':') ? choices.between(0, 129) : choices.between(0, 33);
}

function otherCase(choices: Choices, text: string): string {
  return choices.pick([text, text.toLowerCase(), text.toUpperCase()]);
}

/** The text with pieces of it replaced by `*`, at times two in a row, and its own stars and backslashes escaped. */
function wildcardFor(choices: Choices, text: string): string {
  const escaped = [...text].map((character) => (/[*\\]/.test(character) ? `\\${character}` : character));
  const marks = choices.several(0, 3, () => choices.between(0, escaped.length));
  const start = choices.between(0, escaped.length);
  const end = choices.between(start, escaped.length);
  const pattern = escaped.map((piece, index) => {
    const mark = marks.includes(index) ? '*' : '';
    if (index < start || index >= end) return mark + piece;
    return index === start ? '*' : '';
  });
  const whole = pattern.join('') + (marks.includes(escaped.length) ? '*' : '');
  return choices.chance(90) ? whole.replaceAll(/\*\*+/g, '*') : whole;
}

function numberOperator(choices: Choices, value: number): unknown {
  const other = anyNumber(choices);
  const lower = Math.min(value, other);
  const upper = Math.max(value, other);
  return choices.pick([
    () => ({ numeric: ['=', value] }),
    () => ({ numeric: [choices.pick(['>', '>=']), lower] }),
    () => ({ numeric: [choices.pick(['<', '<=']), upper] }),
    () => ({ numeric: [choices.pick(['>', '>=']), lower, choices.pick(['<', '<=']), upper] }),
    () => ({ numeric: [choices.pick(['>', '>=']), lower, choices.pick(['<', '<=']), upper] }),
    () => ({ numeric: [choices.pick(['=', '<', '<=', '>', '>=']), other] }),
    () => anythingBut(choices),
  ])();
}

function anythingBut(choices: Choices): unknown {
  const texts = (): unknown =>
    choices.chance(60) ? anyText(choices) : choices.several(1, 3, () => anyText(choices));
  const numbers = (): unknown =>
    choices.chance(50) ? anyNumber(choices) : choices.several(1, 3, () => anyNumber(choices));
  const wildcards = (): string[] => choices.several(1, 3, () => wildcardFor(choices, anyText(choices)));
  return {
    'anything-but': choices.pick([
      texts,
      numbers,
      () => ({ prefix: texts() }),
      () => ({ suffix: texts() }),
      () => ({ 'equals-ignore-case': texts() }),
      () => ({ wildcard: choices.chance(50) ? wildcards() : wildcards()[0] }),
    ])(),
  };
}

/** Entries that are refused, or that stand at the border. */
export const ODD_ENTRIES: readonly unknown[] = [
  ...[
    [],
    {},
    ['a'],
    [[]],
    { regex: 'a' },
    { prefix: 1 },
    { prefix: null },
    { prefix: [] },
    { prefix: ['a'] },
  ],
  ...[
    { prefix: 'a', suffix: 'b' },
    { prefix: {} },
    { prefix: { suffix: 'a' } },
    { suffix: 5 },
    { suffix: {} },
  ],
  ...[{ prefix: { 'equals-ignore-case': 1 } }, { prefix: { 'equals-ignore-case': ['a'] } }, { Prefix: 'a' }],
  ...[
    { prefix: { 'equals-ignore-case': 'a', x: 1 } },
    { suffix: { 'equals-ignore-case': null } },
    { $or: [] },
  ],
  ...[
    { prefix: '' },
    { suffix: '' },
    { 'equals-ignore-case': '' },
    { 'equals-ignore-case': 5 },
    { wildcard: '' },
  ],
  ...[{ 'equals-ignore-case': ['a'] }, { 'equals-ignore-case': true }, { wildcard: 5 }, { wildcard: ['*'] }],
  ...[
    { wildcard: '**' },
    { wildcard: 'a\\b' },
    { wildcard: '\\' },
    { wildcard: '*\\' },
    { wildcard: '\\**' },
  ],
  ...[{ wildcard: '*' }, { wildcard: '\\*\\\\' }, { wildcard: '*a*' }, { wildcard: '*\\**' }, { exactly: 1 }],
  ...[{ exists: 'true' }, { exists: null }, { exists: 1 }, { exists: [true] }, { exists: true, prefix: 'a' }],
  ...[
    { exists: {} },
    { cidr: 5 },
    { cidr: '' },
    { cidr: '/' },
    { cidr: '10.0.0.1' },
    { cidr: '10.0.0.0/32' },
  ],
  ...[{ cidr: '10.0.0.0/-1' }, { cidr: '10.0.0/8' }, { cidr: '10.0.0.0/a' }, { cidr: '10.0.0.0/8/8' }],
  ...[
    { cidr: '10.0.0.0/' },
    { cidr: '/8' },
    { cidr: '::/128' },
    { cidr: '::1/0' },
    { cidr: '::ffff:a00:0/8' },
  ],
  ...[
    { cidr: '::ffff:a00:0/104' },
    { cidr: '10.0.0.0/08' },
    { cidr: '10.0.0.0/8/' },
    { cidr: '10.0.0.0/+8' },
  ],
  ...[{ cidr: ['10.0.0.0/8'] }, { cidr: 'g::/8' }, { cidr: '1::2::3/8' }, { cidr: ' 10.0.0.0/8' }],
  ...[{ numeric: [] }, { numeric: ['='] }, { numeric: ['=', '5'] }, { numeric: '=5' }, { numeric: 5 }],
  ...[
    { numeric: ['>', 'a'] },
    { numeric: ['>', 1, '<'] },
    { numeric: ['>', 5, '<', 1] },
    { numeric: ['>', null] },
  ],
  ...[{ numeric: ['>=', 1, '<=', 1] }, { numeric: ['<', 1, '>', 0] }, { numeric: ['=', 1, '<', 2] }],
  ...[
    { numeric: ['>', 1, '>', 2] },
    { numeric: ['!=', 1] },
    { numeric: [1, '='] },
    { numeric: ['>', 0, '<', 1, 2] },
  ],
  ...[
    { numeric: ['>', 1, '=', 2] },
    { numeric: ['<', 1, 2] },
    { numeric: ['=', 1, 2] },
    { numeric: ['=', [1]] },
  ],
  ...[{ 'anything-but': [] }, { 'anything-but': null }, { 'anything-but': true }, { 'anything-but': [true] }],
  ...[
    { 'anything-but': ['a', 1] },
    { 'anything-but': [null] },
    { 'anything-but': [['a']] },
    { 'anything-but': {} },
  ],
  ...[
    { 'anything-but': { 'anything-but': 'a' } },
    { 'anything-but': { numeric: ['=', 1] } },
    { 'anything-but': '' },
  ],
  ...[
    { 'anything-but': { prefix: '' } },
    { 'anything-but': { suffix: '' } },
    { 'anything-but': { prefix: 1 } },
  ],
  ...[
    { 'anything-but': { suffix: ['a', ''] } },
    { 'anything-but': { prefix: [] } },
    { 'anything-but': [1, 1.0] },
  ],
  ...[{ 'anything-but': { prefix: 'a', suffix: 'b' } }, { 'anything-but': { 'equals-ignore-case': 1 } }],
  ...[{ 'anything-but': { 'equals-ignore-case': '' } }, { 'anything-but': { wildcard: '**' } }],
  ...[{ 'anything-but': { wildcard: ['a*', '\\'] } }, { 'anything-but': { wildcard: '*' } }],
  ...[
    { 'anything-but': { prefix: { 'equals-ignore-case': 'a' } } },
    { 'anything-but': { cidr: '10.0.0.0/8' } },
  ],
  ...[
    { 'anything-but': { exists: true } },
    { 'anything-but': { prefix: ['a', 1] } },
    { 'anything-but': ['a'], x: 1 },
  ],
  ...[{ 'anything-but': { wildcard: [] } }, { 'anything-but': { 'equals-ignore-case': ['a', null] } }],
];
