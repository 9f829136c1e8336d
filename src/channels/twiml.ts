import twilio from 'twilio';
import type { SpokenLanguage } from '../domain/spoken-language';

/** Twilio's limit of the Twiml parameter of a call. Source: Twilio, Call resource. */
export const TWIML_CHARACTERS_MAX = 4_000;

/** Long enough to be heard as the end of the first time. */
const PAUSE_SECONDS = 1;
/**
 * Characters that XML 1.0 cannot hold, for which the package throws with the whole text in its message, and control
 * characters, which nobody can say. Source: XML 1.0, section 2.2.
 */
const UNSPEAKABLE = /[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu;

/**
 * What a call says: the text twice, because people miss the beginning while they lift the phone, and a mailbox records
 * only from its beep on. The text is escaped; markup in it is read out, never carried out.
 */
export function spokenTwice({ text, language }: { text: string; language: SpokenLanguage }): string {
  const said = text.replace(UNSPEAKABLE, ' ');
  const response = new twilio.twiml.VoiceResponse();
  response.say({ language }, said);
  response.pause({ length: PAUSE_SECONDS });
  response.say({ language }, said);
  return response.toString();
}
