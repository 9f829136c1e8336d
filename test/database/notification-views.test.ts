import { eraseCustomer } from '../../src/database/customers';
import { createLagReader } from '../../src/database/lag';
import { countNotifications } from '../../src/database/notification-counts';
import { cancelNotification, resendNotification } from '../../src/database/notification-operations';
import {
  listNotifications,
  listUnknownCallbacks,
  readNotificationView,
  type NotificationFilter,
} from '../../src/database/notification-views';
import {
  abandonAttempt,
  adopt,
  expireNotification,
  holdAttempt,
  recordAnswer,
  recordRejected,
  resendLost,
  suppressAttempt,
} from '../../src/database/notifications';
import { recordAccepted } from '../../src/database/notification-attempts';
import type { Pool } from '../../src/database/pool';
import { recordReport } from '../../src/database/provider-reports';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { accepted, ambiguous, claimed, claimOf, sidOf } from './notification-fixtures';
import { phoneHash, placeOne } from './place';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  ({ pool } = database);
});
afterAll(() => database.drop());

const report = (sid: string, status: string, errorCode: string | null = null): Promise<unknown> =>
  recordReport(pool, { sid, attemptId: null, status, errorCode, answeredBy: null });

const found = async (filter: Partial<NotificationFilter>): Promise<string[]> => {
  const { data } = await listNotifications(pool, { limit: 200, ...filter });
  return data.map(({ notificationId }) => notificationId);
};

describe('the list of notifications', () => {
  const base = { customerId: 'cus_list', phone: '+14155550201' };
  const at = (day: number): string => `2026-03-0${day}T00:00:00.000Z`;
  let delivered: string;
  let held: string;
  let fallenBack: string;

  beforeAll(async () => {
    delivered = (await accepted(pool, 'list 1', sidOf(1), { ...base, at: at(1) })).notificationId;
    await report(sidOf(1), 'delivered');
    const lost = await ambiguous(pool, 'list 2', { ...base, at: at(2) });
    await holdAttempt(pool, lost.attemptId, 'notify/x');
    held = lost.notificationId;
    const order = {
      customerId: 'cus_list_2',
      phone: '+14155550202',
      channels: ['whatsapp', 'sms'],
      at: at(3),
    };
    fallenBack = (await accepted(pool, 'list 3', sidOf(3), order)).notificationId;
    await report(sidOf(3), 'failed', '63016');
  });

  it('is newest first, and finds by each filter what it names', async () => {
    const all = [fallenBack, held, delivered];
    const { orderId } = (await readNotificationView(pool, held))!;

    expect(await found({})).toEqual(all);
    expect(await found({ status: 'DELIVERED' })).toEqual([delivered]);
    expect(await found({ template: 'order.confirmed' })).toEqual(all);
    expect(await found({ template: 'order.cancelled' })).toEqual([]);
    expect(await found({ customerId: 'cus_list' })).toEqual([held, delivered]);
    expect(await found({ orderId })).toEqual([held]);
    expect(await found({ messageSid: sidOf(3) })).toEqual([fallenBack]);
    expect(await found({ attemptState: 'HELD' })).toEqual([held]);
    expect(await found({ channel: 'sms' })).toEqual(all);
    expect(await found({ channel: 'whatsapp' })).toEqual([fallenBack]);
    expect(await found({ wasAmbiguous: true })).toEqual([held]);
    expect(await found({ wasAmbiguous: false })).toEqual([fallenBack, delivered]);
    expect(await found({ from: at(2), to: at(3) })).toEqual([held]);
    expect(await found({ phoneHash: phoneHash('+14155550201') })).toEqual([held, delivered]);
    expect(await found({ phoneHash: phoneHash('+14155550209') })).toEqual([]);
  });

  it('asks all of one attempt that it asks of attempts', async () => {
    expect(await found({ channel: 'sms', messageSid: sidOf(3) })).toEqual([]);
    expect(await found({ channel: 'whatsapp', messageSid: sidOf(3) })).toEqual([fallenBack]);
  });

  it('comes page by page', async () => {
    const first = await listNotifications(pool, { limit: 2 });
    const second = await listNotifications(pool, { limit: 2, cursor: first.nextCursor! });

    expect(first.data.map(({ notificationId }) => notificationId)).toEqual([fallenBack, held]);
    expect(second.data.map(({ notificationId }) => notificationId)).toEqual([delivered]);
    expect(second.nextCursor).toBeNull();
  });

  it('tells each attempt with its times, and neither number nor hash', async () => {
    const view = await readNotificationView(pool, delivered);

    const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;
    expect(view).toEqual({
      notificationId: delivered,
      orderId: expect.any(String) as string,
      eventId: expect.any(String) as string,
      customerId: 'cus_list',
      template: 'order.confirmed',
      templateVersion: 1,
      language: null,
      channels: ['sms'],
      status: 'DELIVERED',
      reason: null,
      skipped: [],
      expiresAt: '2026-03-02T00:00:00.000Z',
      createdAt: '2026-03-01T00:00:00.000Z',
      updatedAt: TIME,
      endedAt: TIME,
      attempts: [
        {
          attemptId: expect.any(String) as string,
          n: 1,
          channel: 'sms',
          state: 'ACCEPTED',
          outcome: 'delivered',
          claims: 1,
          latencyMs: 12,
          acceptedMs: expect.any(Number) as number,
          outcomeMs: expect.any(Number) as number,
          messageSid: sidOf(1),
          providerStatus: 'delivered',
          answeredBy: null,
          errorCode: null,
          wasAmbiguous: false,
          resolvedBy: null,
          lookUps: 0,
          createdAt: '2026-03-01T00:00:00.000Z',
          nextAttemptAt: null,
          startedAt: TIME,
          lookedUpAt: null,
          acceptedAt: TIME,
          finishedAt: TIME,
          outcomeAt: TIME,
        },
      ],
    });
    const { acceptedAt, acceptedMs, createdAt } = view!.attempts[0]!;
    // The shown times are cut to milliseconds, the difference is rounded.
    expect(Math.abs(acceptedMs! - (Date.parse(acceptedAt!) - Date.parse(createdAt)))).toBeLessThanOrEqual(1);
    expect(JSON.stringify(view)).not.toMatch(new RegExp(`4155550201|${phoneHash('+14155550201')}`));
  });

  it('has the time of the next try while an attempt waits', async () => {
    const view = await readNotificationView(pool, fallenBack);

    expect(view!.attempts).toMatchObject([
      { n: 1, channel: 'whatsapp', outcome: 'failed', errorCode: '63016', nextAttemptAt: null },
      {
        n: 2,
        channel: 'sms',
        state: 'READY',
        claims: 0,
        nextAttemptAt: expect.stringMatching(/Z$/) as string,
      },
    ]);
  });

  it('does not have one that there is not', async () => {
    expect(await readNotificationView(pool, '00000000-0000-4000-8000-000000000001')).toBeNull();
  });
});

