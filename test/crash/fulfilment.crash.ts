import { evidenceOf } from '../dev/fake-control';
import { crashWorker } from '../e2e/crash';
import { ADDRESS } from '../e2e/shop';
import type { Fake } from '../e2e/stack';
import { waitFor } from '../support/wait';
import { LifeRig, RECOVERY_MS, SOLD, UNTOUCHED, type Life } from './life-rig';
import { unanswered, type Trap } from './life-traps';

/** kill -9 while carrier, points and cart are asked, and while they are asked to take it back. */
let rig: LifeRig;

beforeAll(async () => {
  rig = await LifeRig.open();
}, 120_000);
afterEach(() => rig.reset());
afterAll(() => rig.stack.stop(), 60_000);

const PLACED = { method: 'tok_visa', shipping: ADDRESS } as const;
const PARTICIPANTS = ['carrier', 'points', 'cart'] as const;
const LINKS = { carrier: 'workerCarrier', points: 'workerPoints', cart: 'workerCart' } as const;
const DO = { carrier: 'booked', points: 'awarded', cart: 'cleared' } as const;
const UNDO = { carrier: 'cancelled', points: 'reversed', cart: 'restored' } as const;

const did = (fake: Fake, life: Life): string[] => rig.shop.did(fake, life.orderId);

/** A request of any kind to one of them was carried out and not answered. @param path - part of it */
const carriedOut = (fake: (typeof PARTICIPANTS)[number], path: string, type: string): Trap =>
  unanswered(
    LINKS[fake],
    () => [path],
    `it is ${type}`,
    (_rig, life) => did(fake, life).includes(type),
  );

const PATHS = { carrier: '/cancel', points: '/reverse', cart: '/restore' } as const;

async function arrive(life: Life): Promise<void> {
  const { shop } = rig;
  await shop.becomes(
    life.orderId,
    { shipment: { state: 'BOOKED' }, points: { state: 'AWARDED' } },
    RECOVERY_MS,
  );
  await shop.track(life.orderId, 'shipped');
  await shop.track(life.orderId, 'delivered');
  await shop.becomes(life.orderId, { status: 'COMPLETED' });
  expect(await shop.stockOf(life.sku)).toEqual(SOLD);
}

it('with all three asked and none answered: each did it once', async () => {
  const life = await rig.know('all');
  const traps = PARTICIPANTS.map((fake) => carriedOut(fake, 'HTTP/1.1', DO[fake])(rig, life));
  rig.place(life, { ...PLACED, cartId: 'cart-all' });
  await Promise.all(traps.map((reached) => reached()));

  await crashWorker(rig.stack, async () => {
    const rows = await rig.row<{ states: string[] }>(
      `select array[s.state, p.state, c.state] as states from aftercommit.shipments s
       join aftercommit.points p using (order_id) join aftercommit.carts c using (order_id) where order_id = $1`,
      life.orderId,
    );
    expect(rows?.states).toEqual(['INTENDED', 'INTENDED', 'INTENDED']);
  });
  rig.struck['all'] = 1;

  await arrive(life);
  for (const fake of PARTICIPANTS)
    expect(did(fake, life).filter((type) => type === DO[fake])).toHaveLength(1);
  for (const activity of ['bookShipment', 'awardPoints', 'clearCart'])
    expect(await rig.attemptsOf(life, activity)).toBe(2);
});

it.each(PARTICIPANTS)('with the %s asked to take it back and not answered: it did so once', async (fake) => {
  const { shop } = rig;
  const life = await rig.know(`undo-${fake}`);
  rig.place(life, { ...PLACED, cartId: `cart-${fake}` });
  await waitFor('all three are done', () => PARTICIPANTS.every((one) => did(one, life).includes(DO[one])));
  await shop.becomes(life.orderId, { shipment: { state: 'BOOKED' }, points: { state: 'AWARDED' } });
  const reached = carriedOut(fake, PATHS[fake], UNDO[fake])(rig, life);

  void shop.cancel(life.orderId).catch(() => undefined);
  await reached();
  await crashWorker(rig.stack, async () => {
    expect(await shop.stockOf(life.sku)).toEqual(SOLD);
    expect(did('payments', life)).toEqual(['authorized', 'captured']);
  });
  rig.struck[`undo-${fake}`] = 1;

  await shop.becomes(life.orderId, { status: 'CANCELLED', payment: { status: 'REFUNDED' } }, RECOVERY_MS);
  for (const one of PARTICIPANTS) expect(did(one, life)).toEqual([DO[one], UNDO[one]]);
  expect(await shop.stockOf(life.sku)).toEqual(UNTOUCHED);
});

it('a booking that hangs while its order is cancelled is refused when it comes at last', async () => {
  const { shop } = rig;
  const life = await rig.know('hanging');
  const hangs = { operation: 'book', action: 'late', delayMs: 15_000, match: { orderId: life.orderId } };
  await rig.control('carrier', { faults: [hangs] });
  const isKept = async (): Promise<boolean> =>
    (await evidenceOf(rig.stack.fakeUrls.carrier, 'booking_fenced')).length > 0;
  const asked = (): readonly string[] => ['/cancel'];
  const reached = unanswered('workerCarrier', asked, 'it can happen no more', isKept)(rig, life);
  rig.place(life, PLACED);
  await shop.becomes(life.orderId, { status: 'CONFIRMED' });
  await reachedAfterCancel(life, reached);
  rig.struck['hanging'] = 1;

  await shop.becomes(life.orderId, { status: 'CANCELLED', payment: { status: 'REFUNDED' } }, RECOVERY_MS);
  await waitFor(
    'the booking has come',
    async () => ((await rig.control('carrier', {})) as { late: number }).late === 0,
  );
  expect(did('carrier', life)).toEqual([]);
  expect(await shop.stockOf(life.sku)).toEqual(UNTOUCHED);
});

async function reachedAfterCancel(life: Life, reached: () => Promise<unknown>): Promise<void> {
  await waitFor(
    'the booking hangs',
    async () => ((await rig.control('carrier', {})) as { late: number }).late === 1,
  );
  void rig.shop.cancel(life.orderId).catch(() => undefined);
  await reached();
  await crashWorker(rig.stack, async () => {
    expect(await rig.control('carrier', {})).toMatchObject({ late: 1 });
  });
}

it('every promise was kept', async () => {
  expect(await rig.violations(5)).toEqual([]);
});
