import { randomUUID } from 'node:crypto';
import { cancelNotification } from '../../src/database/notification-operations';
import { holdAttempt } from '../../src/database/notifications';
import { readNotificationView } from '../../src/database/notification-views';
import { insertParked, listParked, parkStep, readParked, unparkStep } from '../../src/database/parked';
import { resolveParked, resolveParkedByFilter, type Verdict } from '../../src/database/parked-decisions';
import { transaction } from '../../src/database/transaction';
import { heldAttemptStep } from '../../src/domain/parked';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ambiguous } from './notification-fixtures';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const retry: Verdict = { decision: 'retry', reason: null, actor: 'ann' };
const skip: Verdict = { decision: 'skip', reason: 'paid by hand', actor: 'ann' };
const failIt: Verdict = { decision: 'fail', reason: 'the account is closed', actor: 'ann' };

interface Parked {
  orderId: string;
  step: string;
  parkedId: string;
}

/** A refund that waits; every one is of an order of its own unless one is named. */
async function park(reason = 'refund_refused', orderId = randomUUID()): Promise<Parked> {
  const step = `refund:${randomUUID()}`;
  const workflowId = step.replace(':', '/');
  const { parkedId } = await parkStep(database.pool, { orderId, step, reason, workflowId });
  return { orderId, step, parkedId };
}

const resolve = (parkedId: string, verdict: Verdict) => resolveParked(database.pool, parkedId, verdict);
const read = (parkedId: string) => readParked(database.pool, parkedId);
const auditOf = async (parkedId: string) => {
  const { rows } = await database.pool.query<object>(
    'select actor, action, detail from aftercommit.audit where subject = $1 order by id',
    [`parked/${parkedId}`],
  );
  return rows;
};

describe('parking a step', () => {
  it('is one row however often it is repeated, of the run that asked last', async () => {
    const orderId = randomUUID();
    const step = { orderId, step: 'pay:1', reason: 'first', workflowId: 'order/1' };

    const ids = await Promise.all(Array.from({ length: 10 }, () => parkStep(database.pool, step)));
    const last = await parkStep(database.pool, { ...step, reason: 'second', workflowId: 'refund/1' });

    expect(new Set([...ids, last].map(({ parkedId }) => parkedId)).size).toBe(1);
    expect(await read(last.parkedId)).toMatchObject({ reason: 'second', workflowId: 'refund/1' });
  });

  it('is one row also where nobody knows the order', async () => {
    const step = {
      orderId: null,
      step: `report:${randomUUID()}`,
      reason: 'unknown_payment',
      workflowId: null,
    };

    const ids = await Promise.all(Array.from({ length: 5 }, () => parkStep(database.pool, step)));
    await transaction(database.pool, (client) => insertParked(client, step));

    expect(new Set(ids.map(({ parkedId }) => parkedId)).size).toBe(1);
    expect((await listParked(database.pool, { step: step.step, limit: 10 })).data).toHaveLength(1);
  });

  it('brings back the decision that nobody has carried out', async () => {
    const { parkedId, orderId, step } = await park();
    await resolve(parkedId, skip);

    const again = await parkStep(database.pool, { orderId, step, reason: 'again', workflowId: 'refund/1' });

    expect(again).toEqual({ parkedId, decision: 'skip' });
  });

  it('begins anew once the decision was carried out', async () => {
    const { parkedId, orderId, step } = await park();
    await resolve(parkedId, retry);
    await unparkStep(database.pool, { orderId, step, parkedId, decision: 'retry' });

    const again = await parkStep(database.pool, { orderId, step, reason: 'again', workflowId: 'refund/1' });

    expect(again.decision).toBeNull();
    expect(again.parkedId).not.toBe(parkedId);
    // An activity that comes late closes its own parking only.
    await unparkStep(database.pool, { orderId, step, parkedId, decision: 'retry' });
    expect(await read(again.parkedId)).toMatchObject({ state: 'OPEN', decision: null });
  });

  it('ends with the decision of a signal by hand, which nobody stored', async () => {
    const { parkedId, orderId, step } = await park();

    await unparkStep(database.pool, { orderId, step, decision: 'skip' });

    expect(await read(parkedId)).toMatchObject({
      state: 'RESOLVED',
      decision: 'skip',
      decidedBy: null,
      decidedAt: expect.any(String) as string,
    });
  });
});

