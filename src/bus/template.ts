/** A template is JSON when it is valid JSON with any value in the place of its unquoted variables; else it is text. */
export type TemplateForm = 'json' | 'text';

export type TemplatePart =
  | { kind: 'literal'; text: string }
  /** `quoted`: the variable stands inside a JSON string. Always false in a text template. */
  | { kind: 'variable'; name: string; quoted: boolean };

export interface Template {
  form: TemplateForm;
  parts: readonly TemplatePart[];
}

/** What is wrong with a template, in words for the person who wrote it. */
export class TemplateSyntaxError extends Error {}

/**
 * Splits an input template into literal text and variables, and finds out whether it is JSON or text. `\<` and `\>` are
 * literal in both, `\\` is a backslash in text and stays JSON's own escape in JSON. JSON loses its whitespace between
 * tokens, because EventBridge sends it minified.
 * Source: EventBridge user guide, "Input transformation"; EventBridge API, InputTransformer.
 * @throws TemplateSyntaxError for an unclosed `<`, a variable as a member's name, and for what starts like JSON and
 *   cannot become JSON
 */
export function parseTemplate(template: string): Template {
  const jsonParts = splitTemplate(template, 'json');
  if (isJsonForAnyValue(jsonParts)) {
    refuseVariableAsName(jsonParts);
    return { form: 'json', parts: minified(jsonParts) };
  }
  if (/^\s*[{["]/.test(template)) {
    throw new TemplateSyntaxError(
      'The template starts like JSON and is not valid JSON, whatever its variables hold.',
    );
  }
  return { form: 'text', parts: splitTemplate(template, 'text') };
}

function splitTemplate(template: string, form: TemplateForm): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let literal = '';
  let quoted = false;
  let position = 0;
  while (position < template.length) {
    const character = template.charAt(position);
    if (character === '\\') {
      literal += unescaped(template.slice(position, position + 2), form);
      position += 2;
    } else if (character === '<') {
      const end = endOfVariable(template, position);
      if (literal !== '') parts.push({ kind: 'literal', text: literal });
      literal = '';
      parts.push({ kind: 'variable', name: template.slice(position + 1, end), quoted });
      position = end + 1;
    } else {
      if (character === '"' && form === 'json') quoted = !quoted;
      literal += character;
      position += 1;
    }
  }
  if (literal !== '') parts.push({ kind: 'literal', text: literal });
  return parts;
}

function unescaped(pair: string, form: TemplateForm): string {
  if (pair === '\\<' || pair === '\\>') return pair.slice(1);
  return form === 'text' && pair === '\\\\' ? '\\' : pair;
}

function endOfVariable(template: string, start: number): number {
  const end = template.indexOf('>', start);
  const next = template.indexOf('<', start + 1);
  if (end === -1 || (next !== -1 && next < end)) {
    throw new TemplateSyntaxError(
      `The "<" at character ${start + 1} is not closed; write \\< for the character itself.`,
    );
  }
  return end;
}

/** `null` can stand wherever a value can, so one probe stands for all values. */
function isJsonForAnyValue(parts: readonly TemplatePart[]): boolean {
  const probe = parts
    .map((part) => (part.kind === 'literal' ? part.text : part.quoted ? '' : 'null'))
    .join('');
  try {
    JSON.parse(probe);
    return true;
  } catch {
    return false;
  }
}

/** EventBridge refuses it too: two values could make the same name twice. Unquoted names fail as JSON already. */
function refuseVariableAsName(parts: readonly TemplatePart[]): void {
  parts.forEach((part, index) => {
    if (part.kind !== 'variable' || !part.quoted) return;
    const following = parts.slice(index + 1).find((later) => later.kind === 'literal');
    if (following !== undefined && /^(?:[^"\\]|\\.)*"\s*:/s.test(following.text)) {
      throw new TemplateSyntaxError(`The variable <${part.name}> cannot be the name of a member.`);
    }
  });
}

/** Drops whitespace outside of strings. A string may begin in one part and end in a later one. */
function minified(parts: readonly TemplatePart[]): TemplatePart[] {
  let quoted = false;
  return parts.map((part) => {
    if (part.kind === 'variable') return part;
    const text = part.text.replace(/\\.|"|[ \t\r\n]+/gs, (token) => {
      if (token === '"') quoted = !quoted;
      return !quoted && token.trim() === '' ? '' : token;
    });
    return { kind: 'literal', text };
  });
}
