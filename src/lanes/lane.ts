import type { CommitOutcome } from '../database/commits';
import type { OrderRequest } from '../domain/orders';

/** An order that a caller wants committed in the flash lane. */
export interface FlashOrder {
  orderId: string;
  caller: string;
  fingerprint: string;
  request: OrderRequest;
  /** The sale that it is of; null for one that is not. */
  saleId: string | null;
}

/** Commits orders in groups, and delivers what they cause at once. */
export interface FlashLane {
  /**
   * Resolves once the order is decided: its transaction is committed, or has been before. Idempotent by order id.
   * @throws QueueFullError (retryable) when more orders wait than can be committed soon: nothing was written
   * @throws TemporalUnavailableError (retryable) when no window is open and none can be opened: nothing was written
   * @throws DatabaseUnavailableError (retryable) when the outcome is not known
   */
  place(order: FlashOrder): Promise<CommitOutcome>;
  /** True while orders can be taken: a window is open. */
  readonly isOpen: boolean;
  /** Waits for what was accepted, then gives the windows up to their workflows. */
  close(): Promise<void>;
}
