import type { CallbackSettings } from './twilio-control';
import { newIdempotencyToken, TwilioWebhooks, type Webhook } from './twilio-webhooks';
import type { EvidenceLog } from './evidence-log';

/** Status callbacks with all that can happen to them on the way: late, doubled, lost, out of order. */
export class TwilioCallbacks {
  readonly #webhooks: TwilioWebhooks;
  readonly #waiting = new Set<NodeJS.Timeout>();
  /** Callbacks of messages that are not at their last status yet, by sid. */
  readonly #held = new Map<string, Webhook[]>();
  /** The end of what is on its way, by sid. */
  readonly #onItsWay = new Map<string, Promise<void>>();
  #offered = 0;
  #isClosed = false;

  constructor(
    readonly log: EvidenceLog,
    readonly settings: () => CallbackSettings,
  ) {
    this.#webhooks = new TwilioWebhooks(log);
  }

  /**
   * Resolves once the callback was answered, given up, lost or put aside; never rejects. The callbacks of one message
   * follow each other: Twilio promises no order, and `reorder` takes it away when a test wants that.
   */
  async send(webhook: Webhook, { isLast }: { isLast: boolean }): Promise<void> {
    if (this.settings().reorder && !isLast) {
      this.#held.set(webhook.sid, [...(this.#held.get(webhook.sid) ?? []), webhook]);
      return;
    }
    const delivered = this.#follow(webhook);
    await Promise.all([delivered, this.release(webhook.sid)]);
  }

  /** Sends what is still put aside, last one first. */
  async release(sid: string): Promise<void> {
    const held = this.#held.get(sid) ?? [];
    this.#held.delete(sid);
    await Promise.all(held.reverse().map((webhook) => this.#follow(webhook)));
  }

  /** One webhook as it is, for what people write: the settings are for status callbacks only. */
  async sendPlain(webhook: Webhook): Promise<void> {
    await this.#webhooks.post(webhook, newIdempotencyToken());
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#waiting) clearTimeout(timer);
    this.#waiting.clear();
    this.#webhooks.close();
  }

  #follow(webhook: Webhook): Promise<void> {
    const { sid } = webhook;
    const before = this.#onItsWay.get(sid);
    // A delay counts from the status, not from the callback before.
    const due = this.#wait(this.settings().delayMs);
    const delivered = Promise.all([before, due]).then(() => this.#deliver(webhook));
    this.#onItsWay.set(sid, delivered);
    return delivered.finally(() => {
      if (this.#onItsWay.get(sid) === delivered) this.#onItsWay.delete(sid);
    });
  }

  async #deliver(webhook: Webhook): Promise<void> {
    if (this.#isClosed) return;
    if (this.#isLost()) {
      const { sid, status, url } = webhook;
      this.log.append({ type: 'callback', sid, status, url, answered: null, attempt: 0, lost: true });
      return;
    }
    const token = newIdempotencyToken();
    const copies = this.settings().duplicate + 1;
    for (let copy = 0; copy < copies; copy += 1) await this.#webhooks.post(webhook, token);
  }

  /** Counts instead of rolling dice: the same run loses the same callbacks. */
  #isLost(): boolean {
    const { lose } = this.settings();
    const fraction = Number(lose);
    this.#offered += 1;
    return Math.floor(this.#offered * fraction) > Math.floor((this.#offered - 1) * fraction);
  }

  #wait(delayMs: number): Promise<void> {
    if (delayMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(timer);
        resolve();
      }, delayMs);
      this.#waiting.add(timer);
    });
  }
}
