export type MessagePart = { kind: 'literal'; text: string } | { kind: 'variable'; name: string };

/** What is wrong with a message's text, in words for the person who wrote it. */
export class MessageTextError extends Error {}

/**
 * Splits a message's text into literal text and `<variables>`. `\<`, `\>` and `\\` stand for the characters themselves.
 * The same form as the text templates of the bus, so that operators learn one.
 * @throws MessageTextError for a `<` that is not closed
 */
export function parseMessageText(text: string): MessagePart[] {
  const parts: MessagePart[] = [];
  let literal = '';
  let position = 0;
  while (position < text.length) {
    const character = text.charAt(position);
    const next = text.charAt(position + 1);
    if (character === '\\' && ['<', '>', '\\'].includes(next)) {
      literal += next;
      position += 2;
    } else if (character === '<') {
      const end = endOfVariable(text, position);
      if (literal !== '') parts.push({ kind: 'literal', text: literal });
      literal = '';
      parts.push({ kind: 'variable', name: text.slice(position + 1, end) });
      position = end + 1;
    } else {
      literal += character;
      position += 1;
    }
  }
  if (literal !== '') parts.push({ kind: 'literal', text: literal });
  return parts;
}

function endOfVariable(text: string, start: number): number {
  const end = text.indexOf('>', start);
  const next = text.indexOf('<', start + 1);
  if (end === -1 || (next !== -1 && next < end)) {
    throw new MessageTextError(
      `The "<" at character ${start + 1} is not closed; write \\< for the character itself.`,
    );
  }
  return end;
}

/**
 * Fills the variables in. Values are text and stay text: a `<` in one begins nothing.
 * @throws RangeError when a variable has no value: a bug, because templates are checked before they are saved
 */
export function renderMessageText(text: string, values: Readonly<Record<string, string>>): string {
  return parseMessageText(text)
    .map((part) => {
      if (part.kind === 'literal') return part.text;
      if (!Object.hasOwn(values, part.name)) throw new RangeError(`<${part.name}> has no value`);
      return values[part.name]!;
    })
    .join('');
}
