import { LifeRig, RECOVERY_MS, SOLD } from './life-rig';
import { expectPaid, killWhilePaying, killWhileWaiting, PAY_SCENARIOS } from './payment-kills';

/** kill -9 at P1 to P6, while an order is paid, in the first execution and in the first two. */
let rig: LifeRig;

beforeAll(async () => {
  rig = await LifeRig.open();
}, 120_000);
afterEach(() => rig.reset());
afterAll(() => rig.stack.stop(), 60_000);

const KILLS = [
  { kills: 1, times: 'once' },
  { kills: 2, times: 'twice' },
];
const ROWS = PAY_SCENARIOS.flatMap((scenario) => KILLS.map((kill) => ({ ...scenario, ...kill, scenario })));

describe('a worker that is killed while it takes a payment', () => {
  it.each(ROWS)('$point, $what, $times: the money is taken once', async ({ point, scenario, kills }) => {
    // A webhook would tell the outcome; here nobody but the next execution may find it.
    await rig.control('payments', { webhooks: { lose: true } });
    const life = await rig.know(`${point}-${kills}`);

    await killWhilePaying(rig, life, { scenario, kills });

    expect(await expectPaid(rig, life)).toBe(kills + 1);
  });

  it('P4, captured and told by a webhook before the answer is read: the money is taken once', async () => {
    const scenario = PAY_SCENARIOS.find(({ point }) => point === 'P4')!;
    const life = await rig.know('P4-told');
    // It comes while there is no worker.
    await rig.control('payments', { webhooks: { delayMs: 1_000, duplicate: 1 } });

    await killWhilePaying(rig, life, { scenario, kills: 1 });

    await expectPaid(rig, life);
  });

  it.each(KILLS)('P6, while the customer confirms, $times: the money is taken once', async ({ kills }) => {
    const life = await rig.know(`P6-${kills}`);

    await killWhileWaiting(rig, life, { kills });

    await rig.shop.becomes(life.orderId, { status: 'CONFIRMED', payment: { status: 'PAID' } }, RECOVERY_MS);
    expect(rig.shop.did('payments', life.orderId)).toEqual([
      'requires_action',
      'action_completed',
      'captured',
    ]);
    expect(await rig.shop.stockOf(life.sku)).toEqual(SOLD);
    expect(await rig.shop.events(life.orderId)).toEqual(['placed', 'confirmed']);
  });
});

it('every promise was kept', async () => {
  expect(await rig.violations(ROWS.length + 1 + KILLS.length)).toEqual([]);
});