describe('reports on messages that nobody knows', () => {
  it('are listed page by page, also when they came in the same millisecond', async () => {
    for (let n = 0; n < 7; n += 1) await report(sidOf(0x500 + n), n % 2 === 0 ? 'sent' : 'delivered');
    await pool.query(
      `update aftercommit.provider_callbacks set received_at = '2026-04-01T00:00:00Z'::timestamptz + (random() * 900) * interval '1 microsecond'
       where attempt_id is null`,
    );

    const sids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listUnknownCallbacks(pool, { limit: 3, cursor });
      sids.push(...page.data.map(({ messageSid }) => messageSid));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);

    expect(sids.sort()).toEqual(Array.from({ length: 7 }, (_, n) => sidOf(0x500 + n)));
  });

  it('count how often they came', async () => {
    await report(sidOf(0x600), 'sent');
    await report(sidOf(0x600), 'sent');

    const { data } = await listUnknownCallbacks(pool, { limit: 1 });

    expect(data).toMatchObject([{ messageSid: sidOf(0x600), status: 'sent', received: 2, errorCode: null }]);
  });
});

describe('the counts', () => {
  const at = '2026-05-01T00:00:00.000Z';
  const day = { from: '2026-05-01T00:00:00.000Z', to: '2026-05-02T00:00:00.000Z' };
  let n = 0;
  const order = (channels: string[] = ['sms']): object => ({
    at,
    channels,
    phone: `+1415555${4000 + (n += 1)}`,
  });

  it('are empty for a time in which nothing was', async () => {
    const counts = await countNotifications(pool, {
      from: '2001-01-01T00:00:00Z',
      to: '2001-02-01T00:00:00Z',
    });

    expect(counts.notifications).toMatchObject({ total: 0, pending: 0, delivered: 0 });
    expect(counts).toMatchObject({ suppressed: [], unreached: [], channels: [], fallbacks: [], skipped: [] });
    expect(counts.ambiguous.total).toBe(0);
  });

  it('say of each notification once what became of it, and of each ambiguous attempt how it was resolved', async () => {
    const sid = (k: number): string => sidOf(0x1000 + k);
    const NO_REPORT = { status: 'queued', errorCode: null };
    // Delivered, at once and after a fallback.
    await accepted(pool, 'count delivered', sid(1), order());
    await report(sid(1), 'delivered');
    const fallback = await accepted(pool, 'count fallback', sid(2), order(['whatsapp', 'sms']));
    await report(sid(2), 'undelivered', '63016');
    const [second] = await claimOf(pool, fallback.orderId);
    await recordAccepted(pool, [
      {
        attemptId: second!.attemptId,
        sid: sid(3),
        status: 'queued',
        latencyMs: 1,
      },
    ]);
    await report(sid(3), 'delivered');
    // Silent on the first channel, refused on the second.
    const silent = await accepted(pool, 'count silent', sid(4), order(['whatsapp', 'sms']));
    await recordAnswer(pool, { attemptId: silent.attemptId, sid: sid(4), report: null });
    const [refused] = await claimOf(pool, silent.orderId);
    await recordRejected(pool, { attemptId: refused!.attemptId, code: '21211', message: 'no', latencyMs: 1 });
    // Ambiguous, in every way.
    const byCallback = await ambiguous(pool, 'count callback', order());
    await recordReport(pool, {
      sid: sid(5),
      attemptId: byCallback.attemptId,
      status: 'sent',
      errorCode: null,
      answeredBy: null,
    });
    const byLookUp = await ambiguous(pool, 'count look-up', order());
    await adopt(pool, { attemptId: byLookUp.attemptId, sid: sid(6), by: 'look_up', report: NO_REPORT });
    const byAnswer = await ambiguous(pool, 'count answer', order());
    await recordAccepted(pool, [
      {
        attemptId: byAnswer.attemptId,
        sid: sid(7),
        status: 'queued',
        latencyMs: 1,
      },
    ]);
    const resent = await ambiguous(pool, 'count resend', order());
    await resendLost(pool, resent.attemptId);
    const byOperator = await ambiguous(pool, 'count operator', order());
    await holdAttempt(pool, byOperator.attemptId, 'notify/x');
    await resendNotification(pool, { notificationId: byOperator.notificationId, channel: null, actor: 'me' });
    const abandoned = await ambiguous(pool, 'count abandoned', order());
    await cancelNotification(pool, { notificationId: abandoned.notificationId, actor: 'me' });
    await abandonAttempt(pool, abandoned.attemptId);
    const held = await ambiguous(pool, 'count held', order());
    await holdAttempt(pool, held.attemptId, 'notify/y');
    await ambiguous(pool, 'count open', order());
    // Nothing was sent.
    const suppressed = await claimed(pool, 'count suppressed', order());
    await suppressAttempt(pool, {
      attemptId: suppressed.attemptId,
      code: 'opted_out',
      skipped: [{ channel: 'sms', code: 'opted_out' }],
    });
    const orderId = await placeOne(pool, 'count expired', 'none', order());
    const [expired] = (await listNotifications(pool, { orderId, limit: 1 })).data;
    await expireNotification(pool, expired!.notificationId);
    // Of another day.
    await accepted(pool, 'count tomorrow', sid(9), { ...order(), at: day.to });

    expect(await countNotifications(pool, day)).toEqual({
      notifications: { total: 13, pending: 7, delivered: 2, unreached: 1, suppressed: 2, expired: 1 },
      suppressed: [
        { reason: 'cancelled', count: 1 },
        { reason: 'opted_out', count: 1 },
      ],
      unreached: [{ reason: '21211', count: 1 }],
      channels: [
        {
          channel: 'sms',
          attempts: 15,
          accepted: 5,
          delivered: 2,
          failed: 0,
          silent: 0,
          rejected: 1,
          ambiguous: 8,
        },
        {
          channel: 'whatsapp',
          attempts: 2,
          accepted: 2,
          delivered: 0,
          failed: 1,
          silent: 1,
          rejected: 0,
          ambiguous: 0,
        },
      ],
      fallbacks: [
        { from: 'whatsapp', to: 'sms', reason: '63016', count: 1 },
        { from: 'whatsapp', to: 'sms', reason: 'silence', count: 1 },
      ],
      ambiguous: {
        total: 8,
        callback: 1,
        lookUp: 1,
        lateAnswer: 1,
        resend: 1,
        operator: 1,
        abandoned: 1,
        held: 1,
        open: 1,
      },
      skipped: [{ channel: 'sms', code: 'opted_out', count: 1 }],
    });
  });
});

