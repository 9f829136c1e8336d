import type { FieldError } from '../errors';
import { isBlank, MESSAGE_CHARACTERS_MAX, problemOfContentVariable } from './message-rules';
import { MessageTextError, parseMessageText } from './message-text';
import {
  renderOne,
  variablesOf,
  type MessageFacts,
  type TemplateContent,
  type TemplateName,
} from './templates';

/**
 * Twilio takes a TwiML document of 4,000 characters, and the call says the text twice, each time in its markup. Twice this
 * and the markup stay far below it, and each time takes about a minute, which is as long as anybody listens.
 */
const SPOKEN_CHARACTERS_MAX = 1_000;

/** Facts whose rendered forms are the longest that there can be: what fits with them fits always. */
const LONGEST_FACTS: MessageFacts = {
  orderId: '00000000-0000-0000-0000-000000000000',
  totalMinor: Number.MAX_SAFE_INTEGER,
  amountMinor: Number.MAX_SAFE_INTEGER,
  currency: 'EUR',
};

/** Every control character but the line feed. */
const CONTROL = /[^\P{Cc}\n]/u;
const CONTENT_SID = /^HX[0-9a-fA-F]{32}$/;
/**
 * What is wrong with the words of one content, found by rendering them. Empty when any event of this template can be told
 * with them. Language and channel are not looked at.
 */
export function problemsOfContent(name: TemplateName, content: TemplateContent): FieldError[] {
  const problems: FieldError[] = [];
  const refuse = (pointer: string, message: string | null): void => {
    if (message !== null) problems.push({ pointer, message });
  };
  const texts = { '/body': content.body, ...variablesByPointer(content) };
  for (const [pointer, text] of Object.entries(texts)) refuse(pointer, problemOfSyntax(name, text));
  refuse('/contentSid', problemOfSid(content));
  refuse('/contentVariables', problemOfNames(content));
  // What cannot be rendered cannot be measured.
  if (problems.length > 0) return problems;

  const rendered = renderOne(content, LONGEST_FACTS);
  refuse('/body', problemOfBody(content.channel, rendered.body));
  for (const [pointer, value] of Object.entries(variablesByPointer(rendered))) {
    refuse(pointer, problemOfVariable(value, rendered.body));
  }
  return problems;
}

function variablesByPointer(content: {
  contentVariables?: Record<string, string> | undefined;
}): Record<string, string> {
  const entries = Object.entries(content.contentVariables ?? {});
  return Object.fromEntries(entries.map(([name, text]) => [`/contentVariables/${escaped(name)}`, text]));
}

/** A member's name in a pointer. Source: RFC 6901, section 3. */
function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function problemOfSyntax(name: TemplateName, text: string): string | null {
  if (!text.isWellFormed()) return 'This has half of a character.';
  const known: readonly string[] = variablesOf(name);
  try {
    const isKnown = parseMessageText(text).every(
      (part) => part.kind === 'literal' || known.includes(part.name),
    );
    return isKnown ? null : `This names a variable that its event does not have. There is ${listOf(known)}.`;
  } catch (error) {
    if (error instanceof MessageTextError) return error.message;
    throw error;
  }
}

function listOf(variables: readonly string[]): string {
  return variables.map((name) => `<${name}>`).join(' and ');
}

function problemOfSid({ channel, contentSid }: TemplateContent): string | null {
  if (contentSid === undefined) return null;
  if (channel !== 'whatsapp') return 'Only WhatsApp has approved templates.';
  return CONTENT_SID.test(contentSid) ? null : 'This must be HX and 32 hexadecimal digits.';
}

function problemOfNames({ contentSid, contentVariables }: TemplateContent): string | null {
  if (contentVariables === undefined) return null;
  if (contentSid === undefined) return 'Only an approved template has variables; name its contentSid.';
  const names = Object.keys(contentVariables);
  const isComplete = names.every((_, index) => Object.hasOwn(contentVariables, String(index + 1)));
  return isComplete ? null : 'The variables must be named 1, 2, 3 and so on, without a gap.';
}

function problemOfBody(channel: TemplateContent['channel'], body: string): string | null {
  if (isBlank(body)) return 'This has nothing to read.';
  if (CONTROL.test(body)) return 'This has a control character; only line feeds may be in it.';
  const [length, max] =
    channel === 'voice'
      ? [charactersOfMarkup(body), SPOKEN_CHARACTERS_MAX]
      : [[...body].length, MESSAGE_CHARACTERS_MAX];
  return length <= max ? null : `With its longest values this has more than ${max} characters.`;
}

/** UTF-16 units, which is the larger of the ways to count, after the escaping that XML needs. */
function charactersOfMarkup(body: string): number {
  return body.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').length;
}

function problemOfVariable(value: string, body: string): string | null {
  const problem = problemOfContentVariable(value);
  if (problem !== null) return `With its longest values this ${problem}.`;
  if (CONTROL.test(value)) return 'This has a control character.';
  // A message is found again by its text, and its text at the provider is the approved one with the values in it.
  return body.includes(value)
    ? null
    : 'The body does not have this value in it; it must be the approved text.';
}
