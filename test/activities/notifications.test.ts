import { MockActivityEnvironment } from '@temporalio/testing';
import { createNotificationActivities } from '../../src/activities/notifications';
import { createRecords } from '../../src/activities/records';
import { sendAttempts, type NotificationDeps } from '../../src/activities/notification-sending';
import { createTemplateBook } from '../../src/activities/templates';
import type { Channel, FoundMessage } from '../../src/channels/channel';
import { DEFAULT_NOTIFICATION_WAITS as waits } from '../../src/domain/notifications';
import { placeOne } from '../database/place';
import { createTestDatabase, silentLog, type TestDatabase } from '../support/database';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** Accepts everything, and finds what the test says. */
function acceptingChannel(found: FoundMessage[] = []): { channel: Channel; sent: string[] } {
  const sent: string[] = [];
  return {
    sent,
    channel: {
      send: ({ attemptId }) => {
        sent.push(attemptId);
        return Promise.resolve({ kind: 'accepted', sid: `SM-${attemptId}`, status: 'queued', latencyMs: 1 });
      },
      find: () => Promise.resolve(found),
      read: () => Promise.resolve(null),
    },
  };
}

function depsOf(over: Partial<NotificationDeps>): NotificationDeps {
  return {
    pool: database.pool,
    records: createRecords(database.pool),
    channels: {},
    templates: createTemplateBook(database.pool),
    reachRules: {
      configured: new Set(['sms']),
      countries: null,
      dailyMax: null,
      timeZone: 'UTC',
      quietHours: null,
    },
    channelRates: {},
    waits,
    providerTimeoutMs: 1_000,
    silence: { watch: () => Promise.resolve() },
    log: silentLog,
    metrics: { notificationAttempt: () => undefined, notificationSettled: () => undefined },
    now: () => new Date(),
    ...over,
  };
}

const send = (deps: NotificationDeps, which: Parameters<typeof sendAttempts>[1]): Promise<void> =>
  new MockActivityEnvironment().run<[], void, () => Promise<void>>(() => sendAttempts(deps, which));

interface Row {
  state: string;
  error_code: string | null;
  wait_ms: number;
  attempt_id: string;
  notification_id: string;
}

async function attemptOf(orderId: string): Promise<Row> {
  const { rows } = await database.pool.query<Row>(
    `select attempt_id, notification_id, state, error_code, round(extract(epoch from next_attempt_at - now()) * 1000)::int as wait_ms
     from aftercommit.notification_attempts where order_id = $1`,
    [orderId],
  );
  return rows[0]!;
}

const placeNow = (name: string): Promise<string> =>
  placeOne(database.pool, name, 'none', { at: new Date().toISOString() });

describe('a first attempt', () => {
  it('that cannot be made for a mistake of ours is put back unsent, and holds up nothing', async () => {
    const { channel, sent } = acceptingChannel();
    const templates = { get: () => Promise.reject(new RangeError('no such version')) };
    const orderId = await placeNow('unmakeable');

    await send(depsOf({ channels: { sms: channel }, templates }), { orderIds: [orderId] });

    expect(sent).toEqual([]);
    expect(await attemptOf(orderId)).toMatchObject({ state: 'READY', error_code: 'internal_error' });
  });

  it('that was made is never put back, whatever happens after it', async () => {
    const { channel, sent } = acceptingChannel();
    const silence = { watch: () => Promise.reject(new TypeError('a mistake of ours')) };
    const orderId = await placeNow('made');

    await expect(
      send(depsOf({ channels: { sms: channel }, silence }), { orderIds: [orderId] }),
    ).rejects.toThrow('a mistake of ours');

    expect(sent).toHaveLength(1);
    expect(await attemptOf(orderId)).toMatchObject({ state: 'ACCEPTED' });
  });

  it("waits for its own share of the channel's rate, and takes none again", async () => {
    const { channel, sent } = acceptingChannel();
    const deps = depsOf({ channels: { sms: channel }, channelRates: { sms: 0.1 } });
    const orders = await Promise.all(['rate-1', 'rate-2', 'rate-3'].map(placeNow));

    for (const orderId of orders) await send(deps, { orderIds: [orderId] });
    const [first, second, third] = await Promise.all(orders.map(attemptOf));

    expect(sent).toEqual([first!.attempt_id]);
    expect(second).toMatchObject({ state: 'READY', error_code: 'rate_limited' });
    expect(third!.wait_ms - second!.wait_ms).toBeGreaterThan(9_000);
    await database.pool.query(
      'update aftercommit.notification_attempts set next_attempt_at = now() where attempt_id = $1',
      [third!.attempt_id],
    );
    await send(deps, { attemptId: third!.attempt_id });
    expect(sent).toEqual([first!.attempt_id, third!.attempt_id]);
  });
});

describe('an attempt without an outcome', () => {
  const lookUp = async (orderId: string, over: Partial<NotificationDeps>): Promise<Row> => {
    const { notification_id: notificationId } = await attemptOf(orderId);
    await database.pool.query(
      `update aftercommit.notification_attempts
       set state = 'AMBIGUOUS', was_ambiguous = true, message_sid = null, ambiguous_at = now() - interval '1 hour', started_at = now()
       where order_id = $1`,
      [orderId],
    );
    const successors = {
      delivery: () => Promise.resolve(),
      notification: () => Promise.resolve(),
      silence: () => Promise.resolve(),
      replay: () => Promise.resolve(),
      order: () => Promise.resolve(),
      group: () => Promise.resolve(),
    };
    const activities = createNotificationActivities({ ...depsOf(over), successors });
    await new MockActivityEnvironment().run(() => activities.continueNotification({ notificationId }));
    return attemptOf(orderId);
  };

  it('waits for a person when its channel has no sender any more', async () => {
    const orderId = await placeNow('no-sender');

    expect(await lookUp(orderId, { channels: {} })).toMatchObject({ state: 'HELD' });
  });

  it('parks what was doubled on the way', async () => {
    const orderId = await placeNow('doubled');
    const report = { status: 'sent', errorCode: null };
    const { channel } = acceptingChannel([
      { sid: 'SM-second', ...report },
      { sid: 'SM-first', ...report },
    ]);

    expect(await lookUp(orderId, { channels: { sms: channel } })).toMatchObject({ state: 'ACCEPTED' });

    const { rows } = await database.pool.query(
      'select step, reason from aftercommit.parked_steps where order_id = $1',
      [orderId],
    );
    expect(rows).toEqual([{ step: 'duplicate:SM-second', reason: 'message_doubled' }]);
  });
});
