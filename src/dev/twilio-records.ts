import { randomBytes } from 'node:crypto';

export type TwilioChannel = 'sms' | 'whatsapp' | 'voice';

/** What is going to happen to a message or a call after it was accepted. Decided then, so that a restart goes on with it. */
export interface Journey {
  /** The statuses still to come, in order. */
  statuses: readonly string[];
  /** Why it fails, when it does. Messages only. */
  errorCode: number | null;
  /** Who picks up. Calls only. */
  answeredBy: string | null;
}

/** What a message and a call have in common. */
export interface TwilioRecord {
  kind: 'message' | 'call';
  sid: string;
  accountSid: string;
  channel: TwilioChannel;
  /** As Twilio shows it: a WhatsApp address keeps its `whatsapp:`. */
  to: string;
  from: string | null;
  /** The text of a message, the TwiML of a call: what faults and outcomes are aimed at. */
  text: string;
  statusCallback: string | null;
  status: string;
  journey: Journey;
  /** The statuses reached after the first one, in order. */
  reached: string[];
  /** RFC 3339, with milliseconds. Twilio shows whole seconds only. */
  at: string;
  updatedAt: string;
}

/** The next status of the journey; undefined at its end, and once something else (a hang-up) ended it. */
export function nextStatus({ journey, reached }: TwilioRecord): string | undefined {
  const isOnJourney = reached.every((status, place) => journey.statuses[place] === status);
  return isOnJourney ? journey.statuses[reached.length] : undefined;
}

/** A sid in Twilio's form: the kind's two letters and 32 hexadecimal digits. */
export function newSid(kind: 'SM' | 'CA'): string {
  return `${kind}${randomBytes(16).toString('hex')}`;
}

/** `Thu, 24 Aug 2023 05:01:45 +0000`: whole seconds, as Twilio writes its times. */
export function rfc2822(at: string): string {
  return new Date(at).toUTCString().replace('GMT', '+0000');
}

/**
 * All messages, or all calls. Looked up by sid and by recipient without a scan, because a campaign of 10,000 asks for
 * the messages to one number 10,000 times.
 */
export class TwilioRecords<Kind extends TwilioRecord> {
  readonly #all: Kind[] = [];
  readonly #bySid = new Map<string, Kind>();
  readonly #byTo = new Map<string, Kind[]>();

  add(record: Kind): void {
    this.#all.push(record);
    this.#bySid.set(record.sid, record);
    const sameTo = this.#byTo.get(record.to);
    if (sameTo) sameTo.push(record);
    else this.#byTo.set(record.to, [record]);
  }

  remove(record: Kind): void {
    this.#bySid.delete(record.sid);
    const sameTo = this.#byTo.get(record.to) ?? [];
    for (const list of [this.#all, sameTo]) {
      const place = list.lastIndexOf(record);
      if (place !== -1) list.splice(place, 1);
    }
  }

  get(sid: string): Kind | undefined {
    return this.#bySid.get(sid);
  }

  /** Oldest first. With `to`, those to exactly this address. */
  list(to: string | null): readonly Kind[] {
    return to === null || to === '' ? this.#all : (this.#byTo.get(to) ?? []);
  }
}
