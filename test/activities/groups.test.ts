import { MockActivityEnvironment } from '@temporalio/testing';
import { createGroupActivities, UNUSED_MS_MAX, type GroupProgress } from '../../src/activities/groups';
import { backlogOwners } from '../../src/database/backlog';
import type { AskedOrder } from '../../src/database/commits';
import {
  askedOf,
  commitUnder,
  groupState,
  openedGroup,
  passWindow,
  stocked,
  unitsOfSku,
} from '../database/group-fixtures';
import { passDeadline, requested } from '../database/order-fixtures';
import type { Wanted } from '../database/sale-fixtures';
import { createWorld, failed, fine, routeTo, type World } from '../lanes/lane-rig';
import { createTestDatabase, type TestDatabase } from '../support/database';

let database: TestDatabase;
let world: World;
beforeAll(async () => {
  database = await createTestDatabase();
  await routeTo(database.pool, 'sink');
});
afterAll(() => database.drop());
beforeEach(() => (world = createWorld(database.pool)));

interface Group {
  groupId: string;
  sku: string;
  orders: AskedOrder[];
  ids: string[];
}

/** A group that its process has committed orders in and has done nothing else with. */
async function committed(name: string, count: number, wanted: Partial<Wanted> = {}): Promise<Group> {
  const { pool } = database;
  const sku = await stocked(pool, `SKU-${name}`, 1_000);
  const groupId = await openedGroup(pool);
  const orders = Array.from({ length: count }, (_, n) => askedOf(`${name} ${n}`, sku, wanted));
  await commitUnder(pool, groupId, orders, { rules: await world.deps.rules.known() });
  return { groupId, sku, orders, ids: orders.map(({ orderId }) => orderId) };
}

const activities = () => createGroupActivities(world.deps);
let looks = 0;
/** One look of the group's workflow. */
const finish = (groupId: string): Promise<GroupProgress> =>
  new MockActivityEnvironment({ activityId: `look-${(looks += 1)}` }).run(() =>
    activities().finishGroup({ groupId }),
  );

async function states(
  table: 'deliveries' | 'notification_attempts',
  ids: readonly string[],
): Promise<string[]> {
  const column = table === 'deliveries' ? 'aggregate_id' : 'order_id';
  const { rows } = await database.pool.query<{ state: string }>(
    `select state from aftercommit.${table} where ${column} = any ($1) order by 1`,
    [ids],
  );
  return rows.map(({ state }) => state);
}

/** What waits is due now. */
const passWaits = (ids: readonly string[]) =>
  database.pool.query(
    'update aftercommit.deliveries set next_attempt_at = now(), send_until = least(send_until, now()) where aggregate_id = any ($1)',
    [ids],
  );

describe('closing a window', () => {
  const close = (groupId: string, windowMs: number) =>
    new MockActivityEnvironment().run(() => activities().closeGroup({ groupId, windowMs }));

  it('goes by the age of its first order, and by its own when it has none', async () => {
    const { groupId } = await committed('window', 1);
    const unused = await openedGroup(database.pool);

    expect(await close(groupId, 60_000)).toMatchObject({ kind: 'in_use' });
    await passWindow(database.pool, groupId, 60_000);
    expect(await close(groupId, 60_000)).toEqual({ kind: 'closed' });
    expect(await close(unused, 60_000)).toEqual({ kind: 'unused' });
    await database.pool.query(
      `update aftercommit.groups set opened_at = opened_at - $2 * interval '1 ms' where group_id = $1`,
      [unused, UNUSED_MS_MAX],
    );
    expect(await close(unused, 60_000)).toEqual({ kind: 'closed' });
  });
});

