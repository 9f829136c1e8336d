import { randomUUID } from 'node:crypto';
import { closeGroup, endGroup, giveUpGroup, openGroup, type Closing } from '../../src/database/groups';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import {
  askedOf,
  commitUnder,
  groupState,
  openedGroup,
  passWindow,
  stocked,
  unitsOfSku,
  waitingForLocks,
} from './group-fixtures';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const WINDOW_MS = 60_000;
const close = (groupId: string, more: { unusedMsMax?: number } = {}): Promise<Closing> =>
  closeGroup(database.pool, { groupId, windowMs: WINDOW_MS, unusedMsMax: 600_000, ...more });

describe('closing a group', () => {
  it('leaves one that nobody has used open, until it is old', async () => {
    const { pool } = database;
    const groupId = await openedGroup(pool);

    expect(await close(groupId)).toEqual({ kind: 'unused' });
    expect(await groupState(pool, groupId)).toBe('OPEN');
    expect(await close(groupId, { unusedMsMax: 0 })).toEqual({ kind: 'closed' });
    expect(await groupState(pool, groupId)).toBe('CLOSED');
  });

  it('leaves one open whose first order is younger than its window, and says when to look again', async () => {
    const { pool } = database;
    const groupId = await openedGroup(pool);
    await commitUnder(pool, groupId, [askedOf('young', await stocked(pool, 'SKU-young'))]);
    await passWindow(pool, groupId, 20_000);

    const closing = await close(groupId);

    expect(closing).toMatchObject({ kind: 'in_use' });
    const { leftMs } = closing as { leftMs: number };
    expect(leftMs).toBeGreaterThan(WINDOW_MS - 40_000);
    expect(leftMs).toBeLessThanOrEqual(WINDOW_MS - 20_000);
    expect(await groupState(pool, groupId)).toBe('OPEN');
  });

  it('closes one whose window is over, once and for all', async () => {
    const { pool } = database;
    const groupId = await openedGroup(pool);
    const sku = await stocked(pool, 'SKU-over');
    await commitUnder(pool, groupId, [askedOf('over', sku)]);
    await passWindow(pool, groupId, WINDOW_MS);

    expect(await close(groupId)).toEqual({ kind: 'closed' });
    await passWindow(pool, groupId, -WINDOW_MS);
    expect(await close(groupId)).toEqual({ kind: 'closed' });

    await expect(commitUnder(pool, groupId, [askedOf('too late', sku)])).rejects.toMatchObject({
      code: 'group_closed',
      retryable: true,
    });
  });

  it('is not put off for longer than a window may be used by a process whose clock is ahead', async () => {
    const { pool } = database;
    const groupId = await openedGroup(pool);
    await commitUnder(pool, groupId, [askedOf('ahead', await stocked(pool, 'SKU-ahead'))]);
    await passWindow(pool, groupId, -400 * 24 * 3_600_000);

    const closing = await close(groupId);
    expect(closing).toMatchObject({ kind: 'in_use' });
    expect((closing as { leftMs: number }).leftMs).toBeLessThanOrEqual(600_000 + WINDOW_MS);
    await pool.query(
      `update aftercommit.groups set opened_at = opened_at - interval '11 minutes' where group_id = $1`,
      [groupId],
    );

    expect(await close(groupId)).toEqual({ kind: 'closed' });
  });

  it('waits for a commit that is under way, and has its order then', async () => {
    const { pool } = database;
    const groupId = await openedGroup(pool);
    const sku = await stocked(pool, 'SKU-under-way');
    await commitUnder(pool, groupId, [askedOf('before', sku)]);
    await passWindow(pool, groupId, WINDOW_MS);
    const client = await pool.connect();
    let isClosed = false;
    try {
      await client.query('begin');
      await client.query('select 1 from aftercommit.groups where group_id = $1 for share', [groupId]);
      const closing = close(groupId).then((kind) => ((isClosed = true), kind));
      await waitFor('it waits', async () => (await waitingForLocks(pool)) > 0);
      expect(isClosed).toBe(false);
      await client.query('update aftercommit.orders set updated_at = now() where group_id = $1', [groupId]);
      await client.query('commit');

      expect(await closing).toEqual({ kind: 'closed' });
    } finally {
      client.release();
    }
  });

  it('of a group that its process has not opened yet keeps it from being opened', async () => {
    const { pool } = database;
    const groupId = randomUUID();

    expect(await close(groupId)).toEqual({ kind: 'closed' });

    await expect(openGroup(pool, { groupId, process: 'zombie' })).rejects.toMatchObject({
      code: 'group_closed',
    });
    await expect(
      commitUnder(pool, groupId, [askedOf('zombie', await stocked(pool, 'SKU-zombie'))]),
    ).rejects.toMatchObject({ code: 'group_closed' });
  });
});

it('a group is opened by a repeat of its own process too, whose first answer was lost', async () => {
  const { pool } = database;
  const groupId = await openedGroup(pool);

  await openGroup(pool, { groupId, process: 'test' });

  expect(await groupState(pool, groupId)).toBe('OPEN');
});

it('a commit into a closed group, or one that is not there, writes nothing', async () => {
  const { pool } = database;
  const sku = await stocked(pool, 'SKU-closed');
  const groupId = await openedGroup(pool);
  await close(groupId, { unusedMsMax: 0 });
  const orders = [askedOf('closed 1', sku), askedOf('closed 2', sku)];

  for (const id of [groupId, randomUUID()])
    await expect(commitUnder(pool, id, orders)).rejects.toMatchObject({ code: 'group_closed' });

  const orderIds = orders.map(({ orderId }) => orderId);
  for (const [table, column] of [
    ['orders', 'order_id'],
    ['order_requests', 'order_id'],
    ['step_receipts', 'order_id'],
    ['outbox', 'aggregate_id'],
    ['notification_attempts', 'order_id'],
  ]) {
    const { rowCount } = await pool.query(`select 1 from aftercommit.${table} where ${column} = any ($1)`, [
      orderIds,
    ]);
    expect([table, rowCount]).toEqual([table, 0]);
  }
  expect(await unitsOfSku(pool, sku)).toEqual([100, 0, 0]);
});

it('a group that is given up is closed when it has no order, and only then', async () => {
  const { pool } = database;
  const [unused, used] = [await openedGroup(pool), await openedGroup(pool)];
  await commitUnder(pool, used, [askedOf('kept', await stocked(pool, 'SKU-kept'))]);

  for (const groupId of [unused, used]) await giveUpGroup(pool, groupId);

  expect(await groupState(pool, unused)).toBe('CLOSED');
  expect(await groupState(pool, used)).toBe('OPEN');
});

it('a group that is open does not end', async () => {
  const { pool } = database;
  const groupId = await openedGroup(pool);

  await endGroup(pool, groupId);
  expect(await groupState(pool, groupId)).toBe('OPEN');
  await close(groupId, { unusedMsMax: 0 });
  await endGroup(pool, groupId);

  expect(await groupState(pool, groupId)).toBe('ENDED');
});
