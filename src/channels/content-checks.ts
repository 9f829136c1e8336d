import {
  E164,
  isBlank,
  isTooLong,
  MESSAGE_CHARACTERS_MAX,
  problemOfContentVariable,
} from '../domain/message-rules';
import type { SendResult } from './channel';

/** Why a channel does not even ask the provider. */
export interface Refusal {
  code: string;
  message: string;
}

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
  return isBlank(body) ? { code: 'body_empty', message: 'The text has nothing to read.' } : null;
}

/** Characters are code points, as Twilio counts them. */
export function refusalOfLength(body: string): Refusal | null {
  if (!isTooLong(body)) return null;
  return { code: 'body_too_long', message: `The text has more than ${MESSAGE_CHARACTERS_MAX} characters.` };
}

/**
 * Why WhatsApp would not fill these values into an approved template; null when it would.
 */
export function refusalOfVariables(variables: Record<string, string>): Refusal | null {
  for (const [name, value] of Object.entries(variables)) {
    const problem = problemOfContentVariable(value);
    if (problem !== null) return { code: 'invalid_variables', message: `Variable ${name} ${problem}.` };
  }
  return null;
}

/** The result of a call that was never made. */
export function refused({ code, message }: Refusal): SendResult {
  return { kind: 'rejected', code, message, latencyMs: 0 };
}
