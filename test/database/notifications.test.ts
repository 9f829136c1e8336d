import {
  claimAttempts,
  countClaimants,
  declareAmbiguous,
  ownedSids,
  recordAccepted,
  recordAmbiguous,
  recordLookUp,
  type ClaimedAttempt,
} from '../../src/database/notification-attempts';
import { cancelNotification, resendNotification } from '../../src/database/notification-operations';
import {
  abandonAttempt,
  adopt,
  expireNotification,
  holdAttempt,
  markInWorkflow,
  moveAttempt,
  readNotification,
  recordAnswer,
  recordRejected,
  recordUnsent,
  resendLost,
  silentNotifications,
  suppressAttempt,
  unfinishedNotifications,
} from '../../src/database/notifications';
import { beginEnding, endOrder } from '../../src/database/order-endings';
import { applyEarlyReports, recordReport, type Reported } from '../../src/database/provider-reports';
import { readTimeline } from '../../src/database/timeline';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { AT, phoneHash, placeOne } from './place';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const SILENCE = { sms: 60_000, whatsapp: 60_000, voice: 60_000 };

const claim = (
  orderId: string,
  over: { claimedBy?: string; isCounted?: boolean; configured?: ReadonlySet<string> } = {},
) =>
  claimAttempts(database.pool, {
    orderIds: [orderId],
    claimedBy: 'me',
    forMs: 5_000,
    silenceMs: SILENCE,
    configured: new Set(['whatsapp', 'sms', 'voice']),
    isCounted: false,
    ...over,
  });

/** A new order whose confirmation is claimed. */
async function claimed(name: string, channels = ['whatsapp', 'sms']): Promise<ClaimedAttempt> {
  const [attempt] = await claim(await placeOne(database.pool, name, 'none', { channels }));
  return attempt!;
}

const accept = async (attempt: ClaimedAttempt, sid: string, status = 'queued') => {
  const call = { attemptId: attempt.attemptId, sid, status, latencyMs: 5 };
  return (await recordAccepted(database.pool, [call]))[0]!;
};

const report = (
  sid: string,
  status: string,
  over: { attemptId?: string; errorCode?: string } = {},
): Promise<Reported> =>
  recordReport(database.pool, {
    sid,
    status,
    attemptId: null,
    errorCode: null,
    answeredBy: null,
    ...over,
  });

interface AttemptRow {
  n: number;
  channel: string;
  state: string;
  outcome: string | null;
  error_code: string | null;
  message_sid: string | null;
  resolved_by: string | null;
  was_ambiguous: boolean;
}

async function attemptsOf(notificationId: string): Promise<AttemptRow[]> {
  const { rows } = await database.pool.query<AttemptRow>(
    `select n, channel, state, outcome, error_code, message_sid, resolved_by, was_ambiguous
     from aftercommit.notification_attempts where notification_id = $1 order by n`,
    [notificationId],
  );
  return rows;
}

async function notificationOf(
  notificationId: string,
): Promise<{ status: string; reason: string | null; skipped: object[] }> {
  const { rows } = await database.pool.query<{ status: string; reason: string | null; skipped: object[] }>(
    'select status, reason, skipped from aftercommit.notifications where notification_id = $1',
    [notificationId],
  );
  return rows[0]!;
}

