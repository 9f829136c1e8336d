import { openGroup } from '../../src/database/groups';
import { TemporalUnavailableError } from '../../src/errors';
import { Windows, type WindowLimits } from '../../src/lanes/windows';
import { askedOf, commitUnder, groupState, stocked } from '../database/group-fixtures';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';
import { waitFor } from '../support/wait';
import { stubTemporal, type StubTemporal } from './lane-rig';

let database: TestDatabase;
let temporal: StubTemporal;
let windows: Windows;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
afterEach(() => windows.close());

/** Windows that are long and large, unless told otherwise. */
function opened(limits: Partial<WindowLimits> = {}): Windows {
  temporal = stubTemporal();
  windows = new Windows({
    pool: database.pool,
    temporal: temporal.client,
    log: silentLog,
    process: 'test',
    limits: { keepOpen: false, windowMs: 60_000, graceMs: 60_000, ordersMax: 1_000, ...limits },
  });
  return windows;
}

const idOf = (workflowId: string | undefined): string => workflowId!.replace('group/', '');
const stateOf = (groupId: string) => groupState(database.pool, groupId);

describe('a window', () => {
  it('has its workflow before its row, and its row before it is used', async () => {
    opened();
    const before: unknown[] = [];
    temporal.onStart = async (workflowId) => before.push(await stateOf(idOf(workflowId)));

    const window = await windows.take(1);

    expect(before).toEqual([undefined]);
    expect(temporal.started[0]).toBe(`group/${window.groupId}`);
    expect(await stateOf(window.groupId)).toBe('OPEN');
  });

  it('is one for all who come at once', async () => {
    opened();

    const taken = await Promise.all(Array.from({ length: 10 }, () => windows.take(1)));

    expect(new Set(taken.map(({ groupId }) => groupId)).size).toBe(1);
  });

  it('is followed, when its time is up, by one that was opened ahead of need', async () => {
    opened({ windowMs: 100 });
    const { groupId } = await windows.take(1);
    await waitFor('the next one is opened', () => temporal.started.length === 2);
    temporal.isAway = true;

    const next = await waitFor('its time is up', async () => {
      const window = await windows.take(1);
      return window.groupId !== groupId && window;
    });

    expect(`group/${next.groupId}`).toBe(temporal.started[1]);
  });

  it('is followed by the next one when it has its orders', async () => {
    opened({ ordersMax: 5 });

    const ids: string[] = [];
    for (const orders of [3, 3, 3, 3, 3]) ids.push((await windows.take(orders)).groupId);

    const [one, , two, , three] = ids;
    expect(ids).toEqual([one, one, two, two, three]);
    expect(new Set(ids).size).toBe(3);
  });

  it('is used no more once it was dropped', async () => {
    opened();
    const window = await windows.take(1);

    windows.drop(window);

    expect((await windows.take(1)).groupId).not.toBe(window.groupId);
  });

  it('tells its workflow when it is used later than planned, and says nothing otherwise', async () => {
    opened({ windowMs: 30, graceMs: 10 });
    await windows.start();
    const openedAt = performance.now();
    await waitFor('it is late', () => performance.now() - openedAt > 70);

    const late = await windows.take(1);

    await waitFor('it tells', () => temporal.signalled.length > 0);
    expect(temporal.signalled).toEqual([`group/${late.groupId}`]);

    opened();
    await windows.start();
    await windows.take(1);
    expect(temporal.signalled).toEqual([]);
  });

  it('that nobody uses is replaced before its workflow closes it', async () => {
    opened();
    await windows.start();
    expect(windows.isOpen).toBe(true);
    const now = performance.now.bind(performance);
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + 481_000);
    try {
      expect(windows.isOpen).toBe(false);
      expect((await windows.take(1)).groupId).not.toBe(idOf(temporal.started[0]));
    } finally {
      clock.mockRestore();
    }
  });
});

describe('while Temporal is away', () => {
  it('a window that is open serves to its end, then none can be had', async () => {
    opened({ windowMs: 300 });
    await windows.start();
    temporal.isAway = true;

    const { groupId } = await windows.take(1);
    expect((await windows.take(1)).groupId).toBe(groupId);
    expect(windows.isOpen).toBe(true);
    await waitFor('its time is up', () => !windows.isOpen);

    await expect(windows.take(1)).rejects.toThrow(TemporalUnavailableError);
    const { rowCount } = await database.pool.query('select 1 from aftercommit.groups where opened_at > $1', [
      new Date(Date.now() - 200),
    ]);
    expect(rowCount).toBe(0);
  });

  it('it is tried again in the background until it is back', async () => {
    opened();
    temporal.isAway = true;
    await windows.start();
    expect(windows.isOpen).toBe(false);

    temporal.isAway = false;

    await waitFor('a window is open', () => windows.isOpen);
    expect(await stateOf(idOf(temporal.started[0]))).toBe('OPEN');
  });

  it('the next window is opened as soon as it is back, also while the one before is in use', async () => {
    opened();
    await windows.start();
    temporal.isAway = true;
    const { groupId } = await windows.take(1);
    temporal.isAway = false;

    await waitFor('the next one is opened', () => temporal.started.length === 2);

    expect((await windows.take(1)).groupId).toBe(groupId);
  });

  it('nobody waits for it at the end', async () => {
    opened();
    await windows.start();
    temporal.isAway = true;

    await windows.close();

    expect(await stateOf(idOf(temporal.started[0]))).toBe('CLOSED');
  });
});

it('a window that its workflow closed before it was opened is not used', async () => {
  opened();
  temporal.onStart = (workflowId) =>
    database.pool.query(
      `insert into aftercommit.groups (group_id, process, state, closed_at) values ($1, 'none', 'CLOSED', now())`,
      [idOf(workflowId)],
    );

  await expect(windows.take(1)).rejects.toThrow(TemporalUnavailableError);
  temporal.onStart = () => Promise.resolve();
  expect(await stateOf((await windows.take(1)).groupId)).toBe('OPEN');
});

it('what was not used is given up at the end, and what was used is left to its workflow', async () => {
  opened();
  const { groupId } = await windows.take(1);
  await commitUnder(database.pool, groupId, [askedOf('used', await stocked(database.pool, 'SKU-used'))]);
  await waitFor('the next one is opened', () => temporal.started.length === 2);

  await windows.close();

  const unused = idOf(temporal.started[1]);
  expect(await stateOf(groupId)).toBe('OPEN');
  expect(await stateOf(unused)).toBe('CLOSED');
  expect(temporal.signalled).toEqual([`group/${unused}`]);
  await expect(openGroup(database.pool, { groupId: unused, process: 'test' })).rejects.toMatchObject({
    code: 'group_closed',
  });
});

it('opens nothing after its end', async () => {
  opened();
  temporal.isAway = true;
  await windows.start();
  await windows.close();
  temporal.isAway = false;

  // Longer than until the next try would have come.
  const endedAt = performance.now();
  await waitFor('the time of the next try is over', () => performance.now() - endedAt > 600);

  expect(temporal.started).toEqual([]);
});
