import type { OrderRequest } from './orders';

/** The first decided answer to a request for an order, as it was stored. */
export interface DecidedAnswer {
  status: number;
  body: string;
}

/** What an API process waits for while a worker in the same process commits the order. */
export interface ExpectedDecision {
  /**
   * Resolves once the commit is decided: with the answer that was stored with it, or with null when the receipt has to be
   * read. Never rejects, and may never resolve: nobody promises that this process decides.
   */
  readonly answer: Promise<DecidedAnswer | null>;
  /** To be called when nobody waits any longer. */
  forget(): void;
}

/**
 * Decisions on their way from the activity that commits to the request that waits for it, where both are in one process. It
 * saves messages and reads, and nothing depends on it: what was decided is in the receipt. It holds no more than the open
 * requests.
 */
export interface Decisions {
  /** Of any number who expect the same order, the last one hears. */
  expect(orderId: string, request: { caller: string; body: OrderRequest }): ExpectedDecision;
  /** What is to be committed, while somebody here expects it: it need not be read again. */
  requestOf(orderId: string): { caller: string; body: OrderRequest } | null;
  /** The commit is decided, and its transaction has ended. @param answer - null: the receipt tells */
  decided(orderId: string, answer: DecidedAnswer | null): void;
}

interface Expected {
  request: { caller: string; body: OrderRequest };
  hear: (answer: DecidedAnswer | null) => void;
}

export function createDecisions(): Decisions {
  const expected = new Map<string, Expected>();
  return {
    expect(orderId, request) {
      let hear: Expected['hear'] = () => undefined;
      const answer = new Promise<DecidedAnswer | null>((resolve) => (hear = resolve));
      const entry = { request, hear };
      expected.set(orderId, entry);
      return {
        answer,
        forget: () => {
          if (expected.get(orderId) === entry) expected.delete(orderId);
        },
      };
    },
    requestOf: (orderId) => expected.get(orderId)?.request ?? null,
    decided: (orderId, answer) => expected.get(orderId)?.hear(answer),
  };
}
