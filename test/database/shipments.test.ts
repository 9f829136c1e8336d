import { randomUUID } from 'node:crypto';
import { shipmentIdOf } from '../../src/database/ids';
import { completeShipment, readShipment, recordTracking, type Tracked } from '../../src/database/shipments';
import type { TrackingState } from '../../src/domain/fulfilment';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ADDRESS, eventsOf, orderRow, printedDraws, shuffled } from './order-fixtures';
import { placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const AT = new Date().toISOString();

/** Confirmed, with a shipment in this state. */
async function shipping(name: string, state = 'BOOKED'): Promise<string> {
  const orderId = await placeOne(database.pool, name, 'none', { shipping: ADDRESS });
  await database.pool.query('update aftercommit.shipments set state = $2 where order_id = $1', [
    orderId,
    state,
  ]);
  return orderId;
}

const track = (orderId: string, state: TrackingState): Promise<Tracked> =>
  recordTracking(database.pool, { shipmentId: shipmentIdOf(orderId), state, trackingId: 'TRACK-1', at: AT });

const stateOf = async (orderId: string): Promise<string | undefined> =>
  (await readShipment(database.pool, orderId))?.state;

describe("the carrier's news", () => {
  it('moves the order with its shipment, each with its event', async () => {
    const orderId = await shipping('told');

    expect(await track(orderId, 'SHIPPED')).toEqual({ kind: 'changed', orderId });
    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'SHIPPED' });
    expect(await track(orderId, 'DELIVERED')).toEqual({ kind: 'changed', orderId });

    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'COMPLETED' });
    expect(await eventsOf(database.pool, orderId)).toEqual([
      'order.confirmed',
      'order.shipped',
      'order.delivered',
    ]);
    const { rows } = await database.pool.query(
      `select distinct payload - 'seq' as detail from aftercommit.outbox where aggregate_id = $1 and seq > 1`,
      [orderId],
    );
    const detail = { orderId, shipmentId: shipmentIdOf(orderId), trackingId: 'TRACK-1', customerId: 'cus_1' };
    expect(rows).toEqual([{ detail }]);
  });

  it.each([
    ['twice', ['SHIPPED', 'SHIPPED', 'DELIVERED', 'DELIVERED']],
    ['in the wrong order', ['DELIVERED', 'SHIPPED']],
    ['with a part of it lost', ['DELIVERED']],
    ['before the booking was answered', ['SHIPPED', 'DELIVERED']],
    ['with a turn back that came to nothing', ['SHIPPED', 'RETURNED', 'DELIVERED', 'RETURNED']],
  ] as const)('ends in the same events when it comes %s', async (how, states) => {
    const orderId = await shipping(how, how.startsWith('before') ? 'INTENDED' : 'BOOKED');

    for (const state of states) await track(orderId, state);

    expect(await stateOf(orderId)).toBe('DELIVERED');
    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'COMPLETED' });
    expect(await eventsOf(database.pool, orderId)).toEqual([
      'order.confirmed',
      'order.shipped',
      'order.delivered',
    ]);
  });

  it('leaves goods that came back to an operator', async () => {
    const orderId = await shipping('back');

    await track(orderId, 'RETURNED');

    expect(await stateOf(orderId)).toBe('RETURNED');
    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'SHIPPED' });
    expect(await eventsOf(database.pool, orderId)).toEqual(['order.confirmed', 'order.shipped']);
  });

  it.each(['CANCELLED', 'REFUSED'])(
    'changes nothing of what was %s: it contradicts itself',
    async (state) => {
      const orderId = await shipping(`gone ${state}`, state);

      expect(await track(orderId, 'SHIPPED')).toEqual({ kind: 'contradiction', orderId });

      expect(await stateOf(orderId)).toBe(state);
      expect(await eventsOf(database.pool, orderId)).toEqual(['order.confirmed']);
    },
  );

  it.each([randomUUID(), 'parcel-7', '', `${randomUUID()}0`])(
    'is of nothing of ours for the id "%s"',
    async (id) => {
      const tracking = { shipmentId: id, state: 'SHIPPED', trackingId: 'T', at: AT } as const;

      expect(await recordTracking(database.pool, tracking)).toEqual({ kind: 'unknown' });
    },
  );

  it('is told once however many tell it at once, in any order', async () => {
    const draw = printedDraws('tracking reports');
    const orders = await Promise.all(Array.from({ length: 10 }, (_, n) => shipping(`many ${n}`)));
    const reports = orders.flatMap((orderId) =>
      (['SHIPPED', 'SHIPPED', 'DELIVERED', 'DELIVERED'] as const).map((state) => () => track(orderId, state)),
    );

    await Promise.all(shuffled(draw, reports).map((report) => report()));

    for (const orderId of orders) {
      expect(await stateOf(orderId)).toBe('DELIVERED');
      expect(await eventsOf(database.pool, orderId)).toEqual([
        'order.confirmed',
        'order.shipped',
        'order.delivered',
      ]);
    }
  });
});

describe('an operator who says that the goods arrived', () => {
  it('completes the order, with both events, and names no tracking that nobody knows', async () => {
    const orderId = await shipping('by hand');

    await completeShipment(database.pool, { orderId, at: AT });
    await completeShipment(database.pool, { orderId, at: AT });

    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'COMPLETED' });
    expect(await eventsOf(database.pool, orderId)).toEqual([
      'order.confirmed',
      'order.shipped',
      'order.delivered',
    ]);
    const { rows } = await database.pool.query(
      `select payload -> 'trackingId' as tracking from aftercommit.outbox where aggregate_id = $1 and seq = 3`,
      [orderId],
    );
    expect(rows).toEqual([{ tracking: null }]);
  });

  it('completes what came back', async () => {
    const orderId = await shipping('came back');
    await track(orderId, 'RETURNED');

    await completeShipment(database.pool, { orderId, at: AT });

    expect(await stateOf(orderId)).toBe('DELIVERED');
    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'COMPLETED' });
  });
});

it('reads the address until it is erased, and never the number', async () => {
  const orderId = await shipping('address');

  expect(await readShipment(database.pool, orderId)).toMatchObject({
    address: ADDRESS,
    lines: [{ sku: 'SKU-address', quantity: 2 }],
  });

  await database.pool.query('delete from aftercommit.order_contacts where order_id = $1', [orderId]);
  expect(await readShipment(database.pool, orderId)).toMatchObject({ address: null });
  expect(JSON.stringify(await readShipment(database.pool, orderId))).not.toContain('+1415');
});
