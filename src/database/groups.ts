import type { Pool } from 'pg';
import { groupWorkflowId } from '../domain/orders';
import { GroupClosedError } from '../errors';
import { statement, transaction } from './transaction';

/** Groups of the flash lane: what one process commits in about a second, looked after by one workflow. */

/**
 * Opens a group for commits. Its workflow runs already, so that from the first commit on somebody looks after them.
 * @throws GroupClosedError when the workflow has closed it before
 */
export async function openGroup(pool: Pool, group: { groupId: string; process: string }): Promise<void> {
  const rows = await statement(
    pool,
    // A repeat after a lost answer finds the row of its own first try.
    `insert into aftercommit.groups as g (group_id, process, state) values ($1, $2, 'OPEN')
     on conflict (group_id) do update set process = excluded.process where g.state = 'OPEN' returning 1`,
    [group.groupId, group.process],
  );
  if (rows.length === 0) throw new GroupClosedError('The group was closed before it was opened.');
}

/** Closes a group that its process has not used and will not use. One that has an order stays as it is. Idempotent. */
export async function giveUpGroup(pool: Pool, groupId: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.groups g set state = 'CLOSED', closed_at = now() where group_id = $1 and state = 'OPEN'
       and not exists (select 1 from aftercommit.orders o where o.group_id = g.group_id)`,
    [groupId],
  );
}

/**
 * `unused`: it has no order and stays open. `in_use`: its first order is younger than a window, so that its process may
 * still commit; look again after `leftMs`. `closed`: for good; no commit is under way any more.
 */
export type Closing = { kind: 'unused' } | { kind: 'in_use'; leftMs: number } | { kind: 'closed' };

/**
 * Closes a group whose window is over. Waits for the commits that are under way, and refuses all that come after. Idempotent.
 * @param close.windowMs - how long its process commits under it, from its first order, with what clocks may differ by
 * @param close.unusedMsMax - an unused group is closed at this age
 */
export async function closeGroup(
  pool: Pool,
  close: { groupId: string; windowMs: number; unusedMsMax: number },
): Promise<Closing> {
  const { groupId } = close;
  const before = await readAge(pool, groupId);
  // Looked at without a lock first: commits need not wait for a look that changes nothing.
  const early = before === null ? null : tooEarly(before, close);
  if (early !== null) return early;
  return transaction(pool, async (client) => {
    // A process that stood still may come to insert the row only now: then it finds it closed.
    await client.query(
      `insert into aftercommit.groups (group_id, process, state, closed_at) values ($1, 'none', 'CLOSED', now())
       on conflict (group_id) do nothing`,
      [groupId],
    );
    await client.query('select 1 from aftercommit.groups where group_id = $1 for update', [groupId]);
    const { rows } = await client.query<Age>(AGE, [groupId]);
    const late = tooEarly(rows[0]!, close);
    if (late !== null) return late;
    await client.query(
      `update aftercommit.groups set state = 'CLOSED', closed_at = now() where group_id = $1 and state = 'OPEN'`,
      [groupId],
    );
    return { kind: 'closed' };
  });
}

interface Age {
  state: 'OPEN' | 'CLOSED' | 'ENDED';
  open_ms: number;
  /** Since its first order; null when there is none. */
  used_ms: number | null;
}

const AGE = `
  select g.state, (extract(epoch from clock_timestamp() - g.opened_at) * 1000)::float8 as open_ms,
    (select (extract(epoch from clock_timestamp() - min(o.created_at)) * 1000)::float8
     from aftercommit.orders o where o.group_id = g.group_id) as used_ms
  from aftercommit.groups g where g.group_id = $1`;

async function readAge(pool: Pool, groupId: string): Promise<Age | null> {
  return (await statement<Age>(pool, AGE, [groupId]))[0] ?? null;
}

function tooEarly(
  age: Age,
  { windowMs, unusedMsMax }: { windowMs: number; unusedMsMax: number },
): Closing | null {
  if (age.state !== 'OPEN') return null;
  if (age.used_ms === null) return age.open_ms < unusedMsMax ? { kind: 'unused' } : null;
  // Orders have the time of their process. However far that clock is ahead, no window is used for longer than this.
  const leftMsMax = unusedMsMax + windowMs - age.open_ms;
  const leftMs = Math.ceil(Math.min(windowMs - age.used_ms, leftMsMax));
  return leftMs > 0 ? { kind: 'in_use', leftMs } : null;
}

/**
 * Closes a group whose window is over for all that its workflow knows: its first run, which would have waited, is gone. Waits
 * for the commits that are under way; its process, if it still lives, goes on in another group. Idempotent.
 */
export async function closeAtOnce(pool: Pool, groupId: string): Promise<void> {
  await statement(
    pool,
    `insert into aftercommit.groups as g (group_id, process, state, closed_at) values ($1, 'none', 'CLOSED', now())
     on conflict (group_id) do update set state = 'CLOSED', closed_at = now() where g.state = 'OPEN'`,
    [groupId],
  );
}

/** Nothing of the group is left to do. Idempotent. */
export async function endGroup(pool: Pool, groupId: string): Promise<void> {
  await statement(
    pool,
    `update aftercommit.groups set state = 'ENDED', ended_at = now() where group_id = $1 and state = 'CLOSED'`,
    [groupId],
  );
}

/** SQL: the orders of group `$1` that no workflow of their own has taken over. */
export const OWN_ORDERS = `
  select o.order_id from aftercommit.orders o
  where o.group_id = $1 and o.workflow_id = '${groupWorkflowId('')}' || $1::text`;

/** The orders are looked after by workflows of their own from now on, which run. Idempotent. */
export async function takeOver(pool: Pool, orderIds: readonly string[]): Promise<void> {
  await statement(
    pool,
    `update aftercommit.orders set workflow_id = 'order/' || order_id
     where order_id = any ($1::uuid[]) and group_id is not null and workflow_id = '${groupWorkflowId('')}' || group_id`,
    [orderIds],
  );
}
