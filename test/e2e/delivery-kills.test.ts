import { orderIdOf } from '../../src/database/ids';
import { readInstallation } from '../../src/database/installation';
import { readLog } from '../chaos/checker';
import { controlFake } from '../dev/fake-control';
import { waitFor } from '../support/wait';
import { crashWorker, whenSent } from './crash';
import { BRIDGE_LOCK } from '../../src/bridge';
import { startStack, type Stack } from './stack';

/**
 * The worker is killed with kill -9 at the points of a delivery, and started again. The points are those of reliability,
 * section 5. Every order goes to three targets; nothing may be lost, and what arrives twice is the same.
 */
let stack: Stack;
let namespace: string;

const TARGETS = ['one', 'two', 'three'] as const;
const CLAIM = 'insert into aftercommit.delivery_attempts';
const RECORD = 'aftercommit.record_deliveries';

beforeAll(async () => {
  stack = await startStack({ withLinks: true });
  namespace = (await readInstallation(stack.database.pool)).namespace;
  for (const name of TARGETS) await stack.sendToSink({ name, path: `/${name}` });
  // The rule that is there from the start would be a fourth.
  for (const { name } of (await stack.request('GET', '/v1/rules')).body['data'] as { name: string }[]) {
    if (!(TARGETS as readonly string[]).includes(name)) await stack.request('DELETE', `/v1/rules/${name}`);
  }
  await stack.stock('SKU', 1_000);
}, 90_000);
afterAll(() => stack.stop(), 60_000);

const orderIdAt = (point: string): string => orderIdOf(namespace, 'local', point);

async function placeAt(point: string): Promise<string> {
  await stack.placeOrder({ key: point, sku: 'SKU', wait: 30 });
  return orderIdAt(point);
}

/** The paths of the sink that took the order's event, as often as they took it. */
const arrivals = (orderId: string): string[] =>
  readLog(stack.logFiles.sink)
    .filter((entry) => entry.type === 'received' && String(entry['body']).includes(orderId))
    .map((entry) => String(entry['path']).slice(1));

async function statesOf(orderId: string): Promise<Record<string, string>> {
  const { body } = await stack.request('GET', `/v1/deliveries?orderId=${orderId}`);
  const rows = body['data'] as { target: string; state: string }[];
  return Object.fromEntries(rows.map(({ target, state }) => [target, state]));
}

const allInState = (orderId: string, state: string, count: number = TARGETS.length): Promise<true> =>
  waitFor(`${count} deliveries are ${state}`, async () => {
    const states = Object.values(await statesOf(orderId));
    return states.filter((one) => one === state).length >= count;
  });

const crash = (meanwhile?: () => Promise<void>): Promise<void> => crashWorker(stack, meanwhile);

