import { createFulfilmentActivities } from '../../src/activities/fulfilment';
import { createShipmentActivities, type ShipmentActivities } from '../../src/activities/shipments';
import { shipmentIdOf } from '../../src/database/ids';
import { readShipment } from '../../src/database/shipments';
import { absentCarrier } from '../../src/gateways/absent';
import type { Carrier } from '../../src/gateways/carrier';
import { createSimulatedCarrier } from '../../src/gateways/simulated-carrier';
import type { ShippingAddress } from '../../src/domain/orders';
import { ADDRESS, eventsOf, orderRow, printedDraws } from '../database/order-fixtures';
import { placeOne } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { patiently, run } from './patience';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const activities = (carrier: Carrier): ShipmentActivities =>
  createShipmentActivities({ pool: database.pool, carrier, now: () => new Date() });
const confirmed = (name: string, address: ShippingAddress = ADDRESS): Promise<string> =>
  placeOne(database.pool, name, 'none', { shipping: address });
const stateOf = async (orderId: string): Promise<string | undefined> =>
  (await readShipment(database.pool, orderId))?.state;

describe('booking', () => {
  it('books once, however often it is asked and whatever was lost', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('lost');
    carrier.faults.plan('lost_after', 'book');
    carrier.faults.plan('lost_before', 'book');

    await expect(run(() => activities(carrier).bookShipment({ orderId }))).rejects.toMatchObject({
      code: 'gateway_unavailable',
    });
    expect(await stateOf(orderId)).toBe('INTENDED');
    await patiently(() => activities(carrier).bookShipment({ orderId }));
    const again = await run(() => activities(carrier).bookShipment({ orderId }));

    expect(again).toEqual({ kind: 'booked' });
    expect(await stateOf(orderId)).toBe('BOOKED');
    expect(carrier.facts().map(({ type }) => type)).toEqual(['booked']);
  });

  it('keeps a refusal, and asks no second time', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('refused', { ...ADDRESS, postalCode: '00000' });

    const first = await run(() => activities(carrier).bookShipment({ orderId }));
    const second = await run(() => activities(absentCarrier()).bookShipment({ orderId }));

    expect([first, second]).toEqual([
      { kind: 'refused', code: 'address_refused' },
      { kind: 'refused', code: 'address_refused' },
    ]);
  });

  it('is refused when the person was erased: nobody knows where the goods go', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('erased');
    await database.pool.query('delete from aftercommit.order_contacts where order_id = $1', [orderId]);

    expect(await run(() => activities(carrier).bookShipment({ orderId }))).toEqual({
      kind: 'refused',
      code: 'contact_erased',
    });
    expect(carrier.facts()).toEqual([]);
  });

  it('leaves an answer that contradicts the request to an operator', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('mismatch');
    carrier.faults.plan('mismatch', 'book');

    await expect(run(() => activities(carrier).bookShipment({ orderId }))).rejects.toMatchObject({
      code: 'gateway_mismatch',
      retryable: false,
    });
    expect(await stateOf(orderId)).toBe('INTENDED');
  });

  it.each([
    ['skip', 'BOOKED', null],
    ['fail', 'REFUSED', 'failed_by_operator'],
  ] as const)('is closed by an operator who says %s', async (decision, state, code) => {
    const orderId = await confirmed(`operator ${decision}`);
    const operator = createFulfilmentActivities({ pool: database.pool });

    await operator.closeStep({ orderId, step: 'shipment', decision });
    await operator.closeStep({ orderId, step: 'shipment', decision });

    expect(await readShipment(database.pool, orderId)).toMatchObject({ state, errorCode: code });
  });
});

