/** Local times `HH:MM` between which only what is urgent is sent. `until` may be on the next day. */
export interface QuietHours {
  from: string;
  until: string;
}

const TIME_OF_DAY = /^([01]\d|2[0-3]):([0-5]\d)$/;
/** Offsets such as `+01:00`, which newer engines take for zones, know no daylight saving time. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/;
const MINUTE_MS = 60_000;
const MINUTES_OF_DAY = 24 * 60;
const DAY_MS = MINUTES_OF_DAY * MINUTE_MS;
/**
 * Two hours of each day stay free. The largest change of a clock skips as much (Antarctica/Troll, two hours), so a longer
 * window could have no end on that day. Who wants no message at all opts out.
 */
const QUIET_MINUTES_MAX = MINUTES_OF_DAY - 120;

/** True for the name of a time zone that the engine's IANA data knows. */
export function isTimeZone(name: string): boolean {
  if (!ZONE_NAME.test(name)) return false;
  try {
    clockOf(name);
    return true;
  } catch {
    return false;
  }
}

/** Why these are no quiet hours, in words for the person who wrote them; null when they are. */
export function problemOfQuietHours({ from, until }: QuietHours): string | null {
  if (!TIME_OF_DAY.test(from) || !TIME_OF_DAY.test(until)) return 'Both must be times such as 22:00.';
  const minutes = minutesBetween(minutesOf(from), minutesOf(until));
  if (minutes === 0) return 'Both are the same time.';
  return minutes > QUIET_MINUTES_MAX ? 'At least two hours of each day must stay free.' : null;
}

/**
 * When the quiet hours end that `now` is in; null when `now` is outside of them. `from` belongs to them, `until` does not.
 * The person's clock counts: where it skips `until`, they end with the skip; where it shows `until` twice, at the first
 * time that is still to come.
 * @param options.timeZone - IANA name
 * @throws RangeError for what `problemOfQuietHours` or `isTimeZone` refuses: a bug in the caller
 */
export function quietUntil(options: { now: Date; timeZone: string } & QuietHours): Date | null {
  const { now, timeZone, from, until } = options;
  const problem = problemOfQuietHours({ from, until });
  if (problem !== null) throw new RangeError(`no quiet hours: ${problem}`);
  const localMs = localClock(timeZone);
  const isQuiet = (instantMs: number): boolean => {
    const minute = Math.floor(timeOfDayMs(localMs(instantMs)) / MINUTE_MS);
    return minutesBetween(minutesOf(from), minute) < minutesBetween(minutesOf(from), minutesOf(until));
  };
  if (!isQuiet(now.getTime())) return null;
  const end = nextTime(localMs, now.getTime(), minutesOf(until));
  // A clock that skips a whole day (Samoa, 2011) skips `until` and shows a quiet time after it.
  return new Date(isQuiet(end) ? nextTime(localMs, end, minutesOf(until)) : end);
}

/** Milliseconds since 1970 as the clock on the wall counts them, for an instant. */
type LocalClock = (instantMs: number) => number;

/** The first instant after `afterMs` at which the clock shows this minute of the day, or skips it. */
function nextTime(localMs: LocalClock, afterMs: number, minuteOfDay: number): number {
  const nowLocal = localMs(afterMs);
  const today = nowLocal - timeOfDayMs(nowLocal) + minuteOfDay * MINUTE_MS;
  const wanted = today > nowLocal ? today : today + DAY_MS;
  // The offset from UTC changes at most once within these two days: the wanted time has one of these two.
  const before = wanted - (localMs(afterMs) - afterMs);
  const after = wanted - (localMs(afterMs + 2 * DAY_MS) - (afterMs + 2 * DAY_MS));
  const shown = [before, after].filter((instantMs) => localMs(instantMs) === wanted).sort((a, b) => a - b);
  return shown[0] ?? endOfSkip(localMs, wanted, Math.min(before, after), Math.max(before, after));
}

/** The instant at which the clock jumps over the wanted time: it is before it at `lowMs` and after it at `highMs`. */
function endOfSkip(localMs: LocalClock, wanted: number, lowMs: number, highMs: number): number {
  let low = lowMs;
  let high = highMs;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (localMs(middle) < wanted) low = middle;
    else high = middle;
  }
  return high;
}

function minutesOf(time: string): number {
  const [, hours, minutes] = TIME_OF_DAY.exec(time)!;
  return Number(hours) * 60 + Number(minutes);
}

/** Minutes from one minute of the day to the next time that it is the other one. */
function minutesBetween(from: number, until: number): number {
  return (until - from + MINUTES_OF_DAY) % MINUTES_OF_DAY;
}

function timeOfDayMs(localMs: number): number {
  return ((localMs % DAY_MS) + DAY_MS) % DAY_MS;
}

function localClock(timeZone: string): LocalClock {
  const clock = clockOf(timeZone);
  return (instantMs) => {
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of clock.formatToParts(instantMs)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) + (((instantMs % 1_000) + 1_000) % 1_000);
  };
}

/** Zones of the IANA data, links included, are about 600; the same name in other capitals is another one here. */
const CLOCKS_MAX = 1_000;
/** Making a formatter takes a hundred times as long as using it. */
const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone);
  if (known !== undefined) return known;
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  if (clocks.size >= CLOCKS_MAX) clocks.clear();
  clocks.set(timeZone, clock);
  return clock;
}
