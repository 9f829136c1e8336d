import { sendClaimed } from '../../src/activities/sending';
import type { OpenTarget, TargetBook } from '../../src/activities/targets';
import type { SendOutcome, Target, TargetRequest } from '../../src/bus/targets/target';
import { createRecords } from '../../src/activities/records';
import { claimDeliveries } from '../../src/database/deliveries';
import { listDeliveries } from '../../src/database/delivery-views';
import { advanceReplay, createReplay } from '../../src/database/replays';
import { DEFAULT_RETRY_POLICY } from '../../src/domain/deliveries';
import { logTargets } from '../database/bus-fixtures';
import { AT, placeOne } from '../database/place';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { randomUUID } from 'node:crypto';

/** What is sent together ends apart: these are the outcomes of several deliveries to one target. */
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await logTargets(database.pool, ['batched']);
});
afterAll(() => database.drop());

const fine: SendOutcome = { kind: 'delivered', status: 200, latencyMs: 1 };
const throttled: SendOutcome = {
  kind: 'retry',
  status: 429,
  latencyMs: 1,
  code: 'throttled',
  message: 'later',
};
const refused: SendOutcome = {
  kind: 'dead',
  status: 400,
  latencyMs: 1,
  code: 'invalid_payload',
  message: 'no',
};

function bookOf(target: Target, more: Partial<OpenTarget> = {}): TargetBook {
  const open: OpenTarget = {
    target,
    retry: DEFAULT_RETRY_POLICY,
    ratePerSecond: null,
    state: 'ENABLED',
    takesPersonalData: true,
    ...more,
  };
  return { open: () => Promise.resolve(open), close: () => Promise.resolve() };
}

/** A target that takes batches, answers as `outcomeOf` says, and remembers each call. */
function batchTarget(outcomeOf: (request: TargetRequest) => SendOutcome): {
  target: Target;
  calls: string[][];
} {
  const calls: string[][] = [];
  const send = (requests: readonly TargetRequest[]): Promise<SendOutcome[]> => {
    calls.push(requests.map(({ deliveryId }) => deliveryId));
    return Promise.resolve(requests.map(outcomeOf));
  };
  const target: Target = {
    send: async (request) => (await send([request]))[0]!,
    batch: { maximumEvents: 3, send },
    close: () => Promise.resolve(),
  };
  return { target, calls };
}

const woken: string[] = [];
const wake = (id: string): Promise<void> => Promise.resolve(void woken.push(id));

function deps(targets: TargetBook) {
  const metrics = { deliveryAttempt: () => undefined, delivered: () => undefined };
  const silence = (): Promise<void> => Promise.reject(new Error('no message is sent here'));
  const successors = {
    delivery: wake,
    notification: silence,
    replay: wake,
    silence,
    order: wake,
    group: wake,
  };
  const { pool } = database;
  const records = createRecords(pool);
  return { pool, records, targets, successors, metrics, now: () => new Date(), random: () => 0.5 };
}

/** Deliveries of several orders to one target, claimed together as a replay does. */
async function claimedTogether(orders: number, transformer: object | null = null) {
  const replayId = randomUUID();
  const from = new Date().toISOString();
  const ids: string[] = [];
  for (let n = 0; n < orders; n += 1) ids.push(await placeOne(database.pool, `${replayId}-${n}`));
  const filter = { from: AT };
  await createReplay(database.pool, { replayId, filter, ratePerSecond: 1_000, actor: from });
  const route = (event: { detail: { orderId?: string } }) =>
    ids.includes(event.detail.orderId!) ? [{ ruleName: 'rule', targetName: 'batched', transformer }] : [];
  for (;;) {
    const progress = await advanceReplay(database.pool, replayId, { route, at: AT, openMax: 500 });
    if (progress?.routed === true || progress?.state !== 'RUNNING') break;
  }
  const claim = () =>
    claimDeliveries(database.pool, { scope: { replayId }, claimedBy: 'me', sendForMs: 60_000 });
  const states = async () =>
    (await listDeliveries(database.pool, { replayId, limit: 100 })).data.map(({ state }) => state).sort();
  return { replayId, claim, states };
}