describe('an attempt to tell a person', () => {
  it('is claimed by one of many senders, with what it needs', async () => {
    const orderId = await placeOne(database.pool, 'claim', 'none', { channels: ['whatsapp', 'sms'] });

    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, n) => claim(orderId, { claimedBy: `sender ${n}` })),
    );

    expect(claims.flat()).toMatchObject([
      {
        to: '+14155550100',
        template: 'order.confirmed',
        templateVersion: 1,
        channels: ['whatsapp', 'sms'],
        sends: 1,
        person: { country: 'US', known: {} },
        facts: { totalMinor: 2000, currency: 'EUR' },
      },
    ]);
  });

  it('knows of the event what the event has, and nothing else', async () => {
    const orderId = await placeOne(database.pool, 'facts', 'charge');
    const ending = { event: 'order.cancelled', status: 'CANCELLED', code: 'cancelled' } as const;
    await beginEnding(database.pool, { orderId, epoch: 1, at: AT, ending });
    await endOrder(database.pool, { orderId, epoch: 1, at: AT, ending });

    expect((await claim(orderId)).map(({ template, facts }) => ({ template, facts }))).toEqual([
      { template: 'order.cancelled', facts: {} },
    ]);
  });

  it('is not there while the order only was placed', async () => {
    expect(await claim(await placeOne(database.pool, 'placed', 'charge'))).toEqual([]);
  });

  it('is not there once the notification was cancelled', async () => {
    const attempt = await claimed('cancelled-first');
    await recordUnsent(database.pool, {
      attemptId: attempt.attemptId,
      claimedBy: 'me',
      sends: 1,
      retryInMs: 0,
      code: '20429',
    });
    await cancelNotification(database.pool, { notificationId: attempt.notificationId, actor: 'op' });

    expect(await claim(attempt.orderId)).toEqual([]);
  });

  it("knows the person's wishes and what is known of the number", async () => {
    const hash = phoneHash('+14155550101');
    await database.pool.query(
      `insert into aftercommit.customer_preferences (customer_id, channels, language, time_zone, quiet_hours)
       values ('cus_wishes', '{voice,sms}', 'de', 'Europe/Berlin', '{"from": "22:00", "until": "08:00"}')`,
    );
    await database.pool.query(
      `insert into aftercommit.recipients (phone_hash, channel, opted_out_at) values ($1, 'voice', now())`,
      [hash],
    );

    const orderId = await placeOne(database.pool, 'wishes', 'none', {
      phone: '+14155550101',
      customerId: 'cus_wishes',
    });

    expect(await claim(orderId)).toMatchObject([
      {
        channels: ['voice', 'sms'],
        person: {
          language: 'de',
          timeZone: 'Europe/Berlin',
          quietHours: { from: '22:00', until: '08:00' },
          known: { voice: { optedOut: true, lastInboundAt: null } },
        },
      },
    ]);
  });

  it('is not made for a person who wants none', async () => {
    await database.pool.query(
      `insert into aftercommit.customer_preferences (customer_id, channels) values ('cus_silent', '{}')`,
    );

    const orderId = await placeOne(database.pool, 'no-channel', 'none', { customerId: 'cus_silent' });

    const { rows } = await database.pool.query(
      'select status, reason from aftercommit.notifications where order_id = $1',
      [orderId],
    );
    expect(rows).toEqual([{ status: 'SUPPRESSED', reason: 'no_channel' }]);
    expect(await claim(orderId)).toEqual([]);
  });

  it('counts the messages of a number and day, each once', async () => {
    const phone = '+14155550102';
    const counts: (number | null)[] = [];
    for (const name of ['count-1', 'count-2']) {
      const orderId = await placeOne(database.pool, name, 'none', { phone });
      const [first] = await claim(orderId, { isCounted: true });
      counts.push(first!.person.messagesToday);
      const back = { attemptId: first!.attemptId, claimedBy: 'me', sends: 1, retryInMs: 0, code: '20429' };
      await recordUnsent(database.pool, back);
      const [again] = await claim(orderId, { isCounted: true });
      counts.push(again!.person.messagesToday);
    }

    expect(counts).toEqual([1, null, 2, null]);
  });

  it('goes to another channel only while it is claimed, and keeps what was passed over', async () => {
    const attempt = await claimed('moved');
    const move = {
      attemptId: attempt.attemptId,
      channel: 'sms',
      skipped: [{ channel: 'whatsapp', code: 'opted_out' }],
      silenceMs: 1,
    } as const;

    expect(await moveAttempt(database.pool, { ...move, claimedBy: 'somebody else' })).toBe(false);
    expect(await moveAttempt(database.pool, { ...move, claimedBy: 'me' })).toBe(true);

    expect(await attemptsOf(attempt.notificationId)).toMatchObject([{ channel: 'sms', state: 'SENDING' }]);
    expect((await notificationOf(attempt.notificationId)).skipped).toMatchObject([
      { channel: 'whatsapp', code: 'opted_out', at: expect.any(String) as unknown },
    ]);
  });
});

