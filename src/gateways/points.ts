/**
 * The ledger of loyalty points as the product sees it.
 *
 * Contract: an entry is named by our `entryId`, and everything is idempotent by it. A definite answer is returned,
 * refusals included; a missing or unclear one throws `GatewayUnavailableError` (retryable: repeat the same call), an
 * answer that contradicts the request, and an id that is known for another request, throw `GatewayMismatchError`.
 */
export interface PointsLedger {
  /** Refused for good with `reversed` after a reverse, whichever of the two arrived first. */
  award(request: AwardRequest): Promise<AwardResult>;
  /** `unknown`: nothing was awarded, and after this answer nothing ever can be under this id. */
  reverse(request: { entryId: string }): Promise<ReverseResult>;
  close(): Promise<void>;
}

export interface AwardRequest {
  entryId: string;
  customerId: string;
  orderId: string;
  /** Whole and above zero. */
  points: number;
}

export type AwardResult = { kind: 'awarded' } | { kind: 'refused'; code: string };

export type ReverseResult = { kind: 'reversed' } | { kind: 'unknown' };
