import { BRIDGE_LOCK } from '../../src/bridge';
import { controlFake } from '../dev/fake-control';
import { waitFor } from '../support/wait';
import { whenSent } from './crash';
import { CLAIM, DeliveryRig, RECORD } from './delivery-rig';

/**
 * The worker is killed with kill -9 where a delivery is sent and not recorded, and where an enqueued workflow is started and
 * not recorded, and started again. Nothing may be lost, and what arrives twice is the same. The other points of reliability,
 * section 5, are in `npm run test:crash`.
 */
let rig: DeliveryRig;
beforeAll(async () => {
  rig = await DeliveryRig.open();
}, 90_000);
afterAll(() => rig.stack.stop(), 60_000);

describe('a worker that is killed', () => {
  it('at B4, all sent and none marked, is followed by one that sends the same again', async () => {
    const orderId = rig.orderIdAt('B4');
    const { workerDatabase } = rig.stack.links;
    // All are asked before the first of them answers.
    await controlFake(rig.stack.fakeUrls.sink, { delayMs: 300 });
    const claimed = whenSent(workerDatabase, [CLAIM, orderId], () => {
      whenSent(workerDatabase, [RECORD], () => workerDatabase.freeze('up'));
    });

    await rig.placeAt('B4');
    await waitFor('all have it', () => rig.arrivals(orderId).length === 3);
    await rig.crash(async () => {
      expect(await rig.statesOf(orderId)).toEqual({ one: 'SENDING', two: 'SENDING', three: 'SENDING' });
    });

    await claimed();
    await controlFake(rig.stack.fakeUrls.sink, { delayMs: 0 });
    await rig.allInState(orderId, 'DELIVERED');
    expect(rig.arrivals(orderId).sort()).toEqual(['one', 'one', 'three', 'three', 'two', 'two']);
  });

  it('between the start of an enqueued workflow and its record, is followed by one that starts no other', async () => {
    const { workerDatabase } = rig.stack.links;
    const handle = rig.stack.temporal.workflow.getHandle('enqueued-1');
    const reached = whenSent(workerDatabase, ['set started_at', 'enqueued-1'], () =>
      workerDatabase.freeze('up'),
    );
    await rig.stack.database.pool.query(
      `select aftercommit.enqueue_workflow('ship', 'enqueued-1', 'nobody')`,
    );
    await reached();
    const { runId } = await handle.describe();
    const isRecorded = async (): Promise<boolean> =>
      (
        await rig.stack.database.pool.query(
          'select 1 from aftercommit.workflow_starts where started_at is not null',
        )
      ).rowCount === 1;
    await rig.crash(async () => expect(await isRecorded()).toBe(false));

    await waitFor('it is recorded', isRecorded);
    expect((await handle.describe()).runId).toBe(runId);
    await handle.terminate();
  });

  it('and no bridge after it, leaves what was enqueued to the schedule', async () => {
    await rig.stack.killWorker();
    const holder = await rig.stack.database.pool.connect();
    // Nobody listens: the one bridge that may work is here, and does nothing.
    await holder.query('select pg_advisory_lock($1)', [BRIDGE_LOCK]);
    await rig.stack.startWorker();
    await rig.stack.database.pool.query(`select aftercommit.enqueue('late', '{}', 'ecommerce', 'late-1')`);
    await rig.stack.database.pool.query(`select aftercommit.enqueue_workflow('ship', 'late-1', 'nobody')`);
    // Old enough for reconciliation, which leaves alone what somebody may still be at work on.
    await rig.stack.database.pool.query(
      `update aftercommit.outbox set created_at = created_at - interval '1 hour' where subject = 'late-1'`,
    );
    await rig.stack.database.pool.query(
      `update aftercommit.workflow_starts
       set created_at = created_at - interval '1 hour', next_attempt_at = next_attempt_at - interval '1 hour' where workflow_id = 'late-1'`,
    );

    await rig.stack.temporal.schedule.getHandle('reconcile-light').trigger();

    await waitFor('the event is routed', async () => {
      const { rowCount } = await rig.stack.database.pool.query(
        `select 1 from aftercommit.outbox where subject = 'late-1' and routed_at is not null`,
      );
      return rowCount === 1;
    });
    const handle = rig.stack.temporal.workflow.getHandle('late-1');
    await waitFor('the workflow is started', () => handle.describe());
    await handle.terminate();
    holder.release(true);
  });

  it('leaves nothing that breaks an invariant', async () => {
    expect(await rig.stack.violations()).toEqual([]);
  }, 120_000);
});
