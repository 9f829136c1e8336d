/** A statement that `prepared` names: its name and, where it is parsed, its text after it. */
const NAMED = /(aftercommit_[0-9a-f]{32})\0([^\0]*)/g;

/**
 * Prepared statements go by their names once a connection has parsed them; traps go by texts.
 * @returns what a trap is to see of a piece: the piece, and after it the text of each statement that it only names. Names are
 * digests of texts, so what one connection has parsed tells of all.
 */
export function spellingStatements(): (bytes: Buffer) => Buffer {
  const texts = new Map<string, string>();
  return (bytes) => {
    const spelled: Buffer[] = [bytes];
    for (const [, name = '', text = ''] of bytes.toString('latin1').matchAll(NAMED)) {
      // Where it is bound, numbers follow its name, which begin with a zero byte.
      if (text !== '') texts.set(name, text);
      else spelled.push(Buffer.from(texts.get(name) ?? '', 'latin1'));
    }
    return Buffer.concat(spelled);
  };
}