describe('a refusal for good', () => {
  it('leads to the next channel, and after the last one leaves the person unreached', async () => {
    const first = await claimed('refused');
    const refusal = { code: '21211', message: 'no such number', latencyMs: 5 };

    const settled = await recordRejected(database.pool, { attemptId: first.attemptId, ...refusal });
    const [second] = await claim(first.orderId);
    await recordRejected(database.pool, { attemptId: second!.attemptId, ...refusal });

    expect(settled).toMatchObject({ wake: true, fallback: { from: 'whatsapp', to: 'sms', reason: '21211' } });
    expect(second!.channels).toEqual(['sms']);
    expect(await notificationOf(first.notificationId)).toMatchObject({
      status: 'UNREACHED',
      reason: '21211',
    });
  });

  it('because the person opted out is remembered by the number', async () => {
    const attempt = await claimed('opted-out');
    await recordRejected(database.pool, {
      attemptId: attempt.attemptId,
      code: '21610',
      message: 'unsubscribed',
      latencyMs: 5,
    });

    const { rows } = await database.pool.query(
      `select channel, opt_out_source, opted_out_at is not null as opted_out from aftercommit.recipients where phone_hash = $1`,
      [phoneHash('+14155550100')],
    );
    expect(rows).toEqual([{ channel: 'whatsapp', opt_out_source: 'provider', opted_out: true }]);
    await database.pool.query('delete from aftercommit.recipients');
  });

  it('by our own rules ends the notification as suppressed, with every channel that was passed over', async () => {
    const attempt = await claimed('suppressed');
    const skipped = [{ channel: 'whatsapp', code: 'opted_out' }];

    await suppressAttempt(database.pool, { attemptId: attempt.attemptId, code: 'opted_out', skipped });

    expect(await notificationOf(attempt.notificationId)).toMatchObject({
      status: 'SUPPRESSED',
      reason: 'opted_out',
      skipped,
    });
  });
});

