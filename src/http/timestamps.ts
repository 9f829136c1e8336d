/** Source: RFC 3339, section 5.6, without leap seconds, which no clock of ours shows. */
const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
/** Nothing of ours is older. It also keeps away years that PostgreSQL refuses. */
const YEAR_MIN = 1970;

/**
 * A moment as `Date.prototype.toISOString` writes it, or null for a text that names none: no zone, a day that its month
 * does not have, a year that is not within 1970 to 9999.
 */
export function readTimestamp(text: string): string | null {
  const found = RFC_3339.exec(text);
  if (found === null) return null;
  const [year, month, day] = [Number(found[1]), Number(found[2]), Number(found[3])];
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const moment = new Date(text.toUpperCase());
  if (Number.isNaN(moment.getTime()) || moment.getUTCFullYear() < YEAR_MIN) return null;
  const written = moment.toISOString();
  return written.length === '1970-01-01T00:00:00.000Z'.length ? written : null;
}
