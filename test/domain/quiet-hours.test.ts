import fc from 'fast-check';
import { isTimeZone, problemOfQuietHours, quietUntil } from '../../src/domain/quiet-hours';

function endOf(now: string, timeZone: string, hours = '22:00-08:00'): string | null {
  const [from, until] = hours.split('-') as [string, string];
  return quietUntil({ now: new Date(now), timeZone, from, until })?.toISOString() ?? null;
}

describe('the end of quiet hours', () => {
  it.each([
    ['before midnight', '2026-01-15T21:30:00.000Z', '2026-01-16T07:00:00.000Z'],
    ['after midnight', '2026-01-16T03:00:00.500Z', '2026-01-16T07:00:00.000Z'],
    ['at their first moment', '2026-01-15T21:00:00.000Z', '2026-01-16T07:00:00.000Z'],
    ['at their last moment', '2026-01-16T06:59:59.999Z', '2026-01-16T07:00:00.000Z'],
    ['on the last day of a year', '2026-12-31T22:00:00.000Z', '2027-01-01T07:00:00.000Z'],
    ['in summer', '2026-07-15T20:30:00.000Z', '2026-07-16T06:00:00.000Z'],
    ['in the night that is an hour short', '2026-03-28T22:00:00.000Z', '2026-03-29T06:00:00.000Z'],
    ['in the night that is an hour long', '2026-10-24T20:30:00.000Z', '2026-10-25T07:00:00.000Z'],
  ])('is 08:00 in Berlin, %s', (_when, now, end) => {
    expect(endOf(now, 'Europe/Berlin')).toBe(end);
  });

  it.each([
    ['a moment before them', '2026-01-15T20:59:59.999Z'],
    ['at the moment of their end', '2026-01-16T07:00:00.000Z'],
    ['at noon', '2026-01-16T11:00:00.000Z'],
  ])('is nothing to wait for %s', (_when, now) => {
    expect(endOf(now, 'Europe/Berlin')).toBeNull();
  });

  it.each([
    ['of one day', '13:00-15:00', '2026-01-15T12:30:00.000Z', '2026-01-15T14:00:00.000Z'],
    ['until midnight', '20:00-00:00', '2026-01-15T20:00:00.000Z', '2026-01-15T23:00:00.000Z'],
    ['from midnight on', '00:00-06:00', '2026-01-15T23:00:00.000Z', '2026-01-16T05:00:00.000Z'],
    ['as long as they may be', '02:00-00:00', '2026-01-15T01:00:00.000Z', '2026-01-15T23:00:00.000Z'],
  ])('is found for hours %s', (_what, hours, now, end) => {
    expect(endOf(now, 'Europe/Berlin', hours)).toBe(end);
  });

  it('goes by the clock of the person in New York and in Kolkata', () => {
    const now = '2026-01-15T03:30:00.000Z';

    expect(endOf(now, 'America/New_York')).toBe('2026-01-15T13:00:00.000Z');
    expect(endOf(now, 'Asia/Kolkata')).toBeNull();
    expect(endOf('2026-01-15T17:00:00.000Z', 'Asia/Kolkata')).toBe('2026-01-16T02:30:00.000Z');
  });

  it('is the skip itself where the clock skips the time', () => {
    // Clocks go from 02:00 to 03:00 local time: 02:30 is not shown.
    expect(endOf('2026-03-28T23:00:00.000Z', 'Europe/Berlin', '22:00-02:30')).toBe(
      '2026-03-29T01:00:00.000Z',
    );
    expect(endOf('2026-03-08T05:00:00.000Z', 'America/New_York', '22:00-02:30')).toBe(
      '2026-03-08T07:00:00.000Z',
    );
  });

  it('is the next of both where the clock shows the time twice', () => {
    // 02:30 is at 00:30 and at 01:30 UTC in Berlin.
    expect(endOf('2026-10-24T22:00:00.000Z', 'Europe/Berlin', '22:00-02:30')).toBe(
      '2026-10-25T00:30:00.000Z',
    );
    expect(endOf('2026-10-25T01:10:00.000Z', 'Europe/Berlin', '22:00-02:30')).toBe(
      '2026-10-25T01:30:00.000Z',
    );
  });

  it('is past the day that Samoa skipped', () => {
    expect(endOf('2011-12-30T09:00:00.000Z', 'Pacific/Apia')).toBe('2011-12-30T18:00:00.000Z');
  });
});