describe('deciding about a step', () => {
  it('is stored with who and why, and audited, and the step stays open until it is carried out', async () => {
    const { parkedId, orderId, step } = await park();

    const resolved = await resolve(parkedId, skip);

    expect(resolved).toMatchObject({
      attempt: null,
      step: { state: 'OPEN', decision: 'skip', decidedBy: 'ann', decisionReason: 'paid by hand' },
    });
    expect(await auditOf(parkedId)).toEqual([
      {
        actor: 'ann',
        action: 'parked.resolve',
        detail: { orderId, step, decision: 'skip', reason: 'paid by hand' },
      },
    ]);
    await unparkStep(database.pool, { orderId, step, parkedId, decision: 'skip' });
    expect(await read(parkedId)).toMatchObject({ state: 'RESOLVED', decidedBy: 'ann' });
  });

  it('is done once, by whoever comes first of many', async () => {
    const { parkedId } = await park();
    const verdicts: Verdict[] = ['ann', 'bob', 'cid', 'dan', 'eve'].flatMap((actor) => [
      { ...skip, actor },
      { ...retry, actor },
    ]);

    const results = await Promise.allSettled(verdicts.map((verdict) => resolve(parkedId, verdict)));

    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const { decision } = (await read(parkedId))!;
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'step_resolved', extensions: { decision } });
    }
    expect(await auditOf(parkedId)).toHaveLength(1);
  });

  it('may be repeated in the same words by the same person until it is carried out, and changes nothing', async () => {
    const { parkedId, orderId, step } = await park();
    const first = await resolve(parkedId, skip);

    expect(await resolve(parkedId, skip)).toEqual(first);
    for (const other of [retry, failIt, { ...skip, reason: 'another' }, { ...skip, actor: 'bob' }])
      await expect(resolve(parkedId, other)).rejects.toMatchObject({ code: 'step_resolved' });
    await unparkStep(database.pool, { orderId, step, parkedId, decision: 'skip' });
    await expect(resolve(parkedId, skip)).rejects.toMatchObject({
      code: 'step_resolved',
      extensions: { state: 'RESOLVED', decision: 'skip' },
    });
    expect(await auditOf(parkedId)).toHaveLength(1);
  });

  it('is over at once where nobody waits, and there is nothing to be tried again', async () => {
    const step = {
      orderId: null,
      step: `report:${randomUUID()}`,
      reason: 'unknown_payment',
      workflowId: null,
    };
    const { parkedId } = await parkStep(database.pool, step);

    await expect(resolve(parkedId, retry)).rejects.toMatchObject({ code: 'conflicting_state' });
    expect(await auditOf(parkedId)).toEqual([]);
    expect(await resolve(parkedId, skip)).toMatchObject({ step: { state: 'RESOLVED', decision: 'skip' } });
    await expect(resolve(parkedId, skip)).rejects.toMatchObject({ code: 'step_resolved' });
  });

  it('is refused for one that came to need none', async () => {
    const { parkedId, orderId, step } = await park();
    await unparkStep(database.pool, { orderId, step });

    await expect(resolve(parkedId, skip)).rejects.toMatchObject({
      code: 'step_resolved',
      extensions: { state: 'RESOLVED' },
    });
    expect(await read(parkedId)).toMatchObject({ decision: null, decidedBy: null });
  });

  it('of a step that there is not is nothing', async () => {
    expect(await resolve(randomUUID(), skip)).toBeNull();
  });
});

