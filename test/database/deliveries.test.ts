import {
  nextDeliveryInMs,
  postponeDeliveries,
  type ClaimedDelivery,
  type DeliveryResult,
} from '../../src/database/deliveries';
import { listDeliveries } from '../../src/database/delivery-views';
import { listEvents } from '../../src/database/events';
import { routeEvents } from '../../src/database/routing';
import { putRule } from '../../src/database/rules';
import { disableTarget, readTarget, setTargetState } from '../../src/database/targets';
import { takeShare } from '../../src/database/target-rates';
import { createTestDatabase, type TestDatabase } from '../support/database';
import {
  claimOf,
  dead,
  delivered,
  later,
  logTargets,
  record as recordOne,
  twoEvents as twoEventsIn,
} from './bus-fixtures';
import { AT, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await logTargets(database.pool, ['one', 'two']);
});
afterAll(() => database.drop());

const toBoth = () =>
  ['one', 'two'].map((targetName) => ({ ruleName: 'rule', targetName, transformer: null }));
const route = (aggregateId: string) =>
  routeEvents(database.pool, { aggregateIds: [aggregateId], at: AT }, toBoth);
const claim = (aggregateId: string, claimedBy = 'me', sendForMs = 60_000) =>
  claimOf(database.pool, aggregateId, claimedBy, sendForMs);
const record = (delivery: ClaimedDelivery, result: DeliveryResult, by = 'me') =>
  recordOne(database.pool, delivery, result, by);
const to = (claimed: ClaimedDelivery[], target: string) => claimed.find((one) => one.targetName === target)!;
const twoEvents = (name: string) => twoEventsIn(database.pool, name);
const nextInMs = (aggregateId: string) => nextDeliveryInMs(database.pool, { aggregateId });

describe('routing', () => {
  it('freezes the deliveries of an event once, however many do it at once', async () => {
    const orderId = await placeOne(database.pool, 'once');

    const counts = await Promise.all([route(orderId), route(orderId), route(orderId)]);

    expect(counts.sort()).toEqual([0, 0, 1]);
    expect((await listDeliveries(database.pool, { orderId, limit: 10 })).data).toHaveLength(2);
  });

  it('calls an event that nobody wants published', async () => {
    const orderId = await placeOne(database.pool, 'unwanted');

    await routeEvents(database.pool, { aggregateIds: [orderId], at: AT }, () => []);

    expect((await listEvents(database.pool, { orderId, limit: 10 })).data).toMatchObject([
      { status: 'PUBLISHED' },
    ]);
  });
});

