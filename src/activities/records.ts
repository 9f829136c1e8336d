import { recordDeliveries, type DeliveryRecord } from '../database/deliveries';
import { recordAccepted, type AcceptedCall, type AcceptedRecord } from '../database/notification-attempts';
import type { Pool } from '../database/pool';
import { createCoalescer } from './coalescer';

/**
 * Stores what calls came to, those that end about the same time in one statement: a process has many orders under way, and
 * a commit costs as much for all of them as for one.
 */
export interface Records {
  /** Resolves once it is stored. Idempotent. */
  delivery(record: DeliveryRecord): Promise<void>;
  /** Resolves once it is stored. Idempotent. */
  accepted(call: AcceptedCall): Promise<AcceptedRecord>;
}

/** Rows of one statement: larger ones are no cheaper per row, and hold their locks longer. */
const BATCH_MAX = 100;
/** One statement runs while the next gathers; more at once would only make them smaller. */
const IN_FLIGHT_MAX = 2;

export function createRecords(pool: Pool): Records {
  const limits = { batchMax: BATCH_MAX, inFlightMax: IN_FLIGHT_MAX };
  const deliveries = createCoalescer<DeliveryRecord, void>({
    ...limits,
    async run(records) {
      await recordDeliveries(pool, records);
      return records.map(() => undefined);
    },
  });
  const accepted = createCoalescer<AcceptedCall, AcceptedRecord>({
    ...limits,
    run: (calls) => recordAccepted(pool, calls),
  });
  return {
    delivery: (record) => deliveries.add(record),
    accepted: (call) => accepted.add(call),
  };
}