describe('reports of the provider', () => {
  it('end a notification as DELIVERED, whatever order they come in and however often', async () => {
    const attempt = await claimed('reordered');
    await accept(attempt, 'SM-reordered');

    for (const status of ['delivered', 'sent', 'queued', 'delivered']) await report('SM-reordered', status);

    expect(await notificationOf(attempt.notificationId)).toMatchObject({ status: 'DELIVERED', reason: null });
    const [row] = (
      await database.pool.query('select * from aftercommit.notification_attempts where message_sid = $1', [
        'SM-reordered',
      ])
    ).rows as { provider_status: string; outcome: string }[];
    expect(row).toMatchObject({ provider_status: 'delivered', outcome: 'delivered' });
  });

  it('of a failure lead to the next channel once, however many come at once', async () => {
    const attempt = await claimed('failed-often');
    await accept(attempt, 'SM-failed');

    const reports = await Promise.all(
      Array.from({ length: 10 }, () => report('SM-failed', 'undelivered', { errorCode: '63016' })),
    );

    expect(reports.filter(({ settled }) => settled !== null && settled.fallback !== null)).toHaveLength(1);
    expect(
      reports.filter(({ wake }) => wake?.notificationId === attempt.notificationId).length,
    ).toBeGreaterThanOrEqual(1);
    expect(await attemptsOf(attempt.notificationId)).toMatchObject([
      { n: 1, channel: 'whatsapp', outcome: 'failed', error_code: '63016' },
      { n: 2, channel: 'sms', state: 'READY' },
    ]);
  });

  it('that come before the answer bring the sid, and the answer changes nothing that they said', async () => {
    const attempt = await claimed('early');

    await report('SM-early', 'sent', { attemptId: attempt.attemptId });
    await accept(attempt, 'SM-early');

    const { rows } = await database.pool.query(
      `select state, message_sid, provider_status, was_ambiguous, latency_ms from aftercommit.notification_attempts
       where attempt_id = $1`,
      [attempt.attemptId],
    );
    expect(rows).toEqual([
      {
        state: 'ACCEPTED',
        message_sid: 'SM-early',
        provider_status: 'sent',
        was_ambiguous: false,
        latency_ms: 5,
      },
    ]);
  });

  it('settle an attempt whose answer was lost, and it is counted', async () => {
    const before = await claimed('callback-first');
    const after = await claimed('callback-second');
    const lost = { code: 'timeout', message: 'no answer', latencyMs: 10 };

    await report('SM-first', 'sent', { attemptId: before.attemptId });
    await recordAmbiguous(database.pool, { attemptId: before.attemptId, ...lost });
    await recordAmbiguous(database.pool, { attemptId: after.attemptId, ...lost });
    const { settled } = await report('SM-second', 'sent', { attemptId: after.attemptId });

    expect(settled?.resolved).toEqual({ channel: 'whatsapp', by: 'callback' });
    for (const { notificationId } of [before, after]) {
      expect(await attemptsOf(notificationId)).toMatchObject([
        { state: 'ACCEPTED', was_ambiguous: true, resolved_by: 'callback' },
      ]);
    }
  });

  it('of a word that nobody knows are kept and change nothing', async () => {
    const attempt = await claimed('teleported');
    await accept(attempt, 'SM-teleported');

    expect(await report('SM-teleported', 'teleported')).toMatchObject({ known: true, wake: null });

    const { rows } = await database.pool.query(
      `select c.status, a.provider_status from aftercommit.provider_callbacks c join aftercommit.notification_attempts a using (attempt_id)`,
    );
    expect(rows).toContainEqual({ status: 'teleported', provider_status: 'queued' });
  });

  it('of a message that nobody knows are kept for operators', async () => {
    expect(await report('SM-nobody', 'delivered')).toEqual({ known: false, wake: null, settled: null });

    const { rows } = await database.pool.query(
      `select status, attempt_id from aftercommit.provider_callbacks where message_sid = 'SM-nobody'`,
    );
    expect(rows).toEqual([{ status: 'delivered', attempt_id: null }]);
  });

  it('that come after the end lift it to DELIVERED, and what was not sent yet is not', async () => {
    const attempt = await claimed('late');
    await accept(attempt, 'SM-late');
    await recordAnswer(database.pool, { attemptId: attempt.attemptId, sid: 'SM-late', report: null });

    await report('SM-late', 'delivered');

    expect(await notificationOf(attempt.notificationId)).toMatchObject({ status: 'DELIVERED' });
    expect(await attemptsOf(attempt.notificationId)).toMatchObject([
      { channel: 'whatsapp', outcome: 'delivered' },
      { channel: 'sms', state: 'REJECTED', error_code: 'not_needed' },
    ]);
  });

  it('wake a workflow that works on the notification', async () => {
    const attempt = await claimed('in-workflow');
    await accept(attempt, 'SM-in-workflow');
    expect((await report('SM-in-workflow', 'sent')).wake).toBeNull();

    await markInWorkflow(database.pool, attempt.notificationId, true);

    expect((await report('SM-in-workflow', 'delivered')).wake).toMatchObject({
      notificationId: attempt.notificationId,
      orderId: attempt.orderId,
    });
  });
});

