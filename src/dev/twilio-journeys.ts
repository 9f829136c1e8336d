import type { EvidenceLog } from './evidence-log';
import { callStatusParams, messageStatusParams } from './twilio-callback-params';
import type { TwilioCallbacks } from './twilio-callbacks';
import { applyToCall, isSubscribed, type TwilioCall } from './twilio-calls';
import { applyToMessage, type TwilioMessage } from './twilio-messages';
import { nextStatus } from './twilio-records';
import type { TwilioTokens } from './twilio-tokens';

export type TwilioSubject = TwilioMessage | TwilioCall;

/** Moves a message or a call to a status, now or when its log is read again. */
export function reach(subject: TwilioSubject, status: string, at: string): void {
  subject.reached.push(status);
  if (subject.kind === 'call') applyToCall(subject, status, at);
  else applyToMessage(subject, status, at);
}

/** Takes messages and calls from status to status, and tells whoever asked for it. */
export class TwilioJourneys {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #isClosed = false;

  constructor(
    readonly parts: {
      log: EvidenceLog;
      tokens: TwilioTokens;
      callbacks: TwilioCallbacks;
      delayMs: () => number;
    },
  ) {}

  /** Goes on with the journey, one status every `delayMs`. */
  goOn(subject: TwilioSubject): void {
    if (this.#isClosed || this.#timers.has(subject.sid) || nextStatus(subject) === undefined) return;
    const timer = setTimeout(() => {
      this.#timers.delete(subject.sid);
      void this.#step(subject);
      this.goOn(subject);
    }, this.parts.delayMs());
    this.#timers.set(subject.sid, timer);
  }

  /** Goes at once to the first status that is told; resolves when it was. Then the journey goes on as usual. */
  async runAhead(subject: TwilioSubject): Promise<void> {
    let told: Promise<void> | null = null;
    while (told === null && nextStatus(subject) !== undefined) told = this.#step(subject);
    await told;
    this.goOn(subject);
  }

  /** Ends a call that its creator hangs up. */
  hangUp(call: TwilioCall, status: 'canceled' | 'completed'): void {
    this.stop(call);
    void this.#arrive(call, status);
  }

  /** Nothing happens to this one any more. */
  stop({ sid }: TwilioSubject): void {
    clearTimeout(this.#timers.get(sid));
    this.#timers.delete(sid);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** The next status; null when nobody is told of it. */
  #step(subject: TwilioSubject): Promise<void> | null {
    const status = nextStatus(subject);
    return status === undefined ? null : this.#arrive(subject, status);
  }

  #arrive(subject: TwilioSubject, status: string): Promise<void> | null {
    const at = new Date().toISOString();
    reach(subject, status, at);
    const errorCode = subject.kind === 'message' ? subject.errorCode : null;
    this.parts.log.append({ type: 'status', sid: subject.sid, status, errorCode, at });
    return this.#tell(subject, status);
  }

  #tell(subject: TwilioSubject, status: string): Promise<void> | null {
    const { callbacks, tokens } = this.parts;
    const { sid, statusCallback: url } = subject;
    const authToken = tokens.signingTokenOf(subject);
    if (!url || authToken === undefined) return null;
    const isLast = nextStatus(subject) === undefined;
    if (subject.kind === 'call' && !isSubscribed(subject, status)) {
      return isLast ? callbacks.release(sid) : null;
    }
    const params = subject.kind === 'call' ? callStatusParams(subject) : messageStatusParams(subject);
    return callbacks.send({ sid, status, url, params, authToken }, { isLast });
  }
}
