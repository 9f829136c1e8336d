/** An RFC 6901 pointer to a member, for instance `/detail/order~1id/0`. No segments: the whole document, ``. */
export function jsonPointer(segments: readonly (string | number)[]): string {
  return segments
    .map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}
