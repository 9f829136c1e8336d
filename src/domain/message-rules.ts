/** What every text to a person must keep, checked before a template is saved and again before it is sent. */

/** Source: ITU-T E.164: a plus and at most 15 digits. */
export const E164 = /^\+[1-9]\d{6,14}$/;
/** Twilio's limit of a message's body and of each content variable, in code points. Source: Twilio, errors 21617 and 21658. */
export const MESSAGE_CHARACTERS_MAX = 1_600;

/** White space, control characters and what has no width: nothing that a person could read or hear. */
const INVISIBLE = /[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** Source: Twilio, error 21656, for both: WhatsApp fills no such value into an approved template. */
const BREAK_OR_TAB = /[\n\r\t\v\f\u0085\u2028\u2029]/;
const SPACES_TOO_MANY = / {5}/;

/** True for a text with nothing to read. */
export function isBlank(text: string): boolean {
  return text.replace(INVISIBLE, '') === '';
}

/** True when Twilio takes no text of this length. */
export function isTooLong(text: string): boolean {
  return [...text].length > MESSAGE_CHARACTERS_MAX;
}

/** Why WhatsApp would not fill this value into an approved template, or null. */
export function problemOfContentVariable(value: string): string | null {
  if (isBlank(value)) return 'has nothing to read';
  if (BREAK_OR_TAB.test(value)) return 'has a line break or a tab';
  if (SPACES_TOO_MANY.test(value)) return 'has more than four spaces in a row';
  return isTooLong(value) ? `has more than ${MESSAGE_CHARACTERS_MAX} characters` : null;
}
