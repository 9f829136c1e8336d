import fc from 'fast-check';
import { AppError } from '../../src/errors';
import { parseStrictJson } from '../../src/http/strict-json';

const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];

const key = fc.string({ unit: 'grapheme' }).filter((text) => isClean(text) && !FORBIDDEN.includes(text));
const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
    fc.integer(),
    fc.string({ unit: 'binary' }).filter(isClean),
    fc.array(tie('value')),
    fc.array(fc.tuple(key, tie('value'))).map((members) => Object.fromEntries(members)),
  ),
}));

function isClean(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function refusal(text: string): AppError {
  try {
    parseStrictJson(text);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('the text was accepted');
}

it('accepts any value that was serialised, and reads the same value', () => {
  fc.assert(
    fc.property(anyValue, fc.constantFrom(0, 1, 2), (value, indent) => {
      expect(parseStrictJson(JSON.stringify(value, null, indent))).toEqual(value);
    }),
  );
});

it('refuses any object that has a member twice, whatever the values and wherever it stands', () => {
  const member = fc.tuple(key, anyValue);
  fc.assert(
    fc.property(
      fc.array(member),
      member,
      anyValue,
      fc.nat(4),
      fc.boolean(),
      (others, [name, first], second, depth, asEscape) => {
        const spelled = asEscape ? escaped(name) : JSON.stringify(name);
        const members = [
          `${JSON.stringify(name)}:${JSON.stringify(first)}`,
          ...others.map(([other, value]) => `${JSON.stringify(other)}:${JSON.stringify(value)}`),
          `${spelled}:${JSON.stringify(second)}`,
        ];
        const text = `${'[{"a":'.repeat(depth)}{${members.join(',')}}${'}]'.repeat(depth)}`;

        expect(refusal(text).code).toBe('malformed_request');
      },
    ),
  );
});

/** The same name in another spelling. */
function escaped(name: string): string {
  const units = Array.from({ length: name.length }, (_, i) =>
    name.charCodeAt(i).toString(16).padStart(4, '0'),
  );
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
}

it.each([
  ['a member twice', '{"qty":1,"qty":9}', '/qty'],
  ['a member twice with one value, deep', '{"lines":[{},{"a":{"x":1,"x":1}}]}', '/lines/1/a/x'],
  ['__proto__', '{"__proto__":{"polluted":true}}', '/__proto__'],
  ['constructor', '{"a":{"constructor":{"prototype":{}}}}', '/a/constructor'],
  ['an escaped __proto__', '{"\\u005f_proto__":1}', '/__proto__'],
  ['NUL in a value', '{"sku":"A\\u0000"}', '/sku'],
  ['NUL in a name', '{"a\\u0000":1}', '/a\0'],
  ['a lone surrogate', '{"lines":["\\ud800"]}', '/lines/0'],
  ['a lone low surrogate', '["\\udc00"]', '/0'],
])('refuses %s and points at it', (_what, text, pointer) => {
  const error = refusal(text);

  expect(error.code).toBe('malformed_request');
  expect(error.fields).toEqual([expect.objectContaining({ pointer })]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it.each([
  '',
  ' ',
  '{',
  '{"a":}',
  "{'a':1}",
  '{"a":1,}',
  '[1 2]',
  'undefined',
  'NaN',
  '01',
  '{"a":1}{}',
  '\ufeff{}',
])('refuses %j, which is not JSON, without repeating it', (text) => {
  expect(refusal(text)).toMatchObject({ code: 'malformed_request', message: 'The body is not valid JSON.' });
});

it.each([
  '1.00000000000000000001',
  '9007199254740993',
  '1e400',
  '1e-400',
  '0.1000000000000000055511151231257827',
])('refuses the number %s, which would not come back as it was written', (number) => {
  expect(refusal(`{"a":[${number}]}`)).toMatchObject({
    code: 'invalid_value',
    fields: [{ pointer: '/a/0' }],
  });
});

it.each(['1.0', '-0', '0e9', '1500', '1.50e3', '15E+2', '0.10', '1e21', '123456789012345680000'])(
  'accepts the number %s',
  (number) => {
    expect(parseStrictJson(`[${number}]`)).toEqual([Number(number)]);
  },
);

it('refuses a body that is nested too deep instead of overflowing a stack', () => {
  expect(refusal('['.repeat(30_000) + ']'.repeat(30_000)).code).toBe('malformed_request');
  expect(parseStrictJson('['.repeat(64) + ']'.repeat(64))).toBeInstanceOf(Array);
});
