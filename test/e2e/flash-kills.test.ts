import { waitFor } from '../support/wait';
import { FlashRig } from './flash-rig';
import { heldBefore } from './flash-traps';

/**
 * The flash lane when its process stands still or dies: what it committed is looked after by the workflow of its group, and
 * what it had in hand goes into another group. API and worker are apart here. All points, and both in one process:
 * `npm run test:crash`.
 */
let rig: FlashRig;
let other: string;

beforeAll(async () => {
  rig = await FlashRig.open({ withLinks: true });
  other = (await rig.stack.startAnother()).url;
}, 90_000);
afterAll(() => rig.stack.stop(), 60_000);

it('a process that stood still past the end of its window commits in another group, and nothing twice', async () => {
  expect((await rig.place('before'))!.status).toBe(201);
  const groupId = (await rig.groupOf('before'))!;
  const reached = heldBefore(rig, 'commit', rig.orderIdOf('fenced'), groupId);
  const placing = rig.place('fenced');
  await reached();

  const { pid } = rig.stack.api();
  process.kill(pid, 'SIGSTOP');
  try {
    await waitFor('its window is closed', async () => (await rig.stateOfGroup(groupId)) !== 'OPEN');
    expect(await rig.groupOf('fenced')).toBeUndefined();
  } finally {
    process.kill(pid, 'SIGCONT');
    await rig.databaseLink.heal();
  }
  rig.struck['fence'] = 1;

  await placing;
  expect((await rig.placeUntilAnswered('fenced')).status).toBe(201);
  expect(await rig.groupOf('fenced')).not.toBe(groupId);
  expect(await rig.groupOf('before')).toBe(groupId);
  await rig.untilDone(['before', 'fenced']);
  for (const key of ['before', 'fenced']) expect(rig.heardOf(key)).toEqual({ events: 1, messages: 1 });
});

it('two processes sell one sale to the last unit, and no more', async () => {
  const quantity = 20;
  const sku = await rig.openSale('friday', quantity);
  const urls = [rig.stack.url, other];
  const buy = (n: number) =>
    rig.placeUntilAnswered(`friday-${n}`, {
      sku,
      saleId: 'friday',
      customerId: `cus_${n}`,
      url: urls[n % urls.length]!,
    });
  // Each has sold one before all come at once.
  const first = [await buy(0), await buy(1)];

  const rest = await Promise.all(Array.from({ length: 3 * quantity - 2 }, (_, n) => buy(n + 2)));

  const answers = [...first, ...rest];

  expect(answers.filter(({ status }) => status === 201)).toHaveLength(quantity);
  expect(new Set(answers.map(({ status, body }) => (status === 201 ? 'sold' : body['code'])))).toEqual(
    new Set(['sold', 'sold_out']),
  );
  expect(await rig.sale('friday')).toMatchObject({ state: 'SOLD_OUT', sold: quantity, reserved: 0 });
  const processes = await rig.rows(
    `select distinct g.process from aftercommit.groups g join aftercommit.orders o using (group_id) where o.sale_id = 'friday'`,
  );
  expect(processes).toHaveLength(2);
});

it('a process that is killed with its window open, before its commit, leaves nothing behind, and another one takes the order', async () => {
  const { stack, databaseLink } = rig;
  const reached = heldBefore(rig, 'commit', rig.orderIdOf('killed'));
  const placing = rig.place('killed');
  await reached();

  process.kill(stack.api().pid, 'SIGKILL');
  await stack.api().exited;
  databaseLink.cut();
  expect(await rig.statesOf('killed')).toEqual([]);
  expect(rig.heardOf('killed')).toEqual({ events: 0, messages: 0 });
  await databaseLink.heal();
  rig.struck['kill'] = 1;
  await placing;

  expect((await rig.placeUntilAnswered('killed', { url: other })).status).toBe(201);
  await rig.untilDone(['killed']);
  expect(rig.heardOf('killed')).toEqual({ events: 1, messages: 1 });
});

it('leaves nothing that breaks an invariant', async () => {
  expect(await rig.violations(63)).toEqual([]);
}, 90_000);