it('ends quiet hours after now, within 25 hours and outside of them, everywhere and at any time', () => {
  const zones = [
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    'Australia/Lord_Howe',
    'Antarctica/Troll',
  ];
  const minute = fc.integer({ min: 0, max: 1_439 });
  const time = (minutes: number): string =>
    `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
  // Around the changes of these zones' clocks, where mistakes live, and anywhere else.
  const changes = [
    '2026-03-08T07:00Z',
    '2026-03-29T01:00Z',
    '2026-04-04T15:00Z',
    '2026-10-25T01:00Z',
    '2026-11-01T06:00Z',
  ];
  const moment = fc.oneof(
    fc.date({ min: new Date('2020-01-01'), max: new Date('2040-01-01'), noInvalidDate: true }),
    fc
      .tuple(fc.constantFrom(...changes), fc.integer({ min: -86_400_000, max: 86_400_000 }))
      .map(([change, offsetMs]) => new Date(Date.parse(change) + offsetMs)),
  );
  let quiet = 0;

  fc.assert(
    fc.property(
      moment,
      fc.constantFrom(...zones),
      minute,
      fc.integer({ min: 1, max: 1_320 }),
      (now, timeZone, start, length) => {
        const hours = { from: time(start), until: time((start + length) % 1_440) };

        const end = quietUntil({ now, timeZone, ...hours });

        if (end === null) return;
        quiet += 1;
        const waitMs = end.getTime() - now.getTime();
        expect(waitMs).toBeGreaterThan(0);
        expect(waitMs).toBeLessThanOrEqual(25 * 3_600_000);
        expect(quietUntil({ now: end, timeZone, ...hours })).toBeNull();
        // By another way than the code's: what the person's clock shows at that moment.
        const shown = end.toLocaleTimeString('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' });
        const isWithin =
          hours.from < hours.until
            ? shown >= hours.from && shown < hours.until
            : shown >= hours.from || shown < hours.until;
        expect(isWithin).toBe(false);
      },
    ),
    { numRuns: 3_000 },
  );
  expect(quiet).toBeGreaterThan(500);
});

it.each([
  ['22:00', '22:00', 'same time'],
  ['00:00', '22:01', 'two hours'],
  ['24:00', '08:00', 'times such as'],
  ['22:00', '8:00', 'times such as'],
  ['22:00', '08:60', 'times such as'],
  ['', '', 'times such as'],
])('refuses the quiet hours %s to %s', (from, until, words) => {
  expect(problemOfQuietHours({ from, until })).toContain(words);
  expect(() => quietUntil({ now: new Date(0), timeZone: 'UTC', from, until })).toThrow(RangeError);
});

it('takes quiet hours that leave two hours', () => {
  expect(problemOfQuietHours({ from: '00:00', until: '22:00' })).toBeNull();
  expect(problemOfQuietHours({ from: '12:30', until: '10:30' })).toBeNull();
});

it.each([
  ['Europe/Berlin', true],
  ['America/Argentina/Buenos_Aires', true],
  ['UTC', true],
  ['Etc/GMT+1', true],
  ['Europe/Atlantis', false],
  ['+01:00', false],
  ['', false],
  ['Europe/Berlin; drop table', false],
  ['A'.repeat(10_000), false],
])('knows whether %s is a time zone', (name, known) => {
  expect(isTimeZone(name)).toBe(known);
});