describe('an attempt without an outcome', () => {
  const lose = async (name: string): Promise<ClaimedAttempt> => {
    const attempt = await claimed(name);
    await declareAmbiguous(database.pool, attempt.attemptId);
    return attempt;
  };

  it('stays accepted whatever a lost sender reports later', async () => {
    const attempt = await lose('accepted');
    await accept(attempt, 'SM-accepted');

    await recordAmbiguous(database.pool, {
      attemptId: attempt.attemptId,
      code: 'timeout',
      message: 'no answer',
      latencyMs: null,
    });

    expect(await attemptsOf(attempt.notificationId)).toMatchObject([
      { state: 'ACCEPTED', resolved_by: 'late_answer', was_ambiguous: true },
    ]);
    expect(await unfinishedNotifications(database.pool, attempt.orderId)).toEqual([]);
  });

  it('is followed by one next attempt when nobody can find it, however often that is decided', async () => {
    const attempt = await lose('next');
    await recordLookUp(database.pool, attempt.attemptId, 0);

    await Promise.all([1, 2, 3].map(() => resendLost(database.pool, attempt.attemptId)));

    expect(await attemptsOf(attempt.notificationId)).toMatchObject([
      { n: 1, was_ambiguous: true, resolved_by: 'resend', error_code: 'not_found_at_provider' },
      { n: 2, was_ambiguous: false, state: 'READY', channel: 'whatsapp' },
    ]);
  });

  it('that was given up is accepted after all when its message shows up, and the resend is dropped', async () => {
    const attempt = await lose('shows-up');
    await resendLost(database.pool, attempt.attemptId);

    await report('SM-shows-up', 'sent', { attemptId: attempt.attemptId });

    expect(await attemptsOf(attempt.notificationId)).toMatchObject([
      { n: 1, state: 'ACCEPTED', message_sid: 'SM-shows-up', resolved_by: 'callback' },
      { n: 2, state: 'REJECTED', error_code: 'not_needed' },
    ]);
    expect((await readNotification(database.pool, attempt.notificationId))?.attempt).toMatchObject({
      attemptId: attempt.attemptId,
      state: 'ACCEPTED',
    });
  });

  it('gets the other message when the resend was given its own', async () => {
    const first = await lose('swapped');
    await resendLost(database.pool, first.attemptId);
    const [second] = await claim(first.orderId);
    await declareAmbiguous(database.pool, second!.attemptId);
    const found = { status: 'queued', errorCode: null };
    const adopted = await adopt(database.pool, {
      attemptId: second!.attemptId,
      sid: 'SM-of-first',
      by: 'look_up',
      report: found,
    });
    expect(adopted?.resolved).toEqual({ channel: 'whatsapp', by: 'look_up' });

    const { known } = await report('SM-of-second', 'sent', { attemptId: second!.attemptId });

    expect(known).toBe(true);
    expect(await ownedSids(database.pool, ['SM-of-first', 'SM-of-second', 'SM-other'])).toEqual(
      new Set(['SM-of-first', 'SM-of-second']),
    );
    expect(await attemptsOf(first.notificationId)).toMatchObject([
      { n: 1, message_sid: 'SM-of-second' },
      { n: 2, message_sid: 'SM-of-first' },
    ]);
  });

  it('takes no message that another attempt has, and says nothing of it', async () => {
    const owner = await claimed('owner');
    await accept(owner, 'SM-owned');
    const other = await claimed('accepted-already');
    await accept(other, 'SM-other-own');

    const settled = await adopt(database.pool, {
      attemptId: other.attemptId,
      sid: 'SM-owned',
      by: 'late_answer',
      report: { status: 'undelivered', errorCode: '30003' },
    });

    expect(settled?.resolved).toBeNull();
    expect(await attemptsOf(owner.notificationId)).toMatchObject([{ state: 'ACCEPTED', outcome: null }]);
  });

  it('that an operator is to decide about is parked, until a report settles it', async () => {
    const attempt = await lose('held');
    const parked = async (): Promise<object[]> =>
      (
        await database.pool.query<object>(
          'select reason, state from aftercommit.parked_steps where order_id = $1',
          [attempt.orderId],
        )
      ).rows;

    await holdAttempt(database.pool, attempt.attemptId, 'notify/x');
    expect(await parked()).toEqual([{ reason: 'message_outcome_unknown', state: 'OPEN' }]);
    await report('SM-held', 'sent', { attemptId: attempt.attemptId });

    expect(await parked()).toEqual([{ reason: 'message_outcome_unknown', state: 'RESOLVED' }]);
    expect(await attemptsOf(attempt.notificationId)).toMatchObject([{ state: 'ACCEPTED' }]);
  });

  it('is closed without another one when the notification has ended', async () => {
    const attempt = await lose('abandoned');
    await cancelNotification(database.pool, { notificationId: attempt.notificationId, actor: 'op' });
    expect(await unfinishedNotifications(database.pool, attempt.orderId)).toMatchObject([
      { notificationId: attempt.notificationId },
    ]);

    await abandonAttempt(database.pool, attempt.attemptId);

    expect(await attemptsOf(attempt.notificationId)).toMatchObject([{ resolved_by: 'abandoned' }]);
    expect(await unfinishedNotifications(database.pool, attempt.orderId)).toEqual([]);
  });
});

