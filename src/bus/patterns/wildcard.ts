import { partKey, type LookupKey } from './lookup';
import { refusal, type Place } from './refusal';

/** A text read one UTF-16 unit at a time: a string, or in a test one that counts how often it is read. */
export interface Characters {
  readonly length: number;
  charCodeAt(index: number): number;
}

/** A text to look for, with how far the search falls back on a difference (Knuth, Morris and Pratt, 1977). */
interface Segment {
  text: string;
  fallbacks: readonly number[];
}

/**
 * Compiles `*` for any text, also an empty one; `\*` and `\\` for the characters themselves. A match reads each unit of
 * the text at most three times, whatever the pattern: each segment takes its first occurrence and is never tried again,
 * and the search within a segment never goes back in the text.
 * @throws InvalidPatternError for `**` and for a backslash before anything else, as event-ruler refuses them
 */
export function compileWildcard(pattern: string, place: Place): (text: Characters) => boolean {
  const segments = segmentsOf(pattern, place);
  const [head = '', ...rest] = segments;
  const tail = rest.pop();
  if (tail === undefined) return (text) => text.length === head.length && standsAt(head, text, 0);
  const middle = rest.map(searchable);
  const lengthMin = segments.reduce((sum, segment) => sum + segment.length, 0);
  return (text) => {
    const end = text.length - tail.length;
    if (text.length < lengthMin || !standsAt(head, text, 0) || !standsAt(tail, text, end)) return false;
    let position = head.length;
    for (const segment of middle) {
      position = endOf(segment, text, position, end);
      if (position < 0) return false;
    }
    return true;
  };
}

/** What each text begins or ends with that the wildcard finds, whichever is longer; all of it without a star. */
export function wildcardKey(pattern: string): LookupKey {
  const [head = '', ...rest] = segmentsOf(pattern, []);
  const tail = rest.at(-1);
  if (tail === undefined) return { reading: 'itself', part: 'whole', text: head };
  return tail.length > head.length ? partKey('end', tail) : partKey('start', head);
}

function segmentsOf(pattern: string, place: Place): string[] {
  const segments: string[] = [];
  let segment = '';
  for (let index = 0; index < pattern.length; index += 1) {
    const character = pattern.charAt(index);
    const next = pattern.charAt(index + 1);
    if (character === '*') {
      if (next === '*') throw refusal(place, 'Consecutive wildcards "**" are not allowed.');
      segments.push(segment);
      segment = '';
    } else if (character === '\\') {
      if (next !== '*' && next !== '\\') throw refusal(place, 'A backslash stands only before * or \\.');
      segment += next;
      index += 1;
    } else segment += character;
  }
  return [...segments, segment];
}

/** For each unit of the segment: how many units before it are also the segment's beginning. */
function searchable(text: string): Segment {
  const fallbacks = [0];
  let matched = 0;
  for (let index = 1; index < text.length; index += 1) {
    while (matched > 0 && text.charCodeAt(index) !== text.charCodeAt(matched)) {
      matched = fallbacks[matched - 1] ?? 0;
    }
    if (text.charCodeAt(index) === text.charCodeAt(matched)) matched += 1;
    fallbacks.push(matched);
  }
  return { text, fallbacks };
}

/** Where the first occurrence of the segment ends; -1 when there is none between the two positions. */
function endOf(segment: Segment, text: Characters, from: number, to: number): number {
  const wanted = segment.text;
  let matched = 0;
  for (let index = from; index < to; index += 1) {
    while (matched > 0 && text.charCodeAt(index) !== wanted.charCodeAt(matched)) {
      matched = segment.fallbacks[matched - 1] ?? 0;
    }
    if (text.charCodeAt(index) === wanted.charCodeAt(matched)) matched += 1;
    if (matched === wanted.length) return index + 1;
  }
  return -1;
}

function standsAt(wanted: string, text: Characters, start: number): boolean {
  for (let index = 0; index < wanted.length; index += 1) {
    if (text.charCodeAt(start + index) !== wanted.charCodeAt(index)) return false;
  }
  return true;
}
