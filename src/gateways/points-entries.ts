import { fingerprintOf, type LedgerFact } from './ledger-fact';
import type { AwardRequest, AwardResult, ReverseResult } from './points';

interface Entry {
  status: 'awarded' | 'refused' | 'reversed' | 'fenced';
  /** Null for an id that was reversed before it was awarded. */
  fingerprint: string | null;
  /** Of a refused entry. */
  code: string | null;
}

/** A call's outcome and the fact that it made, if it changed anything. */
export interface EntryOutcome<Result> {
  result: Result;
  fact: LedgerFact | null;
}

/** The rules of a simulated points ledger, without transport. */
export class PointsEntries {
  readonly #entries = new Map<string, Entry>();
  readonly #balances = new Map<string, number>();
  readonly #awards = new Map<string, { customerId: string; orderId: string; points: number }>();

  constructor(facts: Iterable<LedgerFact>) {
    for (const fact of facts) this.#apply(fact);
  }

  /** Points that a customer has. */
  balanceOf(customerId: string): number {
    return this.#balances.get(customerId) ?? 0;
  }

  /** @param refusal - why this award is refused for good, when it is new; null: it is not */
  award(request: AwardRequest, refusal: string | null): EntryOutcome<AwardResult | { kind: 'reused' }> {
    const { entryId, customerId, orderId, points } = request;
    const fingerprint = fingerprintOf([customerId, orderId, points]);
    const entry = this.#entries.get(entryId);
    if (entry) return { result: answerAgain(entry, fingerprint), fact: null };
    const about = { entryId, customerId, orderId, points, fingerprint };
    if (refusal !== null) {
      const fact = { type: 'award_refused', ...about, code: refusal };
      this.#apply(fact);
      return { result: { kind: 'refused', code: refusal }, fact };
    }
    const fact = { type: 'awarded', ...about };
    this.#apply(fact);
    return { result: { kind: 'awarded' }, fact };
  }

  reverse(entryId: string): EntryOutcome<ReverseResult> {
    const entry = this.#entries.get(entryId);
    if (entry === undefined) {
      const fact = { type: 'award_fenced', entryId };
      this.#apply(fact);
      return { result: { kind: 'unknown' }, fact };
    }
    if (entry.status === 'reversed') return { result: { kind: 'reversed' }, fact: null };
    if (entry.status !== 'awarded') return { result: { kind: 'unknown' }, fact: null };
    const fact = { type: 'reversed', entryId, ...this.#awards.get(entryId) };
    this.#apply(fact);
    return { result: { kind: 'reversed' }, fact };
  }

  #apply(fact: LedgerFact): void {
    const entryId = fact['entryId'] as string;
    const customerId = fact['customerId'] as string;
    const points = fact['points'] as number;
    const fingerprint = (fact['fingerprint'] as string | undefined) ?? null;
    switch (fact.type) {
      case 'awarded':
        this.#entries.set(entryId, { status: 'awarded', fingerprint, code: null });
        this.#awards.set(entryId, { customerId, orderId: fact['orderId'] as string, points });
        this.#balances.set(customerId, this.balanceOf(customerId) + points);
        break;
      case 'award_refused':
        this.#entries.set(entryId, { status: 'refused', fingerprint, code: fact['code'] as string });
        break;
      case 'award_fenced':
        this.#entries.set(entryId, { status: 'fenced', fingerprint: null, code: null });
        break;
      case 'reversed': {
        const entry = this.#entries.get(entryId);
        if (entry) entry.status = 'reversed';
        this.#balances.set(customerId, this.balanceOf(customerId) - points);
      }
    }
  }
}

/** What a repeat of an award is told. A reversed one is refused even though it was awarded once. */
function answerAgain(entry: Entry, fingerprint: string): AwardResult | { kind: 'reused' } {
  if (entry.fingerprint !== null && entry.fingerprint !== fingerprint) return { kind: 'reused' };
  if (entry.status === 'awarded') return { kind: 'awarded' };
  return { kind: 'refused', code: entry.code ?? 'reversed' };
}