describe('silence', () => {
  it('is found once its time has come', async () => {
    const attempt = await claimed('silent');
    await accept(attempt, 'SM-silent');
    const ref = { notificationId: attempt.notificationId, orderId: attempt.orderId };
    const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
    const silentAt = (at: string) => silentNotifications(database.pool, { at, after: null, limit: 1_000 });

    expect(await silentAt(inMs(30_000))).not.toContainEqual(ref);
    expect(await silentAt(inMs(90_000))).toContainEqual(ref);
  });

  it('ends with what the provider says when it is asked', async () => {
    const attempt = await claimed('asked');
    await accept(attempt, 'SM-asked');
    const answer = { status: 'delivered', errorCode: null };

    await recordAnswer(database.pool, { attemptId: attempt.attemptId, sid: 'SM-asked', report: answer });

    expect(await notificationOf(attempt.notificationId)).toMatchObject({ status: 'DELIVERED' });
  });

  it('leads to the next channel, and after the last one leaves the person unreached', async () => {
    const attempt = await claimed('silence', ['sms']);
    await accept(attempt, 'SM-silence');
    const answer = { status: 'sent', errorCode: null };

    await recordAnswer(database.pool, { attemptId: attempt.attemptId, sid: 'SM-silence', report: answer });

    expect(await notificationOf(attempt.notificationId)).toMatchObject({
      status: 'UNREACHED',
      reason: 'silence',
    });
  });
});

describe('an operator', () => {
  const resend = (notificationId: string, channel: 'sms' | null = null) =>
    resendNotification(database.pool, { notificationId, channel, actor: 'op' });

  it('sends a notification again once, on the channel that was asked for', async () => {
    const attempt = await claimed('resent');
    await accept(attempt, 'SM-resent');
    expect(await resend(attempt.notificationId)).toBe('in_progress');
    await report('SM-resent', 'delivered');

    expect(
      await Promise.all([resend(attempt.notificationId, 'sms'), resend(attempt.notificationId)]),
    ).toEqual(expect.arrayContaining(['resent', 'in_progress']));

    const attempts = await attemptsOf(attempt.notificationId);
    expect(attempts.map(({ n, state }) => ({ n, state }))).toEqual([
      { n: 1, state: 'ACCEPTED' },
      { n: 2, state: 'READY' },
    ]);
  });

  it('gives a held attempt up by sending it again', async () => {
    const attempt = await claimed('held-resent');
    await declareAmbiguous(database.pool, attempt.attemptId);
    await holdAttempt(database.pool, attempt.attemptId, 'notify/x');

    expect(await resend(attempt.notificationId)).toBe('resent');

    expect(await attemptsOf(attempt.notificationId)).toMatchObject([
      { state: 'REJECTED', resolved_by: 'operator' },
      { state: 'READY', channel: 'whatsapp' },
    ]);
  });

  it('cannot tell a person who was erased', async () => {
    const attempt = await claimed('erased');
    await recordRejected(database.pool, {
      attemptId: attempt.attemptId,
      code: 'x',
      message: 'x',
      latencyMs: 1,
    });
    await cancelNotification(database.pool, { notificationId: attempt.notificationId, actor: 'op' });
    await database.pool.query('delete from aftercommit.order_contacts where order_id = $1', [
      attempt.orderId,
    ]);

    expect(await resend(attempt.notificationId)).toBe('no_contact');
  });

  it('cancels what has not ended, and nothing else', async () => {
    const attempt = await claimed('cancelled');
    const cancel = (notificationId: string) =>
      cancelNotification(database.pool, { notificationId, actor: 'op' });

    expect(await cancel(attempt.notificationId)).toBe('cancelled');
    expect(await cancel(attempt.notificationId)).toBe('ended');
    expect(await cancel('00000000-0000-4000-8000-000000000000')).toBe('unknown');
    expect(await notificationOf(attempt.notificationId)).toMatchObject({
      status: 'SUPPRESSED',
      reason: 'cancelled',
    });
  });
});

