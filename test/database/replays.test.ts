import { randomUUID } from 'node:crypto';
import { claimDeliveries } from '../../src/database/deliveries';
import { listDeliveries, readDelivery } from '../../src/database/delivery-views';
import { advanceReplay, commandReplay, createReplay, readReplay } from '../../src/database/replays';
import { createRedrive, readRedrive, redriveDelivery, takeUpDeadLetters } from '../../src/database/redrives';
import { routeEvents } from '../../src/database/routing';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { claimOf, dead, delivered, later, logTargets, record, twoEvents } from './bus-fixtures';
import { AT, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await logTargets(database.pool, ['one', 'two']);
});
afterAll(() => database.drop());

const to =
  (...names: string[]) =>
  () =>
    names.map((targetName) => ({ ruleName: 'rule', targetName, transformer: null }));

/** An order with two events whose deliveries to `one` all ended as asked. */
async function ordered(name: string, result = delivered): Promise<string> {
  const orderId = await twoEvents(database.pool, name);
  await routeEvents(database.pool, { aggregateIds: [orderId], at: AT }, to('one'));
  for (;;) {
    const claimed = await claimOf(database.pool, orderId);
    if (claimed.length === 0) return orderId;
    for (const one of claimed) await record(database.pool, one, result);
  }
}

const start = (filter: object) =>
  createReplay(database.pool, { replayId: randomUUID(), filter, ratePerSecond: 100, actor: 'test' });
const advance = (replayId: string, openMax = 500) =>
  advanceReplay(database.pool, replayId, { route: to('one', 'two'), at: AT, openMax });
const claim = (replayId: string) =>
  claimDeliveries(database.pool, { scope: { replayId }, claimedBy: 'me', sendForMs: 60_000 });

describe('a replay', () => {
  it('sends again what its filter takes, in order, and ends', async () => {
    const orderId = await ordered('replayed');
    const { replayId, events } = await start({ orderId, target: 'two' });
    expect(events).toEqual({ total: 2, routed: 0 });

    expect(await advance(replayId)).toMatchObject({ state: 'RUNNING', routed: false });
    const seqs: number[] = [];
    for (let claimed = await claim(replayId); claimed.length > 0; claimed = await claim(replayId)) {
      expect(claimed).toHaveLength(1);
      expect(claimed[0]).toMatchObject({ replayId, targetName: 'two', attempt: 1 });
      seqs.push(claimed[0]!.event.detail.seq);
      await record(database.pool, claimed[0]!, delivered);
    }

    expect(seqs).toEqual([1, 2]);
    expect(await advance(replayId)).toMatchObject({ state: 'COMPLETED' });
    expect(await readReplay(database.pool, replayId)).toMatchObject({
      state: 'COMPLETED',
      events: { total: 2, routed: 2 },
      deliveries: { delivered: 2, dead: 0, ready: 0, sending: 0 },
    });
  });

  it('leaves the first deliveries alone, and what waits of them does not wait for it', async () => {
    const orderId = await placeOne(database.pool, 'beside');
    await routeEvents(database.pool, { aggregateIds: [orderId], at: AT }, to('one'));
    const { replayId } = await start({ orderId, target: 'one' });
    await advance(replayId);

    const [first, again] = [await claimOf(database.pool, orderId), await claim(replayId)];

    expect(first.map((one) => one.replayId)).toEqual([null]);
    expect(again.map((one) => one.replayId)).toEqual([replayId]);
    expect(again[0]!.event).toEqual(first[0]!.event);
    expect(again[0]!.deliveryId).not.toBe(first[0]!.deliveryId);
  });

  it('waits with further events while enough of it is open', async () => {
    const orderId = await ordered('bounded');
    const { replayId } = await start({ orderId, target: 'one', types: ['order.placed'] });
    await advance(replayId);

    expect(await advance(replayId, 1)).toMatchObject({ state: 'RUNNING', open: 1, routed: true });
  });

  it('sends nothing more once it is cancelled, and cannot be resumed', async () => {
    const orderId = await ordered('cancelled');
    const { replayId } = await start({ orderId, target: 'one' });
    await advance(replayId);

    expect(await commandReplay(database.pool, replayId, 'pause', 'test')).toMatchObject({ state: 'PAUSED' });
    expect(await advance(replayId)).toMatchObject({ state: 'PAUSED' });
    const [sending] = await claim(replayId);
    expect(await commandReplay(database.pool, replayId, 'cancel', 'test')).toMatchObject({
      state: 'CANCELLED',
    });

    expect(await advance(replayId)).toMatchObject({ state: 'CANCELLED', open: 1 });
    // What was being sent comes back for another time: there is none.
    await record(database.pool, sending!, later);
    expect(await advance(replayId)).toMatchObject({ state: 'CANCELLED', open: 0 });
    expect(await claim(replayId)).toEqual([]);
    expect(await readReplay(database.pool, replayId)).toMatchObject({
      deliveries: { ready: 0, sending: 0, delivered: 0, dead: 1 },
    });
    await expect(commandReplay(database.pool, replayId, 'resume', 'test')).rejects.toMatchObject({
      code: 'conflicting_state',
    });
  });

  it('does not take events that came after it', async () => {
    const { replayId, events } = await start({ from: '2999-01-01T00:00:00.000Z' });

    expect(events.total).toBe(0);
    expect(await advance(replayId)).toMatchObject({ state: 'COMPLETED' });
  });
});

describe('a dead letter', () => {
  it('is taken up again with a new budget, and holds up nothing that came after it', async () => {
    const orderId = await ordered('redriven', dead);
    const { data } = await listDeliveries(database.pool, { orderId, state: 'DEAD', limit: 10 });
    const first = data.find((one) => one.seq === 1)!;

    const redriven = await redriveDelivery(database.pool, first.deliveryId, 'test');

    expect(redriven).toMatchObject({
      takenUp: { aggregateId: orderId, replayId: null, groupId: null },
      delivery: { state: 'READY', errorCode: null, firstAttemptAt: null },
    });
    const [claimed] = await claimOf(database.pool, orderId);
    expect(claimed).toMatchObject({ deliveryId: first.deliveryId, attempt: 2 });
    await record(database.pool, claimed!, delivered);
    await expect(redriveDelivery(database.pool, first.deliveryId, 'test')).rejects.toMatchObject({
      code: 'conflicting_state',
    });
  });

  it('is found by a filter, and a letter that dies again is not taken up twice by one redrive', async () => {
    const orderId = await ordered('many', dead);
    await ordered('others', dead);
    const { redriveId, total } = await createRedrive(database.pool, {
      redriveId: randomUUID(),
      filter: { orderId, code: 'http_400' },
      actor: 'test',
    });
    expect(total).toBe(2);

    expect(await takeUpDeadLetters(database.pool, redriveId)).toEqual([
      { aggregateId: orderId, replayId: null, groupId: null },
      { aggregateId: orderId, replayId: null, groupId: null },
    ]);
    // In order among themselves.
    const [one] = await claimOf(database.pool, orderId);
    expect(one!.event.detail.seq).toBe(1);
    await record(database.pool, one!, dead);

    expect(await takeUpDeadLetters(database.pool, redriveId)).toEqual([]);
    expect(await readRedrive(database.pool, redriveId)).toMatchObject({
      state: 'COMPLETED',
      deliveries: { open: 1, delivered: 0, dead: 1 },
    });
    expect(await readDelivery(database.pool, one!.deliveryId)).toMatchObject({ state: 'DEAD' });
  });
});
