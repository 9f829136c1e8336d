import {
  expectNothingTaken,
  expectUndone,
  killWhileForwardHangs,
  killWhileUndoing,
  UNDO_SCENARIOS,
} from './compensation-kills';
import { LifeRig } from './life-rig';

/** kill -9 at C1 to C6, while an order is undone, in the first execution and in the first two. */
let rig: LifeRig;

beforeAll(async () => {
  rig = await LifeRig.open();
}, 120_000);
afterEach(() => rig.reset());
afterAll(() => rig.stack.stop(), 60_000);

const KILLS = [
  { kills: 1, times: 'once' },
  { kills: 2, times: 'twice' },
] as const;
const ROWS = UNDO_SCENARIOS.flatMap((scenario) => KILLS.map((kill) => ({ ...scenario, ...kill, scenario })));

describe('a worker that is killed while it undoes an order', () => {
  it.each(ROWS)('$point, $what, $times: all goes back once', async ({ point, scenario, kills, activity }) => {
    const life = await rig.know(`${point}-${kills}`);

    await killWhileUndoing(rig, life, { scenario, kills });

    expect(await expectUndone(rig, life, activity)).toBe(kills + 1);
  });

  it.each(KILLS)(
    'C6, while the call that it undoes still hangs, $times: nothing is taken',
    async ({ kills }) => {
      const life = await rig.know(`C6-${kills}`);

      await killWhileForwardHangs(rig, life, kills);

      expect(await expectNothingTaken(rig, life)).toBeGreaterThan(kills);
    },
  );
});

it('every promise was kept', async () => {
  expect(await rig.violations(ROWS.length + KILLS.length)).toEqual([]);
});
