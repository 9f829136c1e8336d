import fc from 'fast-check';
import { readTimestamp } from '../../src/http/timestamps';

it('reads every moment as it was written', () => {
  const date = fc.date({
    min: new Date('1970-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(date, (moment) => expect(readTimestamp(moment.toISOString())).toBe(moment.toISOString())),
  );
});

it.each([
  ['2026-11-21T08:00:00+01:00', '2026-11-21T07:00:00.000Z'],
  ['2026-11-21t08:00:00z', '2026-11-21T08:00:00.000Z'],
  ['2024-02-29T00:00:00.123456789Z', '2024-02-29T00:00:00.123Z'],
])('reads %s', (text, moment) => {
  expect(readTimestamp(text)).toBe(moment);
});

it.each([
  '2026-02-30T00:00:00Z',
  '2025-02-29T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-00-01T00:00:00Z',
  '2026-11-21T08:00:00',
  '2026-11-21',
  '2026-11-21T24:00:00Z',
  '2026-11-21T23:59:60Z',
  '2026-11-21 08:00:00Z',
  '2026-11-21T08:00:00+24:00',
  '99999-01-01T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59-01:00',
  '1970-01-01T00:00:00+01:00',
  'yesterday',
  '',
])('refuses %j', (text) => {
  expect(readTimestamp(text)).toBeNull();
});
