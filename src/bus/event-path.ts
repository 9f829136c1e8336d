/** Reads one place of a JSON document; `undefined` when the document has no such place. */
export type EventPath = (document: unknown) => unknown;

/** UTF-16 units. Source: EventBridge API, InputTransformer, InputPathsMap value length. */
const PATH_LENGTH_MAX = 256;
/** `.name`, `[0]`, `['any name']` or `["any name"]`. Source: EventBridge user guide, "Input transformation", supported syntax. */
const SEGMENT = /\.([A-Za-z0-9_/-]+)|\[(\d{1,9})\]|\['([^'\\]+)'\]|\["([^"\\]+)"\]/y;

/**
 * Compiles a JSON path such as `$`, `$.detail.lines[0].sku`, `$.detail-type` or `$['detail-type']`. Only own members are
 * found. Wildcards are refused: they would make a list of what reads like one value.
 * @returns null when the text is not such a path
 */
export function compileEventPath(text: string): EventPath | null {
  if (!text.startsWith('$') || text.length > PATH_LENGTH_MAX) return null;
  const segments: (string | number)[] = [];
  let position = 1;
  while (position < text.length) {
    SEGMENT.lastIndex = position;
    const match = SEGMENT.exec(text);
    if (match === null) return null;
    const [, dotted, index, singleQuoted, doubleQuoted] = match;
    segments.push(index === undefined ? (dotted ?? singleQuoted ?? doubleQuoted ?? '') : Number(index));
    position = SEGMENT.lastIndex;
  }
  return (document) => segments.reduce(memberOf, document);
}

function memberOf(value: unknown, segment: string | number): unknown {
  if (Array.isArray(value)) return typeof segment === 'number' ? (value[segment] as unknown) : undefined;
  if (typeof value !== 'object' || value === null || typeof segment === 'number') return undefined;
  return Object.hasOwn(value, segment) ? (value as Record<string, unknown>)[segment] : undefined;
}