describe('what a process left behind', () => {
  it('is delivered and told, and then the group ends', async () => {
    const { groupId, ids } = await committed('left', 3);

    const progress = await finish(groupId);

    expect(progress).toMatchObject({
      counts: { orders: 3, confirmed: 3, deliveriesOpen: 0, messagesOpen: 0 },
      waitMs: null,
    });
    expect(await states('deliveries', ids)).toEqual(Array(3).fill('DELIVERED'));
    expect(await states('notification_attempts', ids)).toEqual(Array(3).fill('ACCEPTED'));
    expect(await groupState(database.pool, groupId)).toBe('ENDED');
    expect(world.woken).toEqual([]);
  });

  it('is done once, by however many looks', async () => {
    const { groupId } = await committed('once', 5);

    await Promise.all([finish(groupId), finish(groupId)]);
    await finish(groupId);

    expect(world.sent).toHaveLength(5);
    expect(world.told).toHaveLength(5);
  });

  it('is taken no more orders for, also when no run has closed the group', async () => {
    const { groupId, sku } = await committed('unclosed', 1);

    expect(await finish(groupId)).toMatchObject({ waitMs: null });

    await expect(commitUnder(database.pool, groupId, [askedOf('unclosed late', sku)])).rejects.toMatchObject({
      code: 'group_closed',
    });
    expect(await groupState(database.pool, groupId)).toBe('ENDED');
  });

  it('is waited for while its sender may still send, and taken up after that', async () => {
    const { groupId, ids } = await committed('claimed', 1);
    await database.pool.query(
      `update aftercommit.deliveries set state = 'SENDING', claimed_by = 'dead', send_until = now() + interval '40 seconds', attempts = 1,
              first_attempt_at = now() where aggregate_id = $1`,
      [ids[0]],
    );
    await database.pool.query(
      `insert into aftercommit.delivery_attempts (delivery_id, n, started_at)
       select delivery_id, 1, now() from aftercommit.deliveries where aggregate_id = $1`,
      [ids[0]],
    );

    const { waitMs } = await finish(groupId);
    expect(waitMs).toBeGreaterThan(30_000);
    expect(world.sent).toEqual([]);
    await passWaits(ids);

    expect(await finish(groupId)).toMatchObject({ waitMs: null });
    expect(world.sent).toEqual([`sink ${ids[0]}`]);
  });

  it('is delivered, too, when it became due again after the end', async () => {
    const { groupId, ids } = await committed('redriven', 1);
    await finish(groupId);
    await database.pool.query(
      `update aftercommit.deliveries set state = 'READY', next_attempt_at = now() where aggregate_id = $1`,
      [ids[0]],
    );

    expect(await finish(groupId)).toMatchObject({ waitMs: null });

    expect(await states('deliveries', ids)).toEqual(['DELIVERED']);
  });
});

describe('messages without an outcome', () => {
  it('go on by workflows of their own, however many they are', async () => {
    const { groupId, ids } = await committed('unknown', 201);
    world.message = () => ({ kind: 'ambiguous', code: 'timeout', message: 'no answer', latencyMs: 1 });

    expect(await finish(groupId)).toMatchObject({ waitMs: null });

    expect(new Set(world.woken)).toEqual(new Set(ids.map((id) => `notification ${id}`)));
  });

  it('go on so when their sender died, once it certainly sends no more', async () => {
    const { groupId, ids } = await committed('dead sender', 1);
    const claim = (until: string) =>
      database.pool.query(
        `update aftercommit.notification_attempts set state = 'SENDING', claimed_by = 'dead', send_until = now() + $2::interval
         where order_id = $1`,
        [ids[0], until],
      );
    await claim('5 seconds');
    const { waitMs } = await finish(groupId);
    // Its claim, and the call that it may have begun just before the end of it.
    expect(waitMs).toBeGreaterThan(5_000);
    expect(world.woken).toEqual([]);
    await claim('-2 seconds');

    await finish(groupId);

    expect(world.told).toEqual([]);
    expect(world.woken).toEqual([`notification ${ids[0]}`]);
  });
});

