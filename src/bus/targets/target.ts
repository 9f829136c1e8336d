import type { EventEnvelope } from '../../domain/events';

/**
 * The interface that every kind of target stands behind.
 *
 * Contract: `send` makes one attempt for one event and resolves with what is known of it. It never throws for what the
 * other side did; it throws only for bugs. It may be called again for the same event at any time (at-least-once): the
 * same event then goes out with the same id and the same bytes. It never follows redirects and never reads more of an
 * answer than its cap.
 */
export interface Target {
  send(request: TargetRequest): Promise<SendOutcome>;
  /** Present when the kind takes several events in one call. */
  batch?: BatchSend | undefined;
  /** Frees sockets and timers. Idempotent. */
  close(): Promise<void>;
}

/**
 * One call for several events. One outcome for each request, in their order: a part that failed never makes the others be
 * sent again, nor is it lost with them.
 */
export interface BatchSend {
  /** The caller sends no more than so many at once. */
  maximumEvents: number;
  send(requests: readonly TargetRequest[]): Promise<SendOutcome[]>;
}

export interface TargetRequest {
  event: EventEnvelope;
  /** What the transformer made of the event, or the envelope's own text. */
  payload: string;
  /** Stable over repeats of one delivery, so that a receiver can drop duplicates. */
  deliveryId: string;
  /** The rule that asked for this delivery. */
  ruleName: string;
  /** Events of one key arrive in order: the order's id, or the subject of a caller's own event. 1 to 128 visible ASCII characters. */
  orderingKey: string;
  /** Set when a replay sends the event again: it travels in a header or attribute, never in the envelope. */
  replayId: string | null;
}

/** What one attempt came to. */
export type SendOutcome =
  | { kind: 'delivered'; status: number | null; latencyMs: number }
  /** May work later: 5xx, 429, no connection, timeout. `retryAfterMs` is what the other side asked for, not yet clamped. */
  | {
      kind: 'retry';
      status: number | null;
      latencyMs: number;
      code: string;
      message: string;
      retryAfterMs?: number;
    }
  /** Will never work as it is: 4xx other than 408, 425 and 429, a redirect, a blocked address. Goes to the dead letters. */
  | { kind: 'dead'; status: number | null; latencyMs: number; code: string; message: string };
