/** What a person's message asks for: no more messages, or messages again. */
export type Wish = 'stop' | 'start';

/**
 * A message of one such word, in any case. Source: Twilio, "Customize users' opt-in and opt-out experience with Advanced
 * Opt-Out" (the default words) and "Twilio support for opt-out keywords" (single words only; how people come back).
 */
const STOP_WORDS: readonly string[] = [
  'STOP',
  'STOPALL',
  'UNSUBSCRIBE',
  'CANCEL',
  'END',
  'QUIT',
  'REVOKE',
  'OPTOUT',
];
const START_WORDS: readonly string[] = ['START', 'YES', 'UNSTOP'];

/**
 * @param inbound.optOutType - what Advanced Opt-Out made of the message, in whatever language it was: STOP, START or
 * HELP; it counts more than the words. Null when the account does not use it.
 * @returns null for everything else that people write
 */
export function wishOf(inbound: { body: string; optOutType: string | null }): Wish | null {
  switch (inbound.optOutType?.toUpperCase()) {
    case 'STOP':
      return 'stop';
    case 'START':
      return 'start';
    case 'HELP':
      return null;
  }
  const word = inbound.body.trim().toUpperCase();
  if (STOP_WORDS.includes(word)) return 'stop';
  return START_WORDS.includes(word) ? 'start' : null;
}
