import fc from 'fast-check';
import { parseRetryAfterMs } from '../../src/domain/retry-after';

const NOW = Date.parse('2026-08-01T12:00:00Z');

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['7', 7_000],
    [' 7 ', 7_000],
    ['999999999', 999_999_999_000],
    ['Sat, 01 Aug 2026 12:00:30 GMT', 30_000],
    ['Saturday, 01-Aug-26 12:00:30 GMT', 30_000],
    ['Sat Aug  1 12:00:30 2026', 30_000],
    ['Sat, 01 Aug 2026 11:59:30 GMT', -30_000],
  ])('%j is %i ms', (header, waitMs) => {
    expect(parseRetryAfterMs(header, NOW)).toBe(waitMs);
  });

  it.each<[unknown]>([
    [undefined],
    [['7', '8']],
    [7],
    [''],
    ['soon'],
    ['-7'],
    ['1.5'],
    ['1e3'],
    ['1000000000'],
    ['2026-08-01T12:00:30Z'],
    ['Sat, 01 Aug 2026 12:00:30 +0200'],
    ['Sat, 99 Aug 2026 12:00:30 GMT'],
  ])('%j is no time', (header) => {
    expect(parseRetryAfterMs(header, NOW)).toBeUndefined();
  });

  it('reads every date that a server writes', () => {
    const seconds = fc.integer({ min: 0, max: 4_000_000_000 });

    fc.assert(
      fc.property(seconds, (at) => {
        expect(parseRetryAfterMs(new Date(at * 1_000).toUTCString(), NOW)).toBe(at * 1_000 - NOW);
      }),
    );
  });
});