describe('what a review found', () => {
  const putBack = (attempt: ClaimedAttempt) =>
    recordUnsent(database.pool, {
      attemptId: attempt.attemptId,
      claimedBy: 'me',
      sends: attempt.sends,
      retryInMs: 0,
      code: '20429',
      message: 'too many',
      latencyMs: 1,
    });
  const cancel = ({ notificationId }: ClaimedAttempt) =>
    cancelNotification(database.pool, { notificationId, actor: 'op' });
  const resend = ({ notificationId }: ClaimedAttempt) =>
    resendNotification(database.pool, { notificationId, channel: null, actor: 'op' });
  const lost = { code: 'timeout', message: 'no answer', latencyMs: 1 };

  it('an attempt that comes back after a cancel is not sent beside the one of a resend', async () => {
    const attempt = await claimed('back-after-cancel');
    await cancel(attempt);
    await putBack(attempt);

    expect(await resend(attempt)).toBe('resent');

    expect((await claim(attempt.orderId)).map(({ sends }) => sends)).toEqual([1]);
    expect(await attemptsOf(attempt.notificationId)).toMatchObject([
      { n: 1, state: 'REJECTED', error_code: 'not_needed' },
      { n: 2, state: 'SENDING' },
    ]);
  });

  it('reports of what was told before a resend do not end the resend', async () => {
    const attempt = await claimed('told-twice', ['sms']);
    await accept(attempt, 'SM-told-1');
    await report('SM-told-1', 'delivered');
    await resend(attempt);

    await report('SM-told-1', 'delivered');
    await report('SM-told-1', 'read');
    const [again] = await claim(attempt.orderId);
    await accept(again!, 'SM-told-2');
    await report('SM-told-2', 'sent');

    expect(await notificationOf(attempt.notificationId)).toMatchObject({ status: 'PENDING' });
    await report('SM-told-2', 'undelivered', { errorCode: '30003' });
    expect(await notificationOf(attempt.notificationId)).toMatchObject({
      status: 'UNREACHED',
      reason: '30003',
    });
  });

  it('a resend lives as long as its template says, however old the notification is', async () => {
    const attempt = await claimed('lives', ['sms']);
    const livesFor = async (): Promise<number> => {
      const { rows } = await database.pool.query<{ hours: number }>(
        `select round(extract(epoch from expires_at - now()) / 3600)::int as hours from aftercommit.notifications
         where notification_id = $1`,
        [attempt.notificationId],
      );
      return rows[0]!.hours;
    };
    for (let times = 0; times < 3; times += 1) {
      await cancel(attempt);
      const [open] = await claim(attempt.orderId);
      expect(open).toBeUndefined();
      await recordRejected(database.pool, { attemptId: attempt.attemptId, ...lost });
      await resend(attempt);
      expect(await livesFor()).toBe(24);
    }
  });

  it('a message that was found stops what was to replace it', async () => {
    const first = await claimed('found-late', ['sms']);
    await recordAmbiguous(database.pool, { attemptId: first.attemptId, ...lost });
    await resendLost(database.pool, first.attemptId);
    const [second] = await claim(first.orderId);

    await report('SM-found-late', 'sent', { attemptId: first.attemptId });
    await putBack(second!);

    expect(await claim(first.orderId)).toEqual([]);
    expect(await readNotification(database.pool, first.notificationId)).toMatchObject({
      status: 'PENDING',
      attempt: { attemptId: first.attemptId },
    });
  });

  it('a message that was found late keeps the next channel from being tried again', async () => {
    const first = await claimed('found-later', ['whatsapp', 'sms']);
    await recordAmbiguous(database.pool, { attemptId: first.attemptId, ...lost });
    await resendLost(database.pool, first.attemptId);
    const [second] = await claim(first.orderId);
    await recordRejected(database.pool, { attemptId: second!.attemptId, ...lost });

    await report('SM-found-later', 'sent', { attemptId: first.attemptId });

    expect(await attemptsOf(first.notificationId)).toMatchObject([
      { n: 1, state: 'ACCEPTED' },
      { n: 2, state: 'REJECTED' },
      { n: 3, state: 'REJECTED', error_code: 'not_needed' },
    ]);
  });

  it('nobody has to decide about a held attempt once the person was reached', async () => {
    const first = await claimed('held-ended', ['whatsapp', 'voice']);
    await accept(first, 'SM-held-ended');
    await recordAnswer(database.pool, { attemptId: first.attemptId, sid: 'SM-held-ended', report: null });
    const [second] = await claim(first.orderId);
    await recordAmbiguous(database.pool, { attemptId: second!.attemptId, ...lost });
    await holdAttempt(database.pool, second!.attemptId, 'notify/x');

    await report('SM-held-ended', 'delivered');

    expect(await attemptsOf(first.notificationId)).toMatchObject([
      { outcome: 'delivered' },
      { state: 'REJECTED', resolved_by: 'abandoned' },
    ]);
    const { rows } = await database.pool.query(
      'select state from aftercommit.parked_steps where order_id = $1',
      [first.orderId],
    );
    expect(rows).toEqual([{ state: 'RESOLVED' }]);
  });

  it('a claim that was put back is not put back again while the next one is under way', async () => {
    const first = await claimed('repeated-back');
    await putBack(first);
    const [again] = await claim(first.orderId);

    await putBack(first);

    expect(again!.sends).toBe(2);
    expect(await attemptsOf(first.notificationId)).toMatchObject([{ state: 'SENDING' }]);
  });

  it('an answer that names a final status leaves it to the reports', async () => {
    const attempt = await claimed('failed-at-once', ['sms', 'voice']);
    await accept(attempt, 'SM-at-once', 'failed');

    await report('SM-at-once', 'failed', { errorCode: '30003' });

    expect(await attemptsOf(attempt.notificationId)).toMatchObject([
      { outcome: 'failed', error_code: '30003' },
      { channel: 'voice', state: 'READY' },
    ]);
  });

  it('reports that came before anybody knew the sid count once it is known', async () => {
    const attempt = await claimed('parked-reports', ['sms']);
    await report('SM-parked', 'sent');
    await report('SM-parked', 'delivered');

    const { hasEarlyReports } = await accept(attempt, 'SM-parked');
    await applyEarlyReports(database.pool, { attemptId: attempt.attemptId, sid: 'SM-parked' });

    expect(hasEarlyReports).toBe(true);
    expect(await notificationOf(attempt.notificationId)).toMatchObject({ status: 'DELIVERED' });
  });

  it('counts who else may have made a message of the same words', async () => {
    const [first, second] = [await claimed('rival-1', ['sms']), await claimed('rival-2', ['sms'])];
    await recordAmbiguous(database.pool, { attemptId: first.attemptId, ...lost });

    expect((await countClaimants(database.pool, first.attemptId, false)).rivals).toBeGreaterThanOrEqual(1);
    expect(await countClaimants(database.pool, first.attemptId, true)).toEqual({ rivals: 0, givenUp: 0 });
    await resendLost(database.pool, first.attemptId);
    const [again] = await claim(first.orderId);
    expect(await countClaimants(database.pool, again!.attemptId, true)).toEqual({ rivals: 0, givenUp: 1 });
    await accept(second, 'SM-rival-2');
  });

  it('tries no channel that has no sender', async () => {
    const orderId = await placeOne(database.pool, 'unconfigured', 'none', {
      channels: ['whatsapp', 'sms', 'voice'],
    });

    const [attempt] = await claim(orderId, { configured: new Set(['sms']) });

    expect(attempt!.channels).toEqual(['sms', 'voice']);
    expect(await attemptsOf(attempt!.notificationId)).toMatchObject([{ channel: 'sms' }]);
  });
});

