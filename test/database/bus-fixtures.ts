import type { Pool } from 'pg';
import {
  claimDeliveries,
  recordDeliveries,
  type ClaimedDelivery,
  type DeliveryResult,
} from '../../src/database/deliveries';
import { putTarget, type NewTarget } from '../../src/database/targets';
import { placeOne, settleOne } from './place';

/** Stores targets of kind `log` with these names. */
export async function logTargets(
  pool: Pool,
  names: readonly string[],
  more: Partial<NewTarget> = {},
): Promise<void> {
  for (const name of names) {
    const target = {
      kind: 'log',
      config: {},
      connection: null,
      signature: null,
      retry: {},
      ratePerSecond: null,
    };
    await putTarget(pool, { ...target, ...more, name, actor: 'test' }, { connection: [], signature: [] });
  }
}

export const delivered: DeliveryResult = {
  result: 'delivered',
  status: 200,
  latencyMs: 1,
  code: null,
  message: null,
  retryInMs: null,
};
export const dead: DeliveryResult = {
  ...delivered,
  result: 'dead',
  status: 400,
  code: 'http_400',
  message: 'no',
};
export const later: DeliveryResult = { ...dead, result: 'retry', retryInMs: 3_600_000 };

export async function record(
  pool: Pool,
  delivery: ClaimedDelivery,
  result: DeliveryResult,
  by = 'me',
): Promise<void> {
  await recordDeliveries(pool, [{ claimedBy: by, delivery, result }]);
}

/** Claims the first deliveries of an order or a subject. */
export async function claimOf(
  pool: Pool,
  aggregateId: string,
  claimedBy = 'me',
  sendForMs = 60_000,
): Promise<ClaimedDelivery[]> {
  return claimDeliveries(pool, { scope: { aggregateId }, claimedBy, sendForMs });
}

/** An order with two events. */
export async function twoEvents(pool: Pool, name: string): Promise<string> {
  const orderId = await placeOne(pool, name, 'charge');
  await settleOne(pool, orderId);
  return orderId;
}
