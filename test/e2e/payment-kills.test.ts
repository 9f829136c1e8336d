import { expectUndone, killWhileUndoing, UNDO_SCENARIOS } from '../crash/compensation-kills';
import { LifeRig } from '../crash/life-rig';
import { expectPaid, killWhilePaying, PAY_SCENARIOS } from '../crash/payment-kills';

/**
 * A sample of `npm run test:crash`: kill -9 while money moves. Each recovery takes as long as Temporal waits for the dead
 * worker (10 s), so there are two.
 */
let rig: LifeRig;

beforeAll(async () => {
  rig = await LifeRig.open();
}, 90_000);
afterEach(() => rig.reset());
afterAll(() => rig.stack.stop(), 60_000);

describe('a worker that is killed', () => {
  it('at P4, captured and the answer not read, leaves a payment that is taken once', async () => {
    await rig.control('payments', { webhooks: { lose: true } });
    const life = await rig.know('P4');
    const scenario = PAY_SCENARIOS.find(({ point }) => point === 'P4')!;

    await killWhilePaying(rig, life, { scenario, kills: 1 });

    expect(await expectPaid(rig, life)).toBe(2);
  });

  it('at C2, the refund sent and not answered, leaves an order whose money goes back once', async () => {
    const life = await rig.know('C2');
    const scenario = UNDO_SCENARIOS.find(({ point }) => point === 'C2')!;

    await killWhileUndoing(rig, life, { scenario, kills: 1 });

    expect(await expectUndone(rig, life, scenario.activity)).toBe(2);
  });

  it('breaks no promise', async () => {
    expect(await rig.violations(2)).toEqual([]);
  });
});