it('expires what was not sent in time, and nothing that has ended', async () => {
  const attempt = await claimed('expired');
  await expireNotification(database.pool, attempt.notificationId);
  expect(await notificationOf(attempt.notificationId)).toMatchObject({ status: 'EXPIRED' });

  const delivered = await claimed('not-expired');
  await accept(delivered, 'SM-not-expired');
  await report('SM-not-expired', 'delivered');
  await expireNotification(database.pool, delivered.notificationId);
  expect(await notificationOf(delivered.notificationId)).toMatchObject({ status: 'DELIVERED' });
});

it('is told on the timeline with its reasons', async () => {
  const attempt = await claimed('timeline');
  await accept(attempt, 'SM-timeline');
  await report('SM-timeline', 'failed', { errorCode: '63016' });
  const [sms] = await claim(attempt.orderId);
  await accept(sms!, 'SM-timeline-2');
  await report('SM-timeline-2', 'delivered');

  const entries = await readTimeline(database.pool, attempt.orderId);

  const told = entries.filter(({ type }) => type.startsWith('notification.'));
  expect(told.map(({ type, summary }) => `${type}: ${summary}`)).toEqual([
    'notification.accepted: order.confirmed by whatsapp (SM-timeline)',
    "notification.failed: order.confirmed by whatsapp: 63016 (outside WhatsApp's 24-hour window)",
    'notification.accepted: order.confirmed by sms (SM-timeline-2)',
    'notification.delivered: order.confirmed by sms',
    'notification.ended: order.confirmed: DELIVERED',
  ]);
});
