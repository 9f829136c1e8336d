import type { Pool } from 'pg';
import { appendAudit } from './audit';
import { ONCE, statement, transaction } from './transaction';

/** Units of one SKU. Every unit that was ever put in is in exactly one of the three. */
export interface Stock {
  sku: string;
  available: number;
  reserved: number;
  sold: number;
}

const COLUMNS = 'sku, available, reserved, sold';

export async function readStock(pool: Pool, sku: string): Promise<Stock | null> {
  const [row] = await statement<Stock>(pool, `select ${COLUMNS} from aftercommit.inventory where sku = $1`, [
    sku,
  ]);
  return row ?? null;
}

/** Stock by SKU, in order of its name; `after` is the last SKU of the page before. */
export async function listStock(
  pool: Pool,
  page: { limit: number; after?: string | undefined },
): Promise<Stock[]> {
  return statement<Stock>(
    pool,
    `select ${COLUMNS} from aftercommit.inventory where ($1::text is null or sku > $1) order by sku limit $2`,
    [page.after ?? null, page.limit],
  );
}

/** Sets what is free to sell, and writes down who did it and by how much. Reserved and sold units stay as they are. */
export async function setAvailable(
  pool: Pool,
  change: { sku: string; available: number; actor: string; reason: string },
): Promise<Stock> {
  return transaction(
    pool,
    async (client) => {
      await client.query(
        'insert into aftercommit.inventory (sku, available) values ($1, 0) on conflict do nothing',
        [change.sku],
      );
      const before = await client.query<Stock>(
        `select ${COLUMNS} from aftercommit.inventory where sku = $1 for no key update`,
        [change.sku],
      );
      const after = await client.query<Stock>(
        `update aftercommit.inventory set available = $2, updated_at = now() where sku = $1 returning ${COLUMNS}`,
        [change.sku, change.available],
      );
      const from = before.rows[0]!.available;
      await appendAudit(client, {
        actor: change.actor,
        action: 'inventory.set',
        subject: change.sku,
        detail: { from, to: change.available, delta: change.available - from, reason: change.reason },
      });
      return after.rows[0]!;
    },
    ONCE,
  );
}