describe('the figures for alerts', () => {
  it('have held attempts, parked reports and the age of what is pending', async () => {
    const lag = await createLagReader(pool).current();
    const { rows } = await pool.query<{ held: number; parked: number; pending: number; oldest: number }>(
      `select (select count(*)::int from aftercommit.notification_attempts where state = 'HELD') as held,
              (select count(*)::int from aftercommit.provider_callbacks where attempt_id is null) as parked,
              count(*)::int as pending, extract(epoch from now() - min(created_at))::float as oldest
       from aftercommit.notifications where status = 'PENDING'`,
    );

    expect(lag.heldAttempts).toBe(2);
    expect(lag).toMatchObject({
      heldAttempts: rows[0]!.held,
      parkedCallbacks: rows[0]!.parked,
      pendingNotifications: { count: rows[0]!.pending },
    });
    expect(lag.pendingNotifications.oldestSeconds).toBeCloseTo(rows[0]!.oldest, -1);
  });
});

describe('what an operator decides', () => {
  it('is refused for a person who was erased', async () => {
    const { notificationId } = await accepted(pool, 'resend erased', sidOf(0x2000), {
      customerId: 'cus_gone',
      phone: '+14155550299',
    });
    await report(sidOf(0x2000), 'delivered');
    await eraseCustomer(pool, { customerId: 'cus_gone', actor: 'me' });

    expect(await resendNotification(pool, { notificationId, channel: null, actor: 'me' })).toBe('no_contact');
  });
});