describe('cancelling', () => {
  it('asks nobody when nothing was ever sent, and nothing can be sent any more', async () => {
    const orderId = await confirmed('never sent');

    expect(await run(() => activities(absentCarrier()).cancelShipment({ orderId }))).toEqual({
      kind: 'cancelled',
    });

    expect(await run(() => activities(absentCarrier()).bookShipment({ orderId }))).toEqual({
      kind: 'refused',
      code: 'cancelled',
    });
    expect(await stateOf(orderId)).toBe('CANCELLED');
  });

  it('leaves a tombstone when the booking never arrived', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('null compensation');
    carrier.faults.plan('lost_before', 'book');
    await run(() => activities(carrier).bookShipment({ orderId })).catch(() => undefined);

    expect(await run(() => activities(carrier).cancelShipment({ orderId }))).toEqual({ kind: 'cancelled' });

    const shipmentId = shipmentIdOf(orderId);
    const lines = [{ sku: 'SKU-null compensation', quantity: 2 }];
    expect(await carrier.book({ shipmentId, orderId, address: ADDRESS, lines })).toEqual({
      kind: 'refused',
      code: 'cancelled',
    });
  });

  it('wins over a booking that hangs and arrives after it', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('hanging');
    carrier.faults.plan('late', 'book');
    await run(() => activities(carrier).bookShipment({ orderId })).catch(() => undefined);

    expect(await run(() => activities(carrier).cancelShipment({ orderId }))).toEqual({ kind: 'cancelled' });

    expect(carrier.faults.fired.get('late')).toBe(1);
    expect(carrier.facts().map(({ type }) => type)).not.toContain('booked');
    expect(await stateOf(orderId)).toBe('CANCELLED');
    expect(await run(() => activities(carrier).bookShipment({ orderId }))).toMatchObject({ kind: 'refused' });
  });

  it('cancels once what was booked, though answers are lost', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('cancelled');
    await run(() => activities(carrier).bookShipment({ orderId }));
    carrier.faults.plan('lost_after', 'cancel');

    expect(await patiently(() => activities(carrier).cancelShipment({ orderId }))).toEqual({
      kind: 'cancelled',
    });
    expect(await run(() => activities(absentCarrier()).cancelShipment({ orderId }))).toEqual({
      kind: 'cancelled',
    });

    expect(carrier.facts().map(({ type }) => type)).toEqual(['booked', 'cancelled']);
  });

  it('is too late for what is on its way, whether anybody was told of that or not', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('too late');
    await run(() => activities(carrier).bookShipment({ orderId }));
    carrier.advance(shipmentIdOf(orderId), 'shipped');

    expect(await run(() => activities(carrier).cancelShipment({ orderId }))).toEqual({ kind: 'too_late' });
    expect(await stateOf(orderId)).toBe('BOOKED');

    await run(() => activities(carrier).lookUpShipment({ orderId }));
    expect(await run(() => activities(absentCarrier()).cancelShipment({ orderId }))).toEqual({
      kind: 'too_late',
    });
  });

  it('asks the carrier after a refusal too: an operator may have said so of what was booked', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('refused by hand');
    carrier.faults.plan('lost_after', 'book');
    await run(() => activities(carrier).bookShipment({ orderId })).catch(() => undefined);
    await createFulfilmentActivities({ pool: database.pool }).closeStep({
      orderId,
      step: 'shipment',
      decision: 'fail',
    });

    await run(() => activities(carrier).cancelShipment({ orderId }));

    expect((await carrier.find({ shipmentId: shipmentIdOf(orderId) }))?.status).toBe('cancelled');
  });
});

describe('looking up', () => {
  it('stores what the carrier knows, as its report would', async () => {
    const carrier = createSimulatedCarrier();
    const orderId = await confirmed('looked up');
    await run(() => activities(carrier).bookShipment({ orderId }));
    await run(() => activities(carrier).lookUpShipment({ orderId }));
    expect(await stateOf(orderId)).toBe('BOOKED');

    carrier.advance(shipmentIdOf(orderId), 'shipped');
    carrier.advance(shipmentIdOf(orderId), 'delivered');
    await Promise.all([1, 2].map(() => run(() => activities(carrier).lookUpShipment({ orderId }))));

    expect(await orderRow(database.pool, orderId)).toMatchObject({ status: 'COMPLETED' });
    expect(await eventsOf(database.pool, orderId)).toEqual([
      'order.confirmed',
      'order.shipped',
      'order.delivered',
    ]);
  });

  it('changes nothing when the carrier knows nothing', async () => {
    const orderId = await confirmed('unknown there');

    await run(() => activities(createSimulatedCarrier()).lookUpShipment({ orderId }));

    expect(await stateOf(orderId)).toBe('INTENDED');
  });
});

it('books or cancels each of many orders and never both, whatever the carrier does', async () => {
  const draw = printedDraws('bookings and cancellations');
  const carrier = createSimulatedCarrier({
    seed: Math.floor(draw() * 2 ** 31),
    faults: { lost_before: 0.2, lost_after: 0.2, late: 0.2 },
  });
  const shipments = activities(carrier);
  const orders = await Promise.all(Array.from({ length: 40 }, (_, n) => confirmed(`many ${n}`)));

  await Promise.all(
    orders.map(async (orderId) => {
      const booking = patiently(() => shipments.bookShipment({ orderId }));
      if (draw() < 0.5) await booking;
      if (draw() < 0.7) await patiently(() => shipments.cancelShipment({ orderId }));
      await booking;
    }),
  );

  expect(carrier.faults.fired.size).toBe(3);
  for (const orderId of orders) {
    const facts = carrier.facts().filter((fact) => fact['shipmentId'] === shipmentIdOf(orderId));
    const types = facts.map(({ type }) => type);
    const state = await stateOf(orderId);
    expect(['BOOKED', 'CANCELLED']).toContain(state);
    expect(types.includes('booked') && !types.includes('cancelled')).toBe(state === 'BOOKED');
    expect(types.filter((type) => type === 'booked').length).toBeLessThanOrEqual(1);
  }
});
