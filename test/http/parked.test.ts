import { createHash, randomUUID } from 'node:crypto';
import { holdAttempt } from '../../src/database/notifications';
import { listParked, parkStep, unparkStep } from '../../src/database/parked';
import { heldAttemptStep } from '../../src/domain/parked';
import { ambiguous } from '../database/notification-fixtures';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { stubTemporal, type TemporalStub } from './temporal-stub';
import { ask, rowCounts, startTestApp, type Answer, type TestApp } from './test-app';

const KEYS = { reader: 'orders:read', writer: 'orders:write', ann: 'operate', bob: 'operate' };

interface Signal {
  workflowId: string;
  args: unknown[];
  signal: { name: string };
  signalArgs?: unknown[];
}

let database: TestDatabase;
let temporal: TemporalStub;
let app: TestApp;
let signals: Signal[];

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  temporal = stubTemporal(database.pool);
  signals = [];
  const { workflow } = temporal.client as unknown as {
    workflow: { signalWithStart: (type: string, options: Signal) => Promise<void> };
  };
  const acknowledge = workflow.signalWithStart;
  workflow.signalWithStart = (type, options) => {
    signals.push(options);
    return acknowledge(type, options);
  };
  const keys = Object.entries(KEYS).map(([caller, scope]) => ({
    caller,
    sha256: createHash('sha256').update(caller).digest('hex'),
    scopes: [scope],
  }));
  app = await startTestApp(database.pool, temporal.client, { access: { keys, rateLimit: null } });
});
afterEach(() => app.close());
afterAll(() => database.drop());

const as = (caller: string, method: string, path: string, body?: unknown): Promise<Answer> =>
  ask(app, method, path, {
    ...(body === undefined ? {} : { body }),
    headers: { Authorization: `Bearer ${caller}` },
  });
const resolve = (parkedId: string, body: unknown, caller = 'ann'): Promise<Answer> =>
  as(caller, 'POST', `/v1/parked/${parkedId}/resolve`, body);
const resolveMany = (body: unknown, caller = 'ann'): Promise<Answer> =>
  as(caller, 'POST', '/v1/parked/resolve', body);
const signalled = () =>
  signals.map(({ workflowId, args, signal, signalArgs }) => [workflowId, args, signal.name, signalArgs]);

interface Parked {
  orderId: string;
  refundId: string;
  step: string;
  parkedId: string;
}

/** A refund that waits; `inOrder`: as part of its order's undo. */
async function park(reason = 'refund_refused', inOrder = false): Promise<Parked> {
  const [orderId, refundId] = [randomUUID(), randomUUID()];
  const step = `refund:${refundId}`;
  const workflowId = inOrder ? `order/${orderId}` : `refund/${refundId}`;
  const { parkedId } = await parkStep(database.pool, { orderId, step, reason, workflowId });
  return { orderId, refundId, step, parkedId };
}

