import {
  claimAttempts,
  declareAmbiguous,
  recordAccepted,
  type ClaimedAttempt,
} from '../../src/database/notification-attempts';
import type { Pool } from '../../src/database/pool';
import { placeOne } from './place';

/** Notifications on their way, made by the functions that senders call. */

const SILENCE_MS = { whatsapp: 60_000, sms: 60_000, voice: 60_000 };

/** What a sender takes up of an order. */
export async function claimOf(pool: Pool, orderId: string): Promise<ClaimedAttempt[]> {
  return claimAttempts(pool, {
    orderIds: [orderId],
    claimedBy: 'test',
    forMs: 60_000,
    silenceMs: SILENCE_MS,
    configured: new Set(['whatsapp', 'sms', 'voice']),
    isCounted: true,
  });
}

/** A sid as Twilio makes them. */
export function sidOf(n: number, prefix = 'SM'): string {
  return prefix + n.toString(16).padStart(32, '0');
}

export type Order = Parameters<typeof placeOne>[3];

/** An order whose message a sender has taken up and not sent yet. */
export async function claimed(pool: Pool, name: string, order: Order = {}): Promise<ClaimedAttempt> {
  const [attempt] = await claimOf(pool, await placeOne(pool, name, 'none', order));
  if (attempt === undefined) throw new Error(`nothing to send for ${name}`);
  return attempt;
}

/** The same, accepted by the provider as this message. */
export async function accepted(
  pool: Pool,
  name: string,
  sid: string,
  order: Order = {},
): Promise<ClaimedAttempt> {
  const attempt = await claimed(pool, name, order);
  await recordAccepted(pool, [{ attemptId: attempt.attemptId, sid, status: 'queued', latencyMs: 12 }]);
  return attempt;
}

/** The same, with an outcome that nobody knows. */
export async function ambiguous(pool: Pool, name: string, order: Order = {}): Promise<ClaimedAttempt> {
  const attempt = await claimed(pool, name, order);
  await declareAmbiguous(pool, attempt.attemptId);
  return attempt;
}
