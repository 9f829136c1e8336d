/**
 * The ways in which one character of the pattern may be written: in lower and in upper case. As in event-ruler these
 * come from the pattern's character alone, so "ß" finds "SS" but "SS" does not find "ß".
 */
type Spellings = readonly [lower: string, upper: string];

/** How a text begins, ends or reads, whatever its case. */
export interface IgnoringCase {
  equals: (text: string) => boolean;
  startsWith: (text: string) => boolean;
  endsWith: (text: string) => boolean;
}

/**
 * Compiles a comparison that ignores case. Both spellings of a character never begin or end alike (a test asks all of
 * Unicode), so that one pass decides.
 */
export function ignoringCase(pattern: string): IgnoringCase {
  const characters = [...pattern].map((character): Spellings => [
    character.toLowerCase(),
    character.toUpperCase(),
  ]);
  const backwards = [...characters].reverse();
  return {
    equals: (text) => endOfStart(characters, text) === text.length,
    startsWith: (text) => endOfStart(characters, text) >= 0,
    endsWith: (text) => hasEnd(backwards, text),
  };
}

/**
 * The same for all texts that compare as equal here, and for a text the sum of what it is for its characters (a test
 * asks all of Unicode). Lower case comes first, since only it brings "ẞ" and "ß" together; upper case undoes that
 * lower case depends on the place of a sigma.
 */
export function foldCase(text: string): string {
  return text.toLowerCase().toUpperCase();
}

/** Where the characters end that the text begins with; -1 when it begins otherwise. */
function endOfStart(characters: readonly Spellings[], text: string): number {
  let position = 0;
  for (const [lower, upper] of characters) {
    if (text.startsWith(lower, position)) position += lower.length;
    else if (text.startsWith(upper, position)) position += upper.length;
    else return -1;
  }
  return position;
}

function hasEnd(backwards: readonly Spellings[], text: string): boolean {
  let position = text.length;
  for (const [lower, upper] of backwards) {
    if (text.endsWith(lower, position)) position -= lower.length;
    else if (text.endsWith(upper, position)) position -= upper.length;
    else return false;
  }
  return true;
}