describe('a batch', () => {
  it('is cut to what the target takes at once', async () => {
    const { claim, states } = await claimedTogether(7);
    const { target, calls } = batchTarget(() => fine);

    await sendClaimed(deps(bookOf(target)), await claim(), { claimedBy: 'me' });

    expect(calls.map((call) => call.length).sort()).toEqual([1, 3, 3]);
    expect(await states()).toEqual(Array.from({ length: 7 }, () => 'DELIVERED'));
  });

  it('loses nothing of what failed in it: the parts are marked one by one, and only the failed ones are sent again', async () => {
    const { claim, states } = await claimedTogether(3);
    const claimed = await claim();
    const [first, second, third] = claimed.map(({ deliveryId }) => deliveryId);
    let isFirstCall = true;
    const { target, calls } = batchTarget(({ deliveryId }) =>
      deliveryId === second && isFirstCall ? throttled : deliveryId === third ? refused : fine,
    );

    await sendClaimed(deps(bookOf(target)), claimed, { claimedBy: 'me' });
    expect(await states()).toEqual(['DEAD', 'DELIVERED', 'READY']);

    isFirstCall = false;
    await database.pool.query('update aftercommit.deliveries set next_attempt_at = now()');
    await sendClaimed(deps(bookOf(target)), await claim(), { claimedBy: 'me' });

    expect(calls).toEqual([[first, second, third], [second]]);
    expect(await states()).toEqual(['DEAD', 'DELIVERED', 'DELIVERED']);
  });

  it('is sent without an event whose template fails, which is a dead letter', async () => {
    const transformer = { inputPathsMap: { x: '$.detail.missing' }, inputTemplate: '<x>' };
    const { claim, replayId } = await claimedTogether(2, transformer);
    const { target, calls } = batchTarget(() => fine);

    await sendClaimed(deps(bookOf(target)), await claim(), { claimedBy: 'me' });

    expect(calls).toEqual([]);
    const { data } = await listDeliveries(database.pool, { replayId, limit: 10 });
    expect(data.map(({ state, errorCode }) => [state, errorCode])).toEqual([
      ['DEAD', 'template_error'],
      ['DEAD', 'template_error'],
    ]);
  });
});

describe('a rate', () => {
  it('sends what fits into the next second and gives the rest back unsent', async () => {
    const { claim, states, replayId } = await claimedTogether(6);
    const { target, calls } = batchTarget(() => fine);
    const oneByOne: Target = { send: (request) => target.send(request), close: () => target.close() };
    const book = bookOf(oneByOne, { ratePerSecond: 2 });

    await sendClaimed(deps(book), await claim(), { claimedBy: 'me' });

    // One at once, and one each half second for as long as the next one begins within a second; never all six.
    expect(calls.length).toBeGreaterThanOrEqual(2);
    const after = await states();
    expect(after.filter((state) => state === 'DELIVERED')).toHaveLength(calls.length);
    expect(after.filter((state) => state === 'READY')).toHaveLength(6 - calls.length);
    const { data } = await listDeliveries(database.pool, { replayId, state: 'READY', limit: 10 });
    for (const { attempts } of data) expect(attempts).toEqual([]);
  });
});

describe('a target that is back', () => {
  it('brings forward what waits for it, and not what was asked to wait', async () => {
    const { claim, states, replayId } = await claimedTogether(4);
    const claimed = await claim();
    const asked = claimed[3]!.deliveryId;
    const down = batchTarget(({ deliveryId }) => ({
      ...throttled,
      ...(deliveryId === asked ? { retryAfterMs: 600_000 } : {}),
    }));
    await sendClaimed(deps(bookOf(down.target)), claimed, { claimedBy: 'me' });
    await database.pool.query(
      `update aftercommit.deliveries set next_attempt_at = now() + interval '10 minutes' where replay_id = $1`,
      [replayId],
    );
    await database.pool.query(
      'update aftercommit.deliveries set next_attempt_at = now() where delivery_id = $1',
      [claimed[0]!.deliveryId],
    );
    const up = batchTarget(() => fine);

    await sendClaimed(deps(bookOf(up.target)), await claim(), { claimedBy: 'me' });
    expect(woken).toContain(replayId);
    await sendClaimed(deps(bookOf(up.target)), await claim(), { claimedBy: 'me' });

    expect(up.calls.flat().sort()).toEqual(
      claimed
        .slice(0, 3)
        .map(({ deliveryId }) => deliveryId)
        .sort(),
    );
    expect(await states()).toEqual(['DELIVERED', 'DELIVERED', 'DELIVERED', 'READY']);
  });
});

describe('a target that keeps what it gets', () => {
  it('is never sent personal data, also when it became such a target after the rule was stored', async () => {
    const { claim, replayId } = await claimedTogether(1, { inputTemplate: '<aftercommit.customer.phone>' });
    const { target, calls } = batchTarget(() => fine);

    await sendClaimed(deps(bookOf(target, { takesPersonalData: false })), await claim(), { claimedBy: 'me' });

    expect(calls).toEqual([]);
    const { data } = await listDeliveries(database.pool, { replayId, limit: 10 });
    expect(data).toMatchObject([{ state: 'DEAD', errorCode: 'template_error' }]);
  });
});
