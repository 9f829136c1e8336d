import { createHash } from 'node:crypto';
import type { Evidence, StoredEvidence } from './evidence-log';

/** The first answer to a key, as it was stored. */
export interface StoredAnswer {
  fingerprint: string;
  status: number;
  body: unknown;
}

export type KeyState =
  | { kind: 'new' }
  /** The first request of this key has not been answered yet. */
  | { kind: 'in_use' }
  /** The key was first used for something else. */
  | { kind: 'reused' }
  | { kind: 'stored'; answer: StoredAnswer };

/** Says that every answer before it is forgotten, as after the keys' lifetime. */
export const KEYS_FORGOTTEN = 'keys_forgotten';

/**
 * Idempotency keys as Stripe treats them: the first answer of a key is its answer, stored 500s included, until the key is
 * pruned; then the same key is a new request. Source: Stripe, "Idempotent requests": after at least 24 hours.
 */
export class IdempotentAnswers {
  readonly #answers = new Map<string, StoredAnswer & { atMs: number }>();
  readonly #running = new Map<string, string>();

  constructor(facts: StoredEvidence[]) {
    for (const fact of facts) {
      if (fact.type === KEYS_FORGOTTEN) this.#answers.clear();
      if (fact.type !== 'answer') continue;
      const answer = fact as unknown as StoredAnswer;
      this.#answers.set(fact['idempotencyKey'] as string, { ...answer, atMs: Date.parse(fact.at) });
    }
  }

  /** @param lifetimeMs - how old an answer may be to be known */
  look(key: string, fingerprint: string, lifetimeMs: number): KeyState {
    const stored = this.#answers.get(key);
    const answer = stored !== undefined && Date.now() - stored.atMs <= lifetimeMs ? stored : undefined;
    const known = this.#running.get(key) ?? answer?.fingerprint;
    if (known === undefined) return { kind: 'new' };
    if (known !== fingerprint) return { kind: 'reused' };
    return answer === undefined || this.#running.has(key) ? { kind: 'in_use' } : { kind: 'stored', answer };
  }

  /** Keeps an answer; the fact that is returned belongs in the log, in one write with what the request changed. */
  store(key: string, answer: StoredAnswer): Evidence {
    this.#answers.set(key, { ...answer, atMs: Date.now() });
    return { type: 'answer', idempotencyKey: key, ...answer };
  }

  /** As if their lifetime were over. The fact that is returned belongs in the log. */
  forget(): Evidence {
    this.#answers.clear();
    return { type: KEYS_FORGOTTEN };
  }

  /** Marks the key as running until `finish`, although its answer may be stored already. */
  begin(key: string, fingerprint: string): void {
    this.#running.set(key, fingerprint);
  }

  finish(key: string): void {
    this.#running.delete(key);
  }
}

/** What makes two requests the same one. `document` has its members in the order of its schema. */
export function requestFingerprint(path: string, document: unknown): string {
  return createHash('sha256')
    .update(`${path}\n${JSON.stringify(document)}`)
    .digest('hex');
}
