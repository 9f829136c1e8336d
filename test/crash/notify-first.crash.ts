import { rowOf } from './notify-points';
import { NotifyRig } from './notify-rig';
import { isLookedUp, killAtFirstAttempt, SCENARIOS } from './notify-scenarios';

/** kill -9 at N1 to N6 of the attempt that is made in the order's grouped delivery step, on its first and second execution. */
let rig: NotifyRig;
const struck: Record<string, number> = {};

beforeAll(async () => {
  rig = await NotifyRig.open();
}, 120_000);
afterEach(() => rig.control({ reset: true }));
afterAll(() => rig.stack.stop(), 60_000);

const ROWS = [1, 2].flatMap((kills) =>
  SCENARIOS.map((scenario, n) => ({
    ...scenario,
    scenario,
    kills,
    times: kills === 1 ? 'once' : 'twice',
    key: `first-${n}-${kills}`,
  })),
);

describe('a worker that is killed while it makes the first attempt', () => {
  it.each(ROWS)('$point, $what, $times: one SMS is delivered', async ({ key, scenario, kills }) => {
    const told = rig.know(key, ['sms']);

    await killAtFirstAttempt(rig, told, { scenario, kills });
    struck[key] = kills;

    const { attempts } = await rig.end(told, 'DELIVERED');
    expect(await rig.accountFor(told)).toEqual({ sms: 1 });
    if (isLookedUp(scenario)) {
      const found = { wasAmbiguous: true, resolvedBy: 'look_up', outcome: 'delivered' };
      expect(attempts).toEqual([expect.objectContaining(found)]);
    }
  });
});

describe('a worker that is killed while it makes a phone call', () => {
  const at = (point: string): (typeof SCENARIOS)[number] =>
    SCENARIOS.filter((scenario) => scenario.point === point).at(-1)!;

  it('N2, claimed and not made: the call waits for an operator', async () => {
    const told = rig.know('call-N2', ['voice']);

    await killAtFirstAttempt(rig, told, { scenario: at('N2'), kills: 1 });
    struck['call-N2'] = 1;

    await rig.end(told, 'HELD');
    expect(await rig.accountFor(told)).toEqual({});
  });

  it.each(['N3', 'N4'])('%s, made and its reports lost: the call is found', async (point) => {
    const told = rig.know(`call-${point}`, ['voice']);

    await killAtFirstAttempt(rig, told, { scenario: at(point), kills: 1 });
    struck[`call-${point}`] = 1;

    const { attempts } = await rig.end(told, 'DELIVERED');
    expect(attempts).toEqual([expect.objectContaining({ wasAmbiguous: true, resolvedBy: 'look_up' })]);
    expect(await rig.accountFor(told)).toEqual({ voice: 1 });
  });
});

it('N5 with its reports lost, and nobody left to watch for silence, is found by reconciliation', async () => {
  const told = rig.know('unwatched', ['sms']);
  const scenario = SCENARIOS.find(({ point }) => point === 'N5')!;
  await killAtFirstAttempt(rig, told, {
    scenario: { ...scenario, provider: { callbacks: { lose: true } } },
    kills: 1,
  });
  struck['unwatched'] = 1;

  // Old enough for reconciliation, which leaves alone what somebody may still be at work on.
  await rig.stack.database.pool.query(
    `update aftercommit.notification_attempts set silent_at = silent_at - interval '1 hour' where attempt_id = $1`,
    [rig.attempt(told).attemptId],
  );
  await rig.stack.temporal.schedule.getHandle('reconcile-light').trigger();

  await rig.end(told, 'DELIVERED');
  expect((await rowOf(rig.stack, rig.attempt(told)))?.state).toBe('ACCEPTED');
  expect(await rig.accountFor(told)).toEqual({ sms: 1 });
});

it('every promise was kept', async () => {
  expect(await rig.violations(ROWS.length + 4, struck)).toEqual([]);
});