describe('deciding about a parked step', () => {
  it('stores it with its actor, and tells the workflow that waits', async () => {
    const { parkedId, orderId, refundId, step } = await park();

    const answer = await resolve(parkedId.toUpperCase(), {
      decision: 'skip',
      reason: 'paid by bank transfer',
    });

    expect(answer).toMatchObject({
      status: 200,
      body: {
        parkedId,
        orderId,
        step,
        reason: 'refund_refused',
        state: 'OPEN',
        decision: 'skip',
        decidedBy: 'ann',
        decisionReason: 'paid by bank transfer',
      },
    });
    expect(signalled()).toEqual([
      [
        `refund/${refundId}`,
        [{ orderId, refundId }],
        'parkedStepResolved',
        [{ step, decision: 'skip', parkedId }],
      ],
    ]);
    expect((await as('ann', 'GET', `/v1/parked/${parkedId}`)).body).toEqual(answer.body);
  });

  it("tells the order's run where the step is part of its undo", async () => {
    const { parkedId, orderId, step } = await park('refund_refused', true);

    expect((await resolve(parkedId, { decision: 'retry' })).status).toBe(200);

    expect(signalled()).toEqual([
      [`order/${orderId}`, [{ orderId }], 'parkedStepResolved', [{ step, decision: 'retry', parkedId }]],
    ]);
  });

  it('is done once: whoever comes second gets the first decision', async () => {
    const { parkedId } = await park();
    await resolve(parkedId, { decision: 'retry' });
    const before = await rowCounts(database.pool);

    const second = await resolve(parkedId, { decision: 'fail', reason: 'no' });
    const third = await resolve(parkedId, { decision: 'retry' }, 'bob');

    for (const answer of [second, third])
      expect(answer.body).toMatchObject({ status: 409, code: 'step_resolved', decision: 'retry' });
    expect(signals).toHaveLength(1);
    expect(await rowCounts(database.pool)).toEqual(before);
  });

  it('stands when Temporal does not acknowledge it; a repeat tells it again, and it is decided once', async () => {
    const { parkedId, step, orderId } = await park();
    const body = { decision: 'fail', reason: 'the account is closed' };
    temporal.behaviour.start = 'lost';
    expect(await resolve(parkedId, body)).toMatchObject({
      status: 503,
      body: { code: 'temporal_unavailable' },
    });
    temporal.behaviour.start = 'acknowledge';

    const repeat = await resolve(parkedId, body);

    expect(repeat).toMatchObject({ status: 200, body: { decision: 'fail' } });
    expect(signals[1]).toEqual(signals[0]);
    const { rows } = await database.pool.query('select 1 from aftercommit.audit where subject = $1', [
      `parked/${parkedId}`,
    ]);
    expect(rows).toHaveLength(1);
    await unparkStep(database.pool, { orderId, step, parkedId, decision: 'fail' });
    expect((await resolve(parkedId, body)).body).toMatchObject({ code: 'step_resolved', state: 'RESOLVED' });
    expect(signals).toHaveLength(2);
  });

  it('is not begun while Temporal is known to be down', async () => {
    const { parkedId } = await park();
    app.health.temporal = false;

    expect((await resolve(parkedId, { decision: 'retry' })).status).toBe(503);

    expect((await as('ann', 'GET', `/v1/parked/${parkedId}`)).body).toMatchObject({ decision: null });
  });

  it('is all, where nobody waits', async () => {
    const step = {
      orderId: null,
      step: `report:${randomUUID()}`,
      reason: 'unknown_payment',
      workflowId: null,
    };
    const { parkedId } = await parkStep(database.pool, step);
    app.health.temporal = false;

    expect((await resolve(parkedId, { decision: 'retry' })).body).toMatchObject({
      code: 'conflicting_state',
    });
    expect(await resolve(parkedId, { decision: 'skip', reason: 'a test of the gateway' })).toMatchObject({
      status: 200,
      body: { state: 'RESOLVED', orderId: null, workflowId: null },
    });
    expect(signals).toEqual([]);
  });

  it.each(['is known to be down', 'is lost meanwhile'])(
    'about a message stands when Temporal %s: reconciliation finds what is to be sent',
    async (how) => {
      const { attemptId, notificationId } = await ambiguous(database.pool, how);
      await holdAttempt(database.pool, attemptId, `notify/${notificationId}`);
      const { data } = await listParked(database.pool, { step: heldAttemptStep(attemptId), limit: 1 });
      if (how === 'is lost meanwhile') temporal.behaviour.start = 'lost';
      else app.health.temporal = false;

      const answer = await resolve(data[0]!.parkedId, { decision: 'retry' });

      expect(answer).toMatchObject({ status: 200, body: { state: 'RESOLVED', decision: 'retry' } });
    },
  );

  it('about a message wakes its own workflow', async () => {
    const { attemptId, notificationId } = await ambiguous(database.pool, 'woken');
    await holdAttempt(database.pool, attemptId, `notify/${notificationId}`);
    const { data } = await listParked(database.pool, { step: heldAttemptStep(attemptId), limit: 1 });

    await resolve(data[0]!.parkedId, { decision: 'fail', reason: 'it is not in the console' });

    expect(signalled()).toMatchObject([[`notify/${notificationId}`, [{ notificationId }], 'attemptChanged']]);
  });

  it.each([
    ['an unknown decision', { decision: 'approve', reason: 'x' }, 422, '/decision'],
    ['no decision', { reason: 'x' }, 400, '/decision'],
    ['a decision that is a number', { decision: 1 }, 400, '/decision'],
    ['skip without a reason', { decision: 'skip' }, 422, '/reason'],
    ['fail without a reason', { decision: 'fail', reason: '  ' }, 422, '/reason'],
    ['a reason of 501 characters', { decision: 'skip', reason: 'x'.repeat(501) }, 422, '/reason'],
    ['a reason that is null', { decision: 'skip', reason: null }, 400, '/reason'],
    ['an unknown member', { decision: 'retry', actor: 'bob' }, 400, '/actor'],
  ])('with %s is refused and changes nothing', async (_what, body, status, pointer) => {
    const { parkedId } = await park();
    const before = await rowCounts(database.pool);

    const answer = await resolve(parkedId, body);

    expect(answer.body).toMatchObject({ status, errors: [{ pointer }] });
    expect(await rowCounts(database.pool)).toEqual(before);
    expect((await as('ann', 'GET', `/v1/parked/${parkedId}`)).body).toMatchObject({ decision: null });
    expect(signals).toEqual([]);
  });

  it.each([randomUUID(), 'x', '%00', '..%2f'])('of %s, which there is not, is 404', async (id) => {
    expect((await resolve(id, { decision: 'retry' })).body).toMatchObject({ status: 404, code: 'not_found' });
    expect((await as('ann', 'GET', `/v1/parked/${id}`)).status).toBe(404);
  });
});

