import { channelOf, type TwilioMessage } from './twilio-messages';

/** Free text reaches a person on WhatsApp for this long after their own last message. Source: Twilio, error 63016. */
const WINDOW_MS = 24 * 60 * 60 * 1000;

/** Source: Twilio, "Twilio support for opt-out keywords (SMS STOP filtering)": single words, in any case. */
const KEYWORDS: Record<string, readonly string[]> = {
  STOP: ['STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT'],
  START: ['START', 'YES', 'UNSTOP'],
  HELP: ['HELP', 'INFO'],
};

/** What a text means to Twilio's opt-out handling: STOP, START, HELP or nothing. SMS only, as it is by default. */
export function optOutTypeOf({ channel, text }: Pick<TwilioMessage, 'channel' | 'text'>): string | null {
  if (channel !== 'sms') return null;
  const word = text.trim().toUpperCase();
  return Object.keys(KEYWORDS).find((type) => KEYWORDS[type]?.includes(word)) ?? null;
}

/** What Twilio remembers of the people who wrote to the account's numbers. */
export class TwilioPeople {
  /** By person: the account's numbers that may not send to them. */
  readonly #optOuts = new Map<string, Set<string>>();
  /** By person and number of the account: when they last wrote, in milliseconds since 1970. */
  readonly #wroteAtMs = new Map<string, Map<string, number>>();

  note(inbound: TwilioMessage): void {
    const person = inbound.from ?? '';
    const wrote = this.#wroteAtMs.get(person) ?? new Map<string, number>();
    wrote.set(inbound.to, Math.max(Date.parse(inbound.at), wrote.get(inbound.to) ?? 0));
    this.#wroteAtMs.set(person, wrote);

    const type = optOutTypeOf(inbound);
    const optOuts = this.#optOuts.get(person) ?? new Set();
    if (type === 'STOP') this.#optOuts.set(person, optOuts.add(inbound.to));
    if (type === 'START') optOuts.delete(inbound.to);
  }

  /**
   * Whether the person said STOP to this sender. Without one, a messaging service sends, which an opt-out covers as a
   * whole; the fake has one pool for all services, so any number counts.
   */
  isOptedOut(to: string, from: string | null): boolean {
    const optOuts = this.#optOuts.get(to);
    if (!optOuts || channelOf(to) !== 'sms') return false;
    return from ? optOuts.has(from) : optOuts.size > 0;
  }

  /** Whether free text reaches this person from this sender, or from any one of a messaging service. */
  isWindowOpen(to: string, from: string | null): boolean {
    const wrote = this.#wroteAtMs.get(to);
    const lastMs = from ? wrote?.get(from) : Math.max(0, ...(wrote?.values() ?? []));
    return lastMs !== undefined && Date.now() - lastMs < WINDOW_MS;
  }
}
