import { randomUUID } from 'node:crypto';
import { Pool } from 'undici';
import { waitFor } from '../../test/support/wait';
import { skuAt, SKUS } from '../loads';
import type { ProductRun } from './with-product';
import type { Rig } from '../rig/rig';

/** Callers that place them. */
const LANES = 32;
/** Long enough that none expires while it is measured. */
const DEADLINE_SECONDS = 7_200;
const REPEATS_MAX = 20;
const PLACED_MS_MAX = 120_000;

/** Places orders that wait for their payment, and returns once all of them do. */
export async function placeWaitingOrders(
  rig: Rig,
  { place, product }: ProductRun,
  count: number,
): Promise<void> {
  const pool = new Pool(product.url, { connections: LANES, pipelining: 1 });
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await placeOne(pool, next++);
  };
  try {
    await Promise.all(Array.from({ length: LANES }, lane));
  } finally {
    await pool.close();
  }
  await waitFor(
    `${count} orders wait`,
    async () => {
      const [row] = await rig.postgres.query<{ waiting: number }>(
        `select count(*)::int as waiting from aftercommit.orders where status = 'PENDING_PAYMENT'`,
        [],
        place.database,
      );
      return (row?.waiting ?? 0) >= count;
    },
    { deadlineMs: PLACED_MS_MAX },
  );
}

async function placeOne(pool: Pool, position: number): Promise<void> {
  const key = randomUUID();
  const body = JSON.stringify({
    customer: { id: `cus_${position}`, phone: `+1415${3_000_000 + position}`, channels: ['sms'] },
    lines: [{ sku: skuAt(position % SKUS), quantity: 1, unitPriceMinor: 1_000 }],
    currency: 'EUR',
    payment: { mode: 'wait', deadlineSeconds: DEADLINE_SECONDS },
  });
  for (let attempt = 0; attempt < REPEATS_MAX; attempt += 1) {
    const answer = await pool.request({
      method: 'POST',
      path: '/v1/orders',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body,
    });
    await answer.body.dump();
    if (answer.statusCode < 300) return;
  }
  throw new Error('a waiting order could not be placed');
}
