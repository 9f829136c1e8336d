import {
  claimDeliveries,
  listDeliveries,
  nextDeliveryInMs,
  recordDelivery,
  routeEvents,
  type ClaimedDelivery,
  type DeliveryResult,
} from '../../src/database/deliveries';
import { listEvents } from '../../src/database/events';
import { settleOrder } from '../../src/database/orders';
import { putRule } from '../../src/database/rules';
import { putTarget } from '../../src/database/targets';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { AT, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  for (const name of ['one', 'two']) {
    await putTarget(database.pool, {
      name,
      kind: 'log',
      config: {},
      connection: null,
      retry: {},
      actor: 'test',
    });
  }
});
afterAll(() => database.drop());

const toBoth = () =>
  ['one', 'two'].map((targetName) => ({ ruleName: 'rule', targetName, transformer: null }));
const route = (orderId: string) => routeEvents(database.pool, { orderId, at: AT }, toBoth);
const claim = (orderId: string, claimedBy = 'me', sendForMs = 60_000) =>
  claimDeliveries(database.pool, { orderId, claimedBy, sendForMs });

const delivered: DeliveryResult = {
  result: 'delivered',
  status: 200,
  latencyMs: 1,
  code: null,
  message: null,
  retryInMs: null,
};
const dead: DeliveryResult = { ...delivered, result: 'dead', status: 400, code: 'http_400', message: 'no' };
const later: DeliveryResult = { ...dead, result: 'retry', retryInMs: 3_600_000 };
const record = (delivery: ClaimedDelivery, result: DeliveryResult, by = 'me') =>
  recordDelivery(database.pool, delivery, by, result);
const to = (claimed: ClaimedDelivery[], target: string) => claimed.find((one) => one.targetName === target)!;

/** An order with two events. */
async function twoEvents(name: string): Promise<string> {
  const orderId = await placeOne(database.pool, name, 'charge');
  await settleOrder(database.pool, { orderId, epoch: 1, at: AT });
  return orderId;
}

describe('routing', () => {
  it('freezes the deliveries of an event once, however many do it at once', async () => {
    const orderId = await placeOne(database.pool, 'once');

    const counts = await Promise.all([route(orderId), route(orderId), route(orderId)]);

    expect(counts.sort()).toEqual([0, 0, 1]);
    expect((await listDeliveries(database.pool, { orderId, limit: 10 })).data).toHaveLength(2);
  });

  it('calls an event that nobody wants published', async () => {
    const orderId = await placeOne(database.pool, 'unwanted');

    await routeEvents(database.pool, { orderId, at: AT }, () => []);

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
    expect(await nextDeliveryInMs(database.pool, orderId)).not.toBeNull();
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
    expect(await nextDeliveryInMs(database.pool, orderId)).toBeNull();
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
    await putRule(database.pool, { ...rule, state: 'ENABLED' });
    expect(await claim(orderId)).toHaveLength(2);
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
