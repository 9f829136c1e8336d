import { randomUUID } from 'node:crypto';
import {
  commitOrders,
  type AskedOrder,
  type CommitContext,
  type CommitOutcome,
} from '../../src/database/commits';
import { openGroup } from '../../src/database/groups';
import { setAvailable } from '../../src/database/inventory';
import type { Pool } from '../../src/database/pool';
import { groupWorkflowId } from '../../src/domain/orders';
import { phoneHash } from './place';
import { asked, type Wanted } from './sale-fixtures';

/** Groups of the flash lane with orders in them, made by the functions that the lane calls. */

/** A group that is open and has no order yet. */
export async function openedGroup(pool: Pool): Promise<string> {
  const groupId = randomUUID();
  await openGroup(pool, { groupId, process: 'test' });
  return groupId;
}

/** What orders of a group are of, unless told otherwise: a product of their own, of which there are a hundred. */
export async function stocked(pool: Pool, sku: string, available = 100): Promise<string> {
  await setAvailable(pool, { sku, available, actor: 'test', reason: 'test' });
  return sku;
}

/** An order of no sale. Its name stands for its key. */
export const askedOf = (name: string, sku: string, more: Partial<Wanted> = {}): AskedOrder =>
  asked(name, { saleId: null, sku, ...more });

/** Commits orders under a group, which looks after them from then on. @returns their outcomes, in their order */
export async function commitUnder(
  pool: Pool,
  groupId: string,
  orders: readonly AskedOrder[],
  more: Partial<CommitContext> = {},
): Promise<CommitOutcome[]> {
  const outcomes = await commitOrders(
    pool,
    orders.map((order) => ({ ...order, workflowId: groupWorkflowId(groupId) })),
    {
      groupId,
      at: new Date().toISOString(),
      places: { temporalUiUrl: null, namespace: 'default' },
      phoneHash,
      rules: null,
      sender: null,
      ...more,
    },
  );
  const byId = new Map(outcomes.map((outcome) => [outcome.orderId, outcome]));
  return orders.map(({ orderId }) => byId.get(orderId)!);
}

/** The group's first order came so long ago. */
export async function passWindow(pool: Pool, groupId: string, ms: number): Promise<void> {
  await pool.query(
    `update aftercommit.orders set created_at = created_at - $2 * interval '1 millisecond' where group_id = $1`,
    [groupId, ms],
  );
}

export async function groupState(pool: Pool, groupId: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ state: string }>(
    'select state from aftercommit.groups where group_id = $1',
    [groupId],
  );
  return rows[0]?.state;
}

/** Available, reserved and sold units. */
export async function unitsOfSku(pool: Pool, sku: string): Promise<number[]> {
  const { rows } = await pool.query<{ available: number; reserved: number; sold: number }>(
    'select available, reserved, sold from aftercommit.inventory where sku = $1',
    [sku],
  );
  const { available, reserved, sold } = rows[0]!;
  return [available, reserved, sold];
}

/** Backends that wait for a lock right now, of this database. */
export async function waitingForLocks(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rows[0]!.count;
}
