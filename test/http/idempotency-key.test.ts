import { AppError } from '../../src/errors';
import { idempotencyKeyOf } from '../../src/http/idempotency-key';

const LONGEST = 'k'.repeat(255);

function codeOf(...values: string[]): string {
  try {
    idempotencyKeyOf({ rawHeaders: values.flatMap((value) => ['Idempotency-Key', value]) });
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'accepted';
}

it.each([
  ['abc', 'abc'],
  ['"abc"', 'abc'],
  [' abc ', 'abc'],
  ['"a\\"b\\\\c"', 'a"b\\c'],
  ['a,b;c=d', 'a,b;c=d'],
  [LONGEST, LONGEST],
  [`"${LONGEST}"`, LONGEST],
])('reads %j', (value, key) => {
  expect(idempotencyKeyOf({ rawHeaders: ['Host', 'x', 'idempotency-KEY', value] })).toBe(key);
});

it('refuses a request without a key', () => {
  expect(codeOf()).toBe('idempotency_key_missing');
});

it.each([
  ['an empty one', ''],
  ['an empty quoted one', '""'],
  ['one of 256 characters', `${LONGEST}k`],
  ['a quoted one of 256 characters', `"${LONGEST}k"`],
  ['spaces', 'a b'],
  ['quoted spaces', '"a b"'],
  ['control characters', 'a\tb'],
  ['other than ASCII', 'schlüssel'],
  ['an open quote', '"abc'],
  ['what follows a quoted one', '"abc";x=1'],
  ['a broken escape', '"a\\b"'],
])('refuses %s', (_what, value) => {
  expect(codeOf(value)).toBe('idempotency_key_malformed');
});

it('refuses two keys, also when they are the same', () => {
  expect(codeOf('abc', 'abc')).toBe('idempotency_key_malformed');
});