describe('a message whose outcome nobody knows', () => {
  async function held(name: string, channels: string[]) {
    const { attemptId, notificationId, orderId } = await ambiguous(database.pool, name, { channels });
    await holdAttempt(database.pool, attemptId, `notify/${notificationId}`);
    const { data } = await listParked(database.pool, { step: heldAttemptStep(attemptId), limit: 1 });
    return { notificationId, orderId, parkedId: data[0]!.parkedId };
  }
  const view = (notificationId: string) => readNotificationView(database.pool, notificationId);

  it('is sent once more on retry', async () => {
    const { notificationId, orderId, parkedId } = await held('retry', ['sms', 'voice']);

    const resolved = await resolve(parkedId, retry);

    expect(resolved).toMatchObject({
      step: { state: 'RESOLVED', decision: 'retry', decidedBy: 'ann' },
      attempt: { notification: { notificationId, orderId } },
    });
    expect(await view(notificationId)).toMatchObject({
      status: 'PENDING',
      attempts: [
        { state: 'REJECTED', resolvedBy: 'operator' },
        { state: 'READY', channel: 'sms' },
      ],
    });
  });

  it('is taken as told on skip, and nothing more is sent', async () => {
    const { notificationId, parkedId } = await held('skip', ['sms', 'voice']);

    const resolved = await resolve(parkedId, skip);

    expect(resolved?.attempt?.settled.ended).toEqual({ status: 'SUPPRESSED', reason: 'cancelled' });
    expect(await view(notificationId)).toMatchObject({
      status: 'SUPPRESSED',
      attempts: [{ state: 'REJECTED' }],
    });
  });

  it('is taken as not sent on fail, so that the next channel is tried', async () => {
    const { notificationId, parkedId } = await held('fail', ['sms', 'voice']);

    const resolved = await resolve(parkedId, failIt);

    expect(resolved?.attempt?.settled).toMatchObject({
      fallback: { from: 'sms', to: 'voice' },
      resolved: { channel: 'sms', by: 'operator' },
    });
    expect(await view(notificationId)).toMatchObject({
      status: 'PENDING',
      attempts: [{ state: 'REJECTED' }, { state: 'READY', channel: 'voice' }],
    });
  });

  it('ends unreached on fail when there is no other channel', async () => {
    const { notificationId, parkedId } = await held('fail last', ['sms']);

    await resolve(parkedId, failIt);

    expect(await view(notificationId)).toMatchObject({ status: 'UNREACHED' });
  });

  it('can be decided about in one place only', async () => {
    const { notificationId, parkedId } = await held('elsewhere', ['sms']);
    await cancelNotification(database.pool, { notificationId, actor: 'bob' });

    await expect(resolve(parkedId, retry)).rejects.toMatchObject({ code: 'step_resolved' });
  });

  it('stays undecided when nobody knows the number any more', async () => {
    const { orderId, parkedId } = await held('erased', ['sms']);
    await database.pool.query('delete from aftercommit.order_contacts where order_id = $1', [orderId]);

    await expect(resolve(parkedId, retry)).rejects.toMatchObject({ code: 'contact_erased' });

    expect(await read(parkedId)).toMatchObject({ state: 'OPEN', decision: null });
    expect(await auditOf(parkedId)).toEqual([]);
  });

  it('is decided about once, by a resend or a decision, never by both', async () => {
    const { notificationId, parkedId } = await held('race', ['sms']);

    const results = await Promise.allSettled([
      cancelNotification(database.pool, { notificationId, actor: 'bob' }),
      ...Array.from({ length: 5 }, () => resolve(parkedId, { ...skip, actor: 'ann' })),
    ]);

    expect(results[0]).toMatchObject({ status: 'fulfilled' });
    expect(await view(notificationId)).toMatchObject({ status: 'SUPPRESSED' });
    const { rows } = await database.pool.query(
      `select count(*)::int as n from aftercommit.audit where action = 'notification.cancel' and subject = $1`,
      [`notification/${notificationId}`],
    );
    expect(rows).toEqual([{ n: 1 }]);
  });
});

