/**
 * The interface that every way to reach a person stands behind.
 *
 * Contract: `send` makes one call to the provider and says what is known of it. It throws only for bugs. Providers take
 * no idempotency key, so a call without an outcome is `ambiguous` and is never repeated blindly: `find` asks the provider
 * first. `accepted` is not delivered: the provider reports on that later, or is asked by `read`.
 */
export interface Channel {
  send(message: OutgoingMessage): Promise<SendResult>;
  /**
   * Messages that the provider accepted for this person with exactly this text since `since`, newest first. Calls have no
   * text at the provider: every call from our number to this person since then.
   * @throws GatewayUnavailableError (retryable): nothing found and not asked are not the same
   */
  find(query: FindQuery): Promise<FoundMessage[]>;
  /**
   * What the provider says of a message now, or null when it knows none of this sid.
   * @throws GatewayUnavailableError (retryable)
   */
  read(sid: string): Promise<ProviderReport | null>;
  /**
   * Everything that our sender sent since then, newest first: what nobody here knows of is found by it. Absent where the
   * sender cannot be told from that of others, or the provider has no such list.
   * @param since - RFC 3339
   * @throws GatewayUnavailableError (retryable)
   */
  list?(since: string): Promise<ListedMessage[]>;
}

/** One message or call in the provider's list. */
export interface ListedMessage {
  sid: string;
  /** E.164. Never logged or stored. */
  to: string;
  /** RFC 3339; null when the provider does not say. */
  createdAt: string | null;
}

export interface OutgoingMessage {
  /** E.164. Never logged. */
  to: string;
  /** Our own id of the attempt, for callbacks. */
  attemptId: string;
  content: MessageContent;
}

/** What a person gets on one channel, rendered. */
export interface MessageContent {
  /** The text, in full: what an SMS or a WhatsApp message says, what a call speaks. */
  body: string;
  /** BCP 47, for instance `en` or `de-AT`: how a call speaks it. */
  language: string;
  /** WhatsApp only: the approved template (`HX…`) whose text `body` is. Outside of the 24 h window nothing else arrives. */
  contentSid?: string | undefined;
  /** The template's variables, by number. */
  contentVariables?: Record<string, string> | undefined;
}

export interface FindQuery {
  to: string;
  body: string;
  /** RFC 3339: when the attempt was claimed. The provider's clock may differ by some seconds; the channel allows for it. */
  since: string;
}

export interface FoundMessage extends ProviderReport {
  sid: string;
}

/** What the provider says became of a message, in its own words. */
export interface ProviderReport {
  /** For instance `queued`, `delivered`, `no-answer`. */
  status: string;
  /** The provider's, for instance `63016`; null when there is none. */
  errorCode: string | null;
  /** Calls only: `human`, `machine_start`, `fax`, `unknown`. */
  answeredBy?: string | null;
}

/** What one call came to. Source of the classes: reliability, "Honest statement on what cannot be exactly-once". */
export type SendResult =
  | { kind: 'accepted'; sid: string; status: string; latencyMs: number }
  /**
   * The provider refused for good, for instance a number that does not exist; `code` is the provider's. Or it was not even
   * asked: `invalid_number`, `body_empty`, `body_too_long`, `invalid_variables`, `twiml_too_long`, `unsupported_language`.
   */
  | { kind: 'rejected'; code: string; message: string; latencyMs: number }
  /** Certainly not processed: 429, or no connection before the request was written. */
  | { kind: 'unsent'; code: string; message: string; latencyMs: number; retryAfterMs?: number }
  /** It may have been accepted: timeout, reset, 5xx, an answer without a sid. */
  | { kind: 'ambiguous'; code: string; message: string; latencyMs: number };