describe('a worker that is killed', () => {
  it('at B1, before its claim, has told nobody and loses nothing', async () => {
    const orderId = orderIdAt('B1');
    const { workerDatabase } = stack.links;
    const reached = whenSent(workerDatabase, [CLAIM, orderId], () => workerDatabase.freeze('up'));

    await placeAt('B1');
    await reached();
    await crash(async () => {
      expect(await statesOf(orderId)).toEqual({ one: 'READY', two: 'READY', three: 'READY' });
      expect(arrivals(orderId)).toEqual([]);
    });

    await allInState(orderId, 'DELIVERED');
  });

  it('at B2, claimed and not sent, is followed by one that sends', async () => {
    const orderId = orderIdAt('B2');
    const { workerDatabase } = stack.links;
    const reached = whenSent(workerDatabase, [CLAIM, orderId], () => workerDatabase.freeze('down'));

    await placeAt('B2');
    await reached();
    await allInState(orderId, 'SENDING');
    await crash(() => Promise.resolve(expect(arrivals(orderId)).toEqual([])));

    await allInState(orderId, 'DELIVERED');
    expect(arrivals(orderId).sort()).toEqual(['one', 'three', 'two']);
  });

  it('at B3, sent to one target of three, is followed by one that sends to the others', async () => {
    const silent = ['/two', '/three'].map((path) => ({ path, action: 'timeout_after_accept', times: 1 }));
    await controlFake(stack.fakeUrls.sink, { faults: silent });

    const orderId = await placeAt('B3');
    await waitFor('one is delivered', async () => (await statesOf(orderId))['one'] === 'DELIVERED');
    await waitFor('all were asked', () => arrivals(orderId).length === 3);
    await crash();

    await allInState(orderId, 'DELIVERED');
    expect(arrivals(orderId).filter((path) => path === 'one')).toHaveLength(1);
  });

  it('at B4, all sent and none marked, is followed by one that sends the same again', async () => {
    const orderId = orderIdAt('B4');
    const { workerDatabase } = stack.links;
    // All are asked before the first of them answers.
    await controlFake(stack.fakeUrls.sink, { delayMs: 300 });
    const claimed = whenSent(workerDatabase, [CLAIM, orderId], () => {
      whenSent(workerDatabase, [RECORD], () => workerDatabase.freeze('up'));
    });

    await placeAt('B4');
    await waitFor('all have it', () => arrivals(orderId).length === 3);
    await crash(async () => {
      expect(await statesOf(orderId)).toEqual({ one: 'SENDING', two: 'SENDING', three: 'SENDING' });
    });

    await claimed();
    await controlFake(stack.fakeUrls.sink, { delayMs: 0 });
    await allInState(orderId, 'DELIVERED');
    expect(arrivals(orderId).sort()).toEqual(['one', 'one', 'three', 'three', 'two', 'two']);
  });

  it('at B5, marked and not reported, is followed by one that sends nothing again', async () => {
    const orderId = orderIdAt('B5');
    const { workerDatabase, workerTemporal } = stack.links;
    const reached = whenSent(workerDatabase, [CLAIM, orderId], () => {
      whenSent(workerDatabase, [RECORD], () => workerTemporal.freeze('up'));
    });

    await placeAt('B5');
    await reached();
    await allInState(orderId, 'DELIVERED');
    await crash();

    const handle = stack.temporal.workflow.getHandle(`order/${orderId}`);
    await waitFor('its workflow ends', async () => (await handle.describe()).status.name === 'COMPLETED');
    expect(arrivals(orderId)).toHaveLength(3);
  });

  it('at B6, in the write of a dead letter, is followed by one that writes it', async () => {
    const orderId = orderIdAt('B6');
    const { workerDatabase } = stack.links;
    await controlFake(stack.fakeUrls.sink, { faults: [{ path: '/two', status: 400, times: 2 }] });
    const reached = whenSent(workerDatabase, [RECORD, 'http_400'], () => workerDatabase.freeze('up'));

    await placeAt('B6');
    await reached();
    await crash(async () => expect((await statesOf(orderId))['two']).toBe('SENDING'));

    await waitFor('it is a dead letter', async () => (await statesOf(orderId))['two'] === 'DEAD');
    const { body } = await stack.request('GET', `/v1/deliveries?orderId=${orderId}&state=DEAD`);
    expect(body['data']).toMatchObject([{ target: 'two', errorCode: 'http_400' }]);
  });

  it('between the start of an enqueued workflow and its record, is followed by one that starts no other', async () => {
    const { workerDatabase } = stack.links;
    const handle = stack.temporal.workflow.getHandle('enqueued-1');
    const reached = whenSent(workerDatabase, ['set started_at', 'enqueued-1'], () =>
      workerDatabase.freeze('up'),
    );
    await stack.database.pool.query(`select aftercommit.enqueue_workflow('ship', 'enqueued-1', 'nobody')`);
    await reached();
    const { runId } = await handle.describe();
    const isRecorded = async (): Promise<boolean> =>
      (
        await stack.database.pool.query(
          'select 1 from aftercommit.workflow_starts where started_at is not null',
        )
      ).rowCount === 1;
    await crash(async () => expect(await isRecorded()).toBe(false));

    await waitFor('it is recorded', isRecorded);
    expect((await handle.describe()).runId).toBe(runId);
    await handle.terminate();
  });

  it('and no bridge after it, leaves what was enqueued to the schedule', async () => {
    await stack.killWorker();
    const holder = await stack.database.pool.connect();
    // Nobody listens: the one bridge that may work is here, and does nothing.
    await holder.query('select pg_advisory_lock($1)', [BRIDGE_LOCK]);
    await stack.startWorker();
    await stack.database.pool.query(`select aftercommit.enqueue('late', '{}', 'ecommerce', 'late-1')`);
    await stack.database.pool.query(`select aftercommit.enqueue_workflow('ship', 'late-1', 'nobody')`);
    // Old enough for reconciliation, which leaves alone what somebody may still be at work on.
    await stack.database.pool.query(
      `update aftercommit.outbox set created_at = created_at - interval '1 hour' where subject = 'late-1'`,
    );
    await stack.database.pool.query(
      `update aftercommit.workflow_starts
       set created_at = created_at - interval '1 hour', next_attempt_at = next_attempt_at - interval '1 hour' where workflow_id = 'late-1'`,
    );

    await stack.temporal.schedule.getHandle('reconcile-light').trigger();

    await waitFor('the event is routed', async () => {
      const { rowCount } = await stack.database.pool.query(
        `select 1 from aftercommit.outbox where subject = 'late-1' and routed_at is not null`,
      );
      return rowCount === 1;
    });
    const handle = stack.temporal.workflow.getHandle('late-1');
    await waitFor('the workflow is started', () => handle.describe());
    await handle.terminate();
    holder.release(true);
  });

  it('leaves nothing that breaks an invariant', async () => {
    expect(await stack.violations()).toEqual([]);
  }, 120_000);
});
