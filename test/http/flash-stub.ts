import { createCoalescer } from '../../src/activities/coalescer';
import type { CommitOutcome } from '../../src/database/commits';
import type { Pool } from '../../src/database/pool';
import { DatabaseUnavailableError, QueueFullError, TemporalUnavailableError } from '../../src/errors';
import type { FlashLane, FlashOrder } from '../../src/lanes/lane';
import { commitGroup } from '../database/sale-fixtures';

export interface FlashStub extends FlashLane {
  /** Orders that were handed over. */
  placed: FlashOrder[];
  /** Orders of one commit, each. */
  groups: number[];
  behaviour: 'commit' | 'queue_full' | 'no_window' | 'lost';
}

const FAILURES = {
  queue_full: () => new QueueFullError('full', { retryAfterSeconds: 1 }),
  no_window: () => new TemporalUnavailableError('no window'),
  lost: () => new DatabaseUnavailableError('the outcome is not known'),
};

/**
 * Stands for the flash lane in tests of what the HTTP room makes of its outcomes. The commits are real, in groups of what
 * comes at once; no window is watched over and nothing is delivered.
 */
export function stubFlashLane(pool: Pool): FlashStub {
  const commits = createCoalescer<FlashOrder, CommitOutcome>({
    batchMax: 100,
    inFlightMax: 2,
    run: (orders) => {
      stub.groups.push(orders.length);
      return commitGroup(
        pool,
        orders.map((order) => ({ ...order, workflowId: 'group/test' })),
      );
    },
  });
  const stub: FlashStub = {
    placed: [],
    groups: [],
    behaviour: 'commit',
    isOpen: true,
    place(order) {
      stub.placed.push(order);
      return stub.behaviour === 'commit' ? commits.add(order) : Promise.reject(FAILURES[stub.behaviour]());
    },
    close: () => commits.idle(),
  };
  return stub;
}
