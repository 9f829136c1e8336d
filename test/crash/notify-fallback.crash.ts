import { NotifyRig } from './notify-rig';
import { isLookedUp, killAtFallback, SCENARIOS } from './notify-scenarios';

/** kill -9 at N1 to N6 of the SMS that the notification's own workflow sends after WhatsApp failed (63016). */
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
    key: `fallback-${n}-${kills}`,
  })),
);

describe('a worker that is killed while it sends the SMS instead of a WhatsApp message', () => {
  it.each(ROWS)('$point, $what, $times: one SMS is delivered', async ({ key, scenario, kills }) => {
    const told = rig.know(key, ['whatsapp', 'sms']);

    await killAtFallback(rig, told, { scenario, kills });
    struck[key] = kills;

    const { attempts } = await rig.end(told, 'DELIVERED');
    expect(await rig.accountFor(told)).toEqual({ whatsapp: 1, sms: 1 });
    expect(attempts[0]).toMatchObject({ channel: 'whatsapp', outcome: 'failed', errorCode: '63016' });
    if (isLookedUp(scenario)) {
      const found = { wasAmbiguous: true, resolvedBy: 'look_up', outcome: 'delivered' };
      expect(attempts.slice(1)).toEqual([expect.objectContaining(found)]);
    }
  });
});

it('every promise was kept', async () => {
  expect(await rig.violations(ROWS.length, struck)).toEqual([]);
});