describe('claiming', () => {
  it('gives each delivery to one of many senders', async () => {
    const orderId = await placeOne(database.pool, 'senders');
    await route(orderId);

    const claims = await Promise.all(Array.from({ length: 10 }, (_, n) => claim(orderId, `sender ${n}`)));

    expect(
      claims
        .flat()
        .map((one) => one.targetName)
        .sort(),
    ).toEqual(['one', 'two']);
  });

  it('holds a later event back until the earlier one is done, for that target only', async () => {
    const orderId = await twoEvents('ordered');
    await route(orderId);
    const first = await claim(orderId);
    expect(first.map((one) => one.event.detail.seq)).toEqual([1, 1]);
    expect(await claim(orderId, 'another')).toEqual([]);

    await record(to(first, 'one'), delivered);
    await record(to(first, 'two'), later);

    const second = await claim(orderId, 'another');
    expect(second.map((one) => [one.targetName, one.event.detail.seq])).toEqual([['one', 2]]);
    expect(await nextInMs(orderId)).not.toBeNull();
  });

  it('lets the next event go when the one before is a dead letter', async () => {
    const orderId = await twoEvents('dead');
    await route(orderId);
    for (const one of await claim(orderId)) await record(one, dead);

    for (const one of await claim(orderId)) await record(one, delivered);

    const { data } = await listEvents(database.pool, { orderId, limit: 10 });
    expect(data.map((event) => [event.detail.seq, event.status]).sort()).toEqual([
      [1, 'DEAD'],
      [2, 'PUBLISHED'],
    ]);
    expect(await nextInMs(orderId)).toBeNull();
  });

  it('takes over what a sender left once its time is up, and shows the attempt that vanished', async () => {
    const orderId = await placeOne(database.pool, 'vanished');
    await route(orderId);
    await claim(orderId, 'killed', 0);

    const again = await claim(orderId, 'next');

    expect(again.map((one) => one.attempt)).toEqual([2, 2]);
    const { data } = await listDeliveries(database.pool, { orderId, target: 'one', limit: 10 });
    expect(data[0]!.attempts).toMatchObject([
      { n: 1, result: null },
      { n: 2, result: null },
    ]);
  });

  it('lets a later attempt of the same activity take over at once what its earlier one left', async () => {
    const orderId = await placeOne(database.pool, 'own');
    await route(orderId);
    await claim(orderId, 'activity 1');

    expect(await claim(orderId, 'activity 2')).toEqual([]);
    expect(await claim(orderId, 'activity 1')).toHaveLength(2);
  });

  it('leaves a paused rule alone', async () => {
    const rule = { name: 'rule', description: null, pattern: { source: ['x'] }, targets: [], actor: 'test' };
    await putRule(database.pool, { ...rule, state: 'PAUSED' });
    const orderId = await placeOne(database.pool, 'paused');
    await route(orderId);

    expect(await claim(orderId)).toEqual([]);
    expect(await nextInMs(orderId)).toBeNull();
    await putRule(database.pool, { ...rule, state: 'ENABLED' });
    expect(await claim(orderId)).toHaveLength(2);
  });

  it('leaves a paused target alone, and no other', async () => {
    const orderId = await placeOne(database.pool, 'paused target');
    await route(orderId);
    await setTargetState(database.pool, { name: 'one', state: 'PAUSED', actor: 'test' });

    const claimed = await claim(orderId);
    await setTargetState(database.pool, { name: 'one', state: 'ENABLED', actor: 'test' });

    expect(claimed.map((one) => one.targetName)).toEqual(['two']);
    expect((await claim(orderId, 'another')).map((one) => one.targetName)).toEqual(['one']);
  });

  it('gives back what its target had no rate left for, as if it had not been claimed', async () => {
    const orderId = await placeOne(database.pool, 'postponed');
    await route(orderId);
    const claimed = await claim(orderId);

    await postponeDeliveries(database.pool, 'me', claimed, 0);

    const again = await claim(orderId);
    expect(again.map((one) => one.attempt)).toEqual([1, 1]);
    const { data } = await listDeliveries(database.pool, { orderId, limit: 10 });
    expect(data.map((one) => one.attempts.length)).toEqual([1, 1]);
  });
});

describe('a rate', () => {
  it('is shared by all who take of it, and refuses what would begin too late', async () => {
    const take = () => takeShare(database.pool, { name: 'slow', perSecond: 2, sends: 1, waitMsMax: 1_000 });

    const waits = await Promise.all([take(), take(), take(), take(), take()]);

    const taken = waits.filter((wait) => wait !== null).sort((a, b) => a - b);
    // One now, one in half a second, one in a second at most: the fourth would begin later than a second from now.
    expect(taken.length).toBeGreaterThanOrEqual(2);
    expect(taken.length).toBeLessThanOrEqual(3);
    expect(taken[0]).toBe(0);
    expect(taken[1]).toBeGreaterThan(300);
    expect(waits).toContain(null);
  });
});

describe('a target that is gone', () => {
  it('is disabled once, and an event tells of it', async () => {
    await logTargets(database.pool, ['gone']);
    const gone = { target: 'gone', rule: 'rule', code: 'endpoint_gone' };

    await Promise.all([disableTarget(database.pool, gone), disableTarget(database.pool, gone)]);

    expect(await readTarget(database.pool, 'gone')).toMatchObject({ state: 'DISABLED' });
    const { data } = await listEvents(database.pool, { subject: 'target/gone', limit: 10 });
    expect(data).toMatchObject([
      {
        source: 'aftercommit',
        'detail-type': 'target.disabled',
        detail: { ...gone, seq: 1, subject: 'target/gone' },
      },
    ]);
  });
});

describe('recording', () => {
  it('counts the late success of a sender that lost its claim, and never its late failure', async () => {
    const orderId = await placeOne(database.pool, 'zombie');
    await route(orderId);
    const [lost] = await claim(orderId, 'zombie', 0);
    const [taken] = (await claim(orderId, 'next')).filter((one) => one.targetName === lost!.targetName);

    await record(lost!, dead, 'zombie');
    expect(await state(lost!.deliveryId, orderId)).toBe('SENDING');
    await record(lost!, delivered, 'zombie');
    await record(taken!, dead, 'next');

    expect(await state(lost!.deliveryId, orderId)).toBe('DELIVERED');
  });

  async function state(deliveryId: string, orderId: string): Promise<string | undefined> {
    const { data } = await listDeliveries(database.pool, { orderId, limit: 10 });
    return data.find((one) => one.deliveryId === deliveryId)?.state;
  }
});