describe('deciding about many', () => {
  it('tells every workflow, and says what was decided', async () => {
    const steps = [await park('bulk'), await park('bulk'), await park('bulk', true)];
    await park('not_bulk');

    const answer = await resolveMany({ filter: { reason: 'bulk', step: 'refund:' }, decision: 'retry' });

    expect(answer).toMatchObject({ status: 200, body: { refused: [], remaining: 0 } });
    const resolved = answer.body['resolved'] as { parkedId: string; decision: string; decidedBy: string }[];
    expect(resolved.map(({ parkedId }) => parkedId)).toEqual(steps.map(({ parkedId }) => parkedId));
    expect(resolved.every(({ decision, decidedBy }) => decision === 'retry' && decidedBy === 'ann')).toBe(
      true,
    );
    expect(signals.map(({ workflowId }) => workflowId).sort()).toEqual(
      [`refund/${steps[0]!.refundId}`, `refund/${steps[1]!.refundId}`, `order/${steps[2]!.orderId}`].sort(),
    );
  });

  it('means every step when it says so', async () => {
    await park('everything');

    const answer = await resolveMany({ filter: { all: true }, decision: 'skip', reason: 'moved by hand' });

    expect(answer).toMatchObject({ status: 200, body: { remaining: 0 } });
    const { body } = await as('ann', 'GET', '/v1/parked?state=OPEN&reason=everything');
    expect(body['data']).toMatchObject([{ decision: 'skip' }]);
  });

  it('can be repeated when signals were lost', async () => {
    const { refundId } = await park('bulk_lost');
    const body = { filter: { reason: 'bulk_lost' }, decision: 'retry' };
    temporal.behaviour.start = 'lost';
    expect((await resolveMany(body)).status).toBe(503);
    temporal.behaviour.start = 'acknowledge';

    expect(await resolveMany(body)).toMatchObject({ status: 200, body: { remaining: 0 } });

    expect(temporal.started).toEqual([`refund/${refundId}`]);
  });

  it.each([
    ['no filter', { decision: 'retry' }, 400, '/filter'],
    ['an empty filter', { filter: {}, decision: 'retry' }, 422, '/filter'],
    ['all and more', { filter: { all: true, reason: 'x' }, decision: 'retry' }, 422, '/filter/all'],
    ['all that is false', { filter: { all: false }, decision: 'retry' }, 422, '/filter/all'],
    ['an order that is no id', { filter: { orderId: 'x' }, decision: 'retry' }, 422, '/filter/orderId'],
    [
      'a day that is not',
      { filter: { olderThan: '2026-02-30' }, decision: 'retry' },
      422,
      '/filter/olderThan',
    ],
    [
      'an unknown member',
      { filter: { reason: 'x', state: 'OPEN' }, decision: 'retry' },
      400,
      '/filter/state',
    ],
    ['skip without a reason', { filter: { all: true }, decision: 'skip' }, 422, '/reason'],
    ['an unknown decision', { filter: { all: true }, decision: 'drop' }, 422, '/decision'],
  ])('with %s is refused and changes nothing', async (_what, body, status, pointer) => {
    const { parkedId } = await park('bulk_bad');

    const answer = await resolveMany(body);

    expect(answer.body).toMatchObject({ status, errors: [{ pointer }] });
    expect((await as('ann', 'GET', `/v1/parked/${parkedId}`)).body).toMatchObject({ decision: null });
    expect(signals).toEqual([]);
  });
});

describe('looking', () => {
  it('lists what waits, newest first, page by page', async () => {
    const { orderId, parkedId } = await park('looked_for');

    const { body } = await as('ann', 'GET', `/v1/parked?orderId=${orderId.toUpperCase()}&state=OPEN&limit=1`);

    expect(body).toMatchObject({ data: [{ parkedId, reason: 'looked_for' }], nextCursor: null });
  });

  it.each([
    'state=DONE',
    'orderId=x',
    'limit=0',
    'cursor=x',
    'olderThan=yesterday',
    'decision=skip',
    'reason=A%20B',
  ])('refuses ?%s', async (query) => {
    expect((await as('ann', 'GET', `/v1/parked?${query}`)).status).toBe(400);
  });

  it.each([
    ['GET', '/v1/parked'],
    ['GET', `/v1/parked/${randomUUID()}`],
    ['POST', `/v1/parked/${randomUUID()}/resolve`],
    ['POST', '/v1/parked/resolve'],
  ])('%s %s needs the scope of operators', async (method, path) => {
    for (const caller of ['reader', 'writer'])
      expect(await as(caller, method, path)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await ask(app, method, path)).status).toBe(401);
  });
});
