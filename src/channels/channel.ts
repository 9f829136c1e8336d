/**
 * The interface that every way to reach a person stands behind.
 *
 * Contract: `send` makes one call to the provider and says what is known of it. It throws only for bugs. Providers take
 * no idempotency key, so a call without an outcome is `ambiguous` and is never repeated blindly: `find` asks the provider
 * first.
 */
export interface Channel {
  send(message: OutgoingMessage): Promise<SendResult>;
  /** Messages that the provider accepted for this person with exactly this body since `since`, newest first. */
  find(query: FindQuery): Promise<FoundMessage[]>;
}

export interface OutgoingMessage {
  /** E.164. Never logged. */
  to: string;
  body: string;
  /** Our own id of the attempt, for callbacks. */
  attemptId: string;
}

export interface FindQuery {
  to: string;
  body: string;
  /** RFC 3339: when the attempt was claimed. The provider's clock may differ by some seconds; the channel allows for it. */
  since: string;
}

export interface FoundMessage {
  sid: string;
  status: string;
}

/** What one call came to. Source of the classes: reliability, "Honest statement on what cannot be exactly-once". */
export type SendResult =
  | { kind: 'accepted'; sid: string; status: string; latencyMs: number }
  /** The provider refused for good, for instance a number that does not exist. `code` is the provider's. */
  | { kind: 'rejected'; code: string; message: string; latencyMs: number }
  /** Certainly not processed: 429, or no connection before the request was written. */
  | { kind: 'unsent'; code: string; message: string; latencyMs: number; retryAfterMs?: number }
  /** It may have been accepted: timeout, reset, 5xx, an answer without a sid. */
  | { kind: 'ambiguous'; code: string; message: string; latencyMs: number };
