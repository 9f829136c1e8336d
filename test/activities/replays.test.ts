import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createReplayActivities } from '../../src/activities/replays';
import { createReplay, readReplay } from '../../src/database/replays';
import { putRule } from '../../src/database/rules';
import { logTargets } from '../database/bus-fixtures';
import { createWorld, failed, type World } from '../lanes/lane-rig';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { writeOldEvents } from '../support/old-events';

/** More than what may wait at once, and than one step routes. */
const EVENTS = 2_600;
const OPEN_MAX = 2_000;

let database: TestDatabase;
let world: World;
beforeAll(async () => {
  database = await createTestDatabase();
  const { pool } = database;
  await writeOldEvents(database.url, { count: EVENTS, newestDays: 1 });
  await pool.query('delete from aftercommit.rules');
  await logTargets(pool, ['sink']);
  await putRule(pool, {
    name: 'old-events',
    description: null,
    pattern: { source: ['bench'] },
    state: 'ENABLED',
    targets: [{ target: 'sink', transformer: null }],
    actor: 'test',
  });
}, 60_000);
afterAll(() => database.drop());
beforeEach(() => (world = createWorld(database.pool)));

async function replayed(): Promise<string> {
  const replayId = randomUUID();
  const filter = { types: ['old'] };
  await createReplay(database.pool, { replayId, filter, ratePerSecond: 10_000, actor: 'test' });
  return replayId;
}

let steps = 0;
const step = (replayId: string): Promise<{ state: string; waitMs: number | null }> =>
  new MockActivityEnvironment({ activityId: `replay-${(steps += 1)}` }).run(() =>
    createReplayActivities(world.deps).sendReplay({ replayId }),
  );

it('sends everything in one step, however many events there are', async () => {
  const replayId = await replayed();

  expect(await step(replayId)).toEqual({ state: 'COMPLETED', waitMs: null });

  expect(world.sent).toHaveLength(EVENTS);
  expect((await readReplay(database.pool, replayId))!.deliveries).toMatchObject({
    delivered: EVENTS,
    ready: 0,
  });
}, 60_000);

it('stops routing where a target fails, and waits before it looks again', async () => {
  world.answer = () => failed;
  const replayId = await replayed();

  const { state, waitMs } = await step(replayId);

  expect({ state, isWaiting: waitMs! > 0 }).toEqual({ state: 'RUNNING', isWaiting: true });
  const { events, deliveries } = (await readReplay(database.pool, replayId))!;
  expect(events).toEqual({ total: EVENTS, routed: OPEN_MAX });
  expect(deliveries).toMatchObject({ delivered: 0, ready: OPEN_MAX });
}, 60_000);