describe('an event that its target refuses', () => {
  it('goes on by a workflow of its order, and the group ends without it', async () => {
    const { groupId, ids } = await committed('poisonous', 3);
    const poison = ids[1]!;
    world.answer = (_target, { event }) => (event.detail.orderId === poison ? failed : fine);

    const waits: (number | null)[] = [];
    for (let look = 0; look < 3; look += 1) {
      expect(world.woken).toEqual([]);
      waits.push((await finish(groupId)).waitMs);
      await passWaits([poison]);
    }

    expect(waits.slice(0, 2).every((waitMs) => waitMs !== null && waitMs >= 100)).toBe(true);
    expect(waits[2]).toBeNull();
    expect(world.woken).toEqual([`order ${poison}`]);
    expect(world.sent.filter((send) => send.endsWith(poison))).toHaveLength(3);
    expect(world.sent).toHaveLength(5);
    const { rows } = await database.pool.query(
      'select workflow_id from aftercommit.orders where order_id = $1',
      [poison],
    );
    expect(rows).toEqual([{ workflow_id: `order/${poison}` }]);
    expect(await groupState(database.pool, groupId)).toBe('ENDED');
  });

  it('stays with the group while the target refuses all of them', async () => {
    const { groupId, ids } = await committed('down', 2);
    world.answer = () => failed;
    for (let look = 0; look < 4; look += 1) {
      expect((await finish(groupId)).waitMs).toBeGreaterThanOrEqual(100);
      await passWaits(ids);
    }
    expect(world.woken).toEqual([]);
    expect(await groupState(database.pool, groupId)).toBe('CLOSED');

    world.answer = () => fine;

    expect(await finish(groupId)).toMatchObject({ waitMs: null });
    expect(await states('deliveries', ids)).toEqual(['DELIVERED', 'DELIVERED']);
  });

  it('is left to whoever resumes the target when that is paused', async () => {
    const { groupId, ids } = await committed('paused', 1);
    const setState = (state: string) =>
      database.pool.query(`update aftercommit.targets set state = $1 where name = 'sink'`, [state]);
    await setState('PAUSED');
    try {
      expect(await finish(groupId)).toMatchObject({ counts: { deliveriesOpen: 1 }, waitMs: null });
    } finally {
      await setState('ENABLED');
    }

    const owners = await backlogOwners(database.pool, { target: 'sink' }, { after: null, limit: 100 });
    expect(owners).toContainEqual({ aggregateId: ids[0], replayId: null, groupId: null });
  });
});

describe('orders that wait for their payment', () => {
  it('are released at their deadline, with what is to be told of it, and the group ends after that', async () => {
    const { pool } = database;
    const { groupId, ids, sku } = await committed('unpaid', 2, { mode: 'wait' });
    await passDeadline(pool, ids[0]!);

    const { waitMs, counts } = await finish(groupId);
    expect(counts).toMatchObject({ waitingForPayment: 1, undone: 1 });
    expect(waitMs).toBeGreaterThan(800_000);
    expect(await unitsOfSku(pool, sku)).toEqual([999, 1, 0]);
    await passDeadline(pool, ids[1]!);

    expect(await finish(groupId)).toMatchObject({ counts: { undone: 2 }, waitMs: null });
    expect(await unitsOfSku(pool, sku)).toEqual([1_000, 0, 0]);
    expect(await states('deliveries', ids)).toEqual(Array(4).fill('DELIVERED'));
    expect(world.told).toHaveLength(2);
  });

  it('go on by workflows of their own from the moment on at which a payment is asked for', async () => {
    const { pool } = database;
    const { groupId, ids } = await committed('paying', 2, { mode: 'wait' });
    await requested(pool, ids[0]!);
    for (const orderId of ids) await passDeadline(pool, orderId);

    expect(await finish(groupId)).toMatchObject({ counts: { takenOver: 1, undone: 1 }, waitMs: null });

    expect(world.woken).toEqual([`order ${ids[0]}`]);
  });

  it('and those that are to be charged are not forgotten when nobody started their workflow', async () => {
    const { groupId, ids } = await committed('charged', 201, { mode: 'charge' });

    const first = await finish(groupId);
    expect(first.waitMs).not.toBeNull();
    expect(await finish(groupId)).toMatchObject({ counts: { takenOver: 201 }, waitMs: null });

    expect(new Set(world.woken)).toEqual(new Set(ids.map((id) => `order ${id}`)));
  });
});
