import { isObject, type JsonObject } from './http-exchange';
import type { SignatureRefusal, SignatureVerdict, SignedRequest } from './webhook-signature';

/** What a webhook says, once it is known who says it. */
export type WebhookReading<Event> =
  | { kind: 'event'; event: Event }
  /** Signed, and of a type that nobody here needs: answer 2xx and do nothing. */
  | { kind: 'ignored'; id: string; type: string }
  /** Answer 400 and do nothing else with it. `bad_content`: signed, and not what its type promises. */
  | { kind: 'refused'; reason: SignatureRefusal | 'bad_content' };

/** One kind of webhook: its signature checked, its content read. */
export interface WebhookReader<Event> {
  read(request: SignedRequest): WebhookReading<Event>;
}

/** Longest type that goes to a log. Characters. */
const TYPE_LENGTH_MAX = 100;

/**
 * @param options.idOf - the message's id when it is in the document; null when it is not
 * @param options.eventOf - undefined for a type that is not needed, null for content that is not what the type promises
 */
export function createWebhookReader<Event>(options: {
  verify: (request: SignedRequest) => SignatureVerdict;
  idOf?: (document: JsonObject) => string | null;
  eventOf: (type: string, document: JsonObject, id: string) => Event | null | undefined;
}): WebhookReader<Event> {
  return {
    read(request) {
      const verdict = options.verify(request);
      if (!verdict.ok) return { kind: 'refused', reason: verdict.reason };
      const document = parseObject(request.body);
      const type = document?.['type'];
      if (document === null || typeof type !== 'string') return { kind: 'refused', reason: 'bad_content' };
      const id = options.idOf === undefined ? verdict.id : options.idOf(document);
      if (id === null) return { kind: 'refused', reason: 'bad_content' };
      const event = options.eventOf(type, document, id);
      if (event === undefined) return { kind: 'ignored', id, type: type.slice(0, TYPE_LENGTH_MAX) };
      return event === null ? { kind: 'refused', reason: 'bad_content' } : { kind: 'event', event };
    },
  };
}

function parseObject(body: string | Uint8Array): JsonObject | null {
  try {
    const text = typeof body === 'string' ? body : new TextDecoder('utf-8', { fatal: true }).decode(body);
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** The member when it is a text that is not empty. */
export function textOf(document: JsonObject, member: string): string | null {
  const value = document[member];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The member as RFC 3339 in UTC, when it is a time. */
export function timeOf(document: JsonObject, member: string): string | null {
  const text = textOf(document, member);
  const at = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? null : new Date(at).toISOString();
}
