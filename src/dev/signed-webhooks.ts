import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { signatureHeaders } from '../bus/targets/webhook-signature';
import type { EvidenceLog } from './evidence-log';

/** Signs the fakes' webhooks unless they are told another one. No secret: it is the same in every copy. */
export const FAKE_WEBHOOK_SECRET = `whsec_${Buffer.from('a secret of the fakes, known to everybody').toString('base64')}`;

/** Members of a control document by which a fake's webhooks are set. */
export const webhookSettings = {
  /** Where webhooks go; null: nowhere. */
  webhookUrl: z
    .url({ protocol: /^https?$/ })
    .nullable()
    .optional(),
  /** `whsec_…`. Several during a rotation: all sign, the first one first. */
  webhookSecrets: z
    .array(z.string().regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/))
    .min(1)
    .optional(),
  webhooks: z
    .strictObject({
      /** How many more times each is sent. */
      duplicate: z.int().nonnegative().default(0),
      lose: z.boolean().default(false),
      /** Milliseconds between what happened and its webhook. */
      delayMs: z.int().nonnegative().default(0),
      /** The webhook is sent, and answered, before the call that caused it is answered. */
      early: z.boolean().default(false),
    })
    .optional(),
};

export interface WebhookDisturbances {
  duplicate: number;
  lose: boolean;
  delayMs: number;
  early: boolean;
}

export interface WebhookSettings {
  webhookUrl: string | null;
  webhookSecrets: string[];
  webhooks: WebhookDisturbances;
}

export const DEFAULT_WEBHOOK_SETTINGS: WebhookSettings = {
  webhookUrl: null,
  webhookSecrets: [FAKE_WEBHOOK_SECRET],
  webhooks: { duplicate: 0, lose: false, delayMs: 0, early: false },
};

/** Where a fake's webhooks go from its start on, and whose signature they have. */
export type WebhookDestination = Partial<Pick<WebhookSettings, 'webhookUrl' | 'webhookSecrets'>>;

/** What of the options of a start says so. */
export function destinationIn({ webhookUrl, webhookSecrets }: WebhookDestination): WebhookDestination {
  return {
    ...(webhookUrl === undefined ? {} : { webhookUrl }),
    ...(webhookSecrets === undefined ? {} : { webhookSecrets }),
  };
}

/** Without secrets, which are no evidence. */
export function withoutSecrets(document: unknown): unknown {
  const secrets = (document as { webhookSecrets?: unknown }).webhookSecrets;
  return Array.isArray(secrets)
    ? { ...(document as object), webhookSecrets: secrets.map(() => '***') }
    : document;
}

export interface WebhookEvent {
  type: string;
  data: Record<string, unknown>;
}

/** The headers that sign a body; Standard Webhooks unless a fake has its own. */
export type Sign = (message: { id: string; body: string; secrets: string[] }) => Record<string, string>;

/** A receiver that restarts is back by then: 1 + 2 + 4 + 8 + 15 … seconds. */
const ATTEMPTS_MAX = 8;
const FIRST_PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 15_000;
/** Source: Standard Webhooks, "Request timeouts": 15 to 30 s. */
const TIMEOUT_MS = 15_000;

/** Posts a fake's webhooks, signed, until they are answered with 2xx, and writes down what each was answered. */
export class SignedWebhooks {
  readonly #agent = new Agent();
  readonly #stop = new AbortController();

  constructor(
    readonly log: EvidenceLog,
    readonly settings: () => WebhookSettings,
    readonly sign: Sign = signStandard,
  ) {
    // As many as there are webhooks under way: more than ten are no leak.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Resolves once it was answered or given up. Never rejects. Nothing happens without a `webhookUrl`. */
  async post({ type, data }: WebhookEvent): Promise<void> {
    const { webhookUrl, webhooks } = this.settings();
    if (webhookUrl === null) return;
    const id = `msg_${randomUUID()}`;
    const body = JSON.stringify({ id, type, timestamp: new Date().toISOString(), data });
    if (webhooks.lose) {
      this.log.append({ type: 'webhook', id, event: type, lost: true });
      return;
    }
    await this.postBody({ id, type, body });
  }

  /** As `post`, for a body that is made already. */
  async postBody(message: { id: string; type: string; body: string }): Promise<void> {
    const { webhookUrl, webhooks } = this.settings();
    if (webhookUrl === null) return;
    await this.#pause(webhooks.delayMs);
    for (let copy = 0; copy <= webhooks.duplicate; copy += 1) await this.#deliver(webhookUrl, message);
  }

  close(): void {
    this.#stop.abort();
    void this.#agent.destroy();
  }

  async #deliver(url: string, message: { id: string; type: string; body: string }): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX && !this.#stop.signal.aborted; attempt += 1) {
      const answered = await this.#attempt(url, message);
      // The log is closed with the fake, and an attempt that the fake cut itself is no fact of the receiver.
      if (this.#stop.signal.aborted) return;
      this.log.append({ type: 'webhook', id: message.id, event: message.type, url, answered, attempt });
      if (answered !== null && answered >= 200 && answered < 300) return;
      if (attempt < ATTEMPTS_MAX) {
        await this.#pause(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), PAUSE_MS_MAX));
      }
    }
  }

  /** @returns the status, or null when there was no answer */
  async #attempt(url: string, { id, body }: { id: string; body: string }): Promise<number | null> {
    const { webhookSecrets: secrets } = this.settings();
    try {
      const response = await request(url, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: { 'content-type': 'application/json', ...this.sign({ id, body, secrets }) },
        body,
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body.dump();
      return response.statusCode;
    } catch {
      return null;
    }
  }

  /** Ends early when the fake is closed. */
  #pause(delayMs: number): Promise<void> {
    if (delayMs === 0 || this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(done, delayMs);
      const { signal } = this.#stop;
      signal.addEventListener('abort', done, { once: true });
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }
}

function signStandard({ id, body, secrets }: Parameters<Sign>[0]): Record<string, string> {
  const timestampSeconds = Math.floor(Date.now() / 1_000);
  const signatures = secrets.map(
    (secret) =>
      signatureHeaders(
        { id, timestampSeconds, body },
        { kind: 'webhook_secret', secret, previousSecret: '' },
      )['webhook-signature'],
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signatures.join(' '),
  };
}
