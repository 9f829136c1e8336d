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

/** Idempotency keys as Stripe treats them: the first answer of a key is its answer for good, stored 500s included. */
export class IdempotentAnswers {
  readonly #answers = new Map<string, StoredAnswer>();
  readonly #running = new Map<string, string>();

  constructor(facts: StoredEvidence[]) {
    for (const fact of facts) {
      if (fact.type !== 'answer') continue;
      this.#answers.set(fact['idempotencyKey'] as string, fact as unknown as StoredAnswer);
    }
  }

  look(key: string, fingerprint: string): KeyState {
    const answer = this.#answers.get(key);
    const known = this.#running.get(key) ?? answer?.fingerprint;
    if (known === undefined) return { kind: 'new' };
    if (known !== fingerprint) return { kind: 'reused' };
    return answer === undefined || this.#running.has(key) ? { kind: 'in_use' } : { kind: 'stored', answer };
  }

  /** Keeps an answer; the fact that is returned belongs in the log, in one write with what the request changed. */
  store(key: string, answer: StoredAnswer): Evidence {
    this.#answers.set(key, answer);
    return { type: 'answer', idempotencyKey: key, ...answer };
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
