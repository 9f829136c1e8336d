/** `encodeURIComponent` leaves them, RFC 3986 does not. */
const RESERVED_MARKS = /[!'()*]/g;

/**
 * A form or a query as the package's own client writes it: names and values in RFC 3986, an array as members of the same
 * name, no member for undefined, an empty one for null.
 * @throws TypeError for a value that is none of a form: a bug in the caller
 */
export function encodeForm(members: object): string {
  const pairs: string[] = [];
  for (const [name, given] of Object.entries(members) as [string, unknown][]) {
    const encodedName = encode(name);
    for (const value of Array.isArray(given) ? (given as unknown[]) : [given]) {
      if (value !== undefined) pairs.push(`${encodedName}=${encode(textOf(value))}`);
    }
  }
  return pairs.join('&');
}

function textOf(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new TypeError('a form takes texts, numbers, booleans and arrays of them');
}

/** Half a surrogate pair has no bytes; it becomes the replacement character instead of an error. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    RESERVED_MARKS,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
