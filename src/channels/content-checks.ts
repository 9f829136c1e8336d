import type { SendResult } from './channel';

/** Why a channel does not even ask the provider. */
export interface Refusal {
  code: string;
  message: string;
}

/** Source: ITU-T E.164: a plus and at most 15 digits. */
const E164 = /^\+[1-9]\d{6,14}$/;
/** Twilio's limit of Body and of each content variable. Source: Twilio, errors 21617 and 21658. */
const BODY_CHARACTERS_MAX = 1_600;
/** White space, control characters and what has no width: nothing that a person could read or hear. */
const INVISIBLE = /[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** More than four spaces in a row. Source: Twilio, error 21656. */
const SPACES_TOO_MANY = / {5}/;
/** A line break of any kind, or a tab. Source: Twilio, error 21656. */
const BREAK_OR_TAB = /[\n\r\t\v\f\u0085\u2028\u2029]/;

/**
 * Numbers only: the prefix of another channel (`whatsapp:`), a SIP address or a client's name would make Twilio take
 * another way than the one that was asked for.
 */
export function isNumber(to: string): boolean {
  return E164.test(to);
}

/** Why nobody can be sent this text at this address on any channel; null when it can be. */
export function refusalOfText({ to, body }: { to: string; body: string }): Refusal | null {
  if (!isNumber(to)) return { code: 'invalid_number', message: 'The number is not in E.164 form.' };
  return isEmpty(body) ? { code: 'body_empty', message: 'The text has nothing to read.' } : null;
}

/** Characters are code points, as Twilio counts them. */
export function refusalOfLength(body: string): Refusal | null {
  if ([...body].length <= BODY_CHARACTERS_MAX) return null;
  return { code: 'body_too_long', message: `The text has more than ${BODY_CHARACTERS_MAX} characters.` };
}

/**
 * Why WhatsApp would not fill these values into an approved template; null when it would.
 * Source: Twilio, error 21656: no empty value, no line break, no tab, no more than four consecutive spaces.
 */
export function refusalOfVariables(variables: Record<string, string>): Refusal | null {
  for (const [name, value] of Object.entries(variables)) {
    const problem = problemOfVariable(value);
    if (problem) return { code: 'invalid_variables', message: `Variable ${name} ${problem}.` };
  }
  return null;
}

function problemOfVariable(value: string): string | null {
  if (isEmpty(value)) return 'is empty';
  if (BREAK_OR_TAB.test(value)) return 'has a line break or a tab';
  if (SPACES_TOO_MANY.test(value)) return 'has more than four spaces in a row';
  if ([...value].length > BODY_CHARACTERS_MAX) return `has more than ${BODY_CHARACTERS_MAX} characters`;
  return null;
}

function isEmpty(text: string): boolean {
  return text.replace(INVISIBLE, '') === '';
}

/** The result of a call that was never made. */
export function refused({ code, message }: Refusal): SendResult {
  return { kind: 'rejected', code, message, latencyMs: 0 };
}
