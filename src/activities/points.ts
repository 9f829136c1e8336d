import { fenceStep, intendStep, recordStep, recordUndone } from '../database/fulfilment';
import { readPoints, type PointsEntry } from '../database/points';
import type { Pool } from '../database/pool';
import type { PointsLedger } from '../gateways/points';
import { withHeartbeat } from './heartbeat';

export interface PointsActivities {
  /**
   * Awards what the order earned. Idempotent: the ledger knows the entry by our id. A refusal is stored and changes nothing
   * else: nobody loses an order that is paid for over its points.
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown; GatewayMismatchError (not retryable)
   */
  awardPoints(input: { orderId: string }): Promise<void>;
  /**
   * Takes them back, or makes the award impossible. Idempotent; safe when nothing was awarded.
   * @throws GatewayUnavailableError (retryable) while the outcome is unknown
   */
  reversePoints(input: { orderId: string }): Promise<void>;
}

export function createPointsActivities({
  pool,
  points,
}: {
  pool: Pool;
  points: PointsLedger;
}): PointsActivities {
  return {
    awardPoints: ({ orderId }) =>
      withHeartbeat(async () => {
        if (!(await intendStep(pool, 'points', orderId))) return;
        const entry = await readKnown(pool, orderId);
        if (entry.state !== 'INTENDED') return;
        const { entryId, customerId } = entry;
        const awarded = await points.award({ entryId, customerId, orderId, points: entry.points });
        await recordStep(pool, 'points', orderId, awarded.kind === 'awarded' ? { kind: 'done' } : awarded);
      }),

    reversePoints: ({ orderId }) =>
      withHeartbeat(async () => {
        if (!(await fenceStep(pool, 'points', orderId))) return;
        const { entryId, state } = await readKnown(pool, orderId);
        if (state === 'REVERSED') return;
        await points.reverse({ entryId });
        await recordUndone(pool, 'points', orderId);
      }),
  };
}

/** @throws RangeError when the order earned none: a bug in the caller */
async function readKnown(pool: Pool, orderId: string): Promise<PointsEntry> {
  const entry = await readPoints(pool, orderId);
  if (entry === null) throw new RangeError('the order earned no points');
  return entry;
}
