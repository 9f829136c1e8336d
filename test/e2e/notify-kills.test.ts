import { NotifyRig } from '../crash/notify-rig';
import { killAtFallback, killAtFirstAttempt, SCENARIOS, type Scenario } from '../crash/notify-scenarios';

/**
 * A sample of `npm run test:crash`: kill -9 while somebody is told. Each recovery takes as long as Temporal waits for the
 * dead worker (10 s), so there are two.
 */
let rig: NotifyRig;

beforeAll(async () => {
  rig = await NotifyRig.open();
}, 90_000);
afterEach(() => rig.control({ reset: true }));
afterAll(() => rig.stack.stop(), 60_000);

/** The last of a point is the one without reports. */
const at = (point: string): Scenario => SCENARIOS.filter((scenario) => scenario.point === point).at(-1)!;

describe('a worker that is killed', () => {
  it('at N1, before it claims the fallback, leaves an attempt that another one makes', async () => {
    const told = rig.know('N1', ['whatsapp', 'sms']);

    await killAtFallback(rig, told, { scenario: at('N1'), kills: 1 });

    await rig.end(told, 'DELIVERED');
    expect(await rig.accountFor(told)).toEqual({ whatsapp: 1, sms: 1 });
  });

  it('at N3, the request written and its reports lost, leaves a message that is looked up', async () => {
    const told = rig.know('N3', ['sms']);

    await killAtFirstAttempt(rig, told, { scenario: at('N3'), kills: 1 });

    const { attempts } = await rig.end(told, 'DELIVERED');
    const found = { wasAmbiguous: true, resolvedBy: 'look_up', outcome: 'delivered' };
    expect(attempts).toEqual([expect.objectContaining(found)]);
    expect(await rig.accountFor(told)).toEqual({ sms: 1 });
  });

  it('breaks no promise', async () => {
    expect(await rig.violations(2, { N1: 1, N3: 1 })).toEqual([]);
  });
});