describe('finding and deciding about many', () => {
  it('lists by state, reason, order and the beginning of the name, page by page', async () => {
    const reason = 'listed_reason';
    const all = [await park(reason), await park(reason), await park(reason)];
    await resolve(all[0]!.parkedId, skip);
    await unparkStep(database.pool, all[0]!);

    const list = (filter: object) => listParked(database.pool, { reason, limit: 10, ...filter });
    const ids = async (filter: object) => (await list(filter)).data.map(({ parkedId }) => parkedId).sort();

    expect(await ids({})).toEqual(all.map(({ parkedId }) => parkedId).sort());
    expect(await ids({ state: 'RESOLVED' })).toEqual([all[0]!.parkedId]);
    expect(await ids({ orderId: all[1]!.orderId })).toEqual([all[1]!.parkedId]);
    expect(await ids({ step: all[2]!.step.slice(0, -3) })).toEqual([all[2]!.parkedId]);
    expect(await ids({ step: 'refund_' })).toEqual([]);
    expect(await ids({ olderThan: '2020-01-01T00:00:00Z' })).toEqual([]);
    const first = await list({ limit: 2 });
    const second = await list({ limit: 2, cursor: first.nextCursor! });
    expect([...first.data, ...second.data].map(({ parkedId }) => parkedId).sort()).toEqual(await ids({}));
  });

  it('decides about what a filter finds and nobody has decided yet', async () => {
    const reason = 'bulk_reason';
    const [taken, ...open] = [await park(reason), await park(reason), await park(reason)];
    const stranger = await park('another_reason');
    await resolve(taken.parkedId, { ...retry, actor: 'bob' });

    const result = await resolveParkedByFilter(database.pool, { reason }, failIt);

    expect(result).toMatchObject({ refused: [], remaining: 0 });
    expect(result.resolved.map(({ step }) => step.parkedId).sort()).toEqual(
      open.map(({ parkedId }) => parkedId).sort(),
    );
    expect(await read(taken.parkedId)).toMatchObject({ decision: 'retry', decidedBy: 'bob' });
    expect(await read(stranger.parkedId)).toMatchObject({ decision: null });
    // A repeat finds them again until they are carried out, so that their signals can be sent again.
    const again = await resolveParkedByFilter(database.pool, { reason }, failIt);
    expect(again.resolved).toHaveLength(2);
    for (const { parkedId } of open) expect(await auditOf(parkedId)).toHaveLength(1);
  });

  it('takes a bounded batch, oldest first, and says what remains', async () => {
    const reason = 'batch_reason';
    await database.pool.query(
      `insert into aftercommit.parked_steps (order_id, step, reason, workflow_id, created_at)
       select gen_random_uuid(), 'refund:' || n, $1, 'refund/' || n, now() - n * interval '1 second' from generate_series(1, 503) n`,
      [reason],
    );

    const first = await resolveParkedByFilter(database.pool, { reason }, skip);
    const second = await resolveParkedByFilter(database.pool, { reason, step: 'refund:1' }, skip);

    expect([first.resolved.length, first.remaining]).toEqual([500, 3]);
    expect(first.resolved[0]!.step.step).toBe('refund:503');
    expect(second.resolved[0]!.step.step).toBe('refund:1');
    expect((await resolveParkedByFilter(database.pool, { reason }, skip)).remaining).toBe(0);
  });

  it('leaves out what cannot be tried again, and tells of what is refused', async () => {
    const reason = 'message_outcome_unknown';
    const { attemptId, notificationId, orderId } = await ambiguous(database.pool, 'bulk erased');
    await holdAttempt(database.pool, attemptId, `notify/${notificationId}`);
    await database.pool.query('delete from aftercommit.order_contacts where order_id = $1', [orderId]);
    await parkStep(database.pool, { orderId, step: 'duplicate:SM1', reason, workflowId: null });

    const result = await resolveParkedByFilter(database.pool, { orderId }, retry);

    expect(result).toMatchObject({ resolved: [], refused: [{ code: 'contact_erased' }], remaining: 0 });
  });
});
