import { whenSent } from '../e2e/crash';
import type { SuspendedWorker } from '../e2e/stack';
import { waitFor } from '../support/wait';
import { TRAPS } from './notify-points';
import { NotifyRig, type Told } from './notify-rig';

/**
 * A worker stands still (SIGSTOP) while it sends, for longer than its claim may be used, and goes on. Source:
 * reliability, section 6, row 9.
 */
let rig: NotifyRig;
const struck: Record<string, number> = {};

beforeAll(async () => {
  rig = await NotifyRig.open();
}, 120_000);
afterEach(async () => {
  await rig.stack.links.workerDatabase.heal();
  await rig.stack.links.workerTwilio.heal();
  await rig.control({ reset: true });
});
afterAll(() => rig.stack.stop(), 60_000);

/** Has a worker stand still at the point. What was held for it waits in its own sockets. */
async function suspendAt(told: Told, point: 'N2' | 'N3'): Promise<SuspendedWorker> {
  const { stack } = rig;
  const reached = TRAPS[point](stack, rig.attempt(told));
  rig.place(told);
  await reached();
  const zombie = stack.suspendWorker();
  stack.links.workerDatabase.thaw('down');
  stack.links.workerTwilio.thaw('down');
  struck[told.key] = 1;
  return zombie;
}

/** Another worker does the work of the one that stands still. */
async function overtake(told: Told): Promise<void> {
  // Otherwise Temporal hands tasks to the one that stands still, and each is lost for 10 s.
  rig.stack.links.workerTemporal.cut();
  await rig.stack.startWorker();
  await rig.end(told, 'DELIVERED');
}

/** Everything but how long its call took, which the zombie alone can tell. */
async function known(told: Told): Promise<object> {
  const { attempts, ...notification } = await rig.read(told);
  return { ...notification, attempts: attempts.map((attempt) => ({ ...attempt, latencyMs: null })) };
}

/** Its own statement, or the failure of its activity when the database's answer came too late for it. */
async function untilGivenUp(told: Told, zombie: SuspendedWorker): Promise<void> {
  const { attemptId, orderId } = rig.attempt(told);
  const loggedBefore = rig.stack.processLogs().length;
  let isPutBack = false;
  whenSent(rig.stack.links.workerDatabase, ['claim_expired', attemptId], () => (isPutBack = true));
  const isFailed = (): boolean =>
    rig.stack
      .processLogs()
      .slice(loggedBefore)
      .split('\n')
      .some((line) => line.includes('Activity failed') && line.includes(orderId));
  zombie.resume();
  await waitFor('the zombie has given up', () => isPutBack || isFailed());
}

async function isClaimOver(told: Told): Promise<boolean> {
  const { rowCount } = await rig.stack.database.pool.query(
    `select 1 from aftercommit.notification_attempts where attempt_id = $1 and state = 'SENDING' and send_until < now()`,
    [rig.attempt(told).attemptId],
  );
  return rowCount === 1;
}

it('one that goes on when its claim is over puts the message back, and it is sent once', async () => {
  const told = rig.know('over', ['sms']);
  const zombie = await suspendAt(told, 'N2');
  await waitFor('its claim is over', () => isClaimOver(told));
  const putBack = whenSent(
    rig.stack.links.workerDatabase,
    ['claim_expired', rig.attempt(told).attemptId],
    () => undefined,
  );

  zombie.resume();
  await putBack();

  const { attempts } = await rig.end(told, 'DELIVERED');
  expect(attempts).toEqual([expect.objectContaining({ claims: 2, wasAmbiguous: false })]);
  expect(await rig.accountFor(told)).toEqual({ sms: 1 });
  await zombie.kill();
  await rig.stack.startWorker();
});

it('one that had claimed sends nothing after another one has', async () => {
  const told = rig.know('claimed', ['sms']);
  const zombie = await suspendAt(told, 'N2');
  await overtake(told);
  const before = await known(told);

  await untilGivenUp(told, zombie);

  await zombie.kill();
  expect(await known(told)).toEqual(before);
  expect(await rig.accountFor(told)).toEqual({ sms: 1 });
});

it('one that had sent changes nothing with the answer that it reads late', async () => {
  const told = rig.know('sent', ['sms']);
  await rig.control({ callbacks: { lose: true } });
  const zombie = await suspendAt(told, 'N3');
  await overtake(told);
  const before = await known(told);
  const { workerDatabase } = rig.stack.links;
  const stored = whenSent(workerDatabase, ['latency_ms', rig.attempt(told).attemptId], () => undefined);

  zombie.resume();
  await stored();

  await zombie.kill();
  expect(await known(told)).toEqual(before);
  expect(before).toMatchObject({ attempts: [{ resolvedBy: 'look_up', outcome: 'delivered' }] });
  expect(await rig.accountFor(told)).toEqual({ sms: 1 });
});

it('every promise was kept', async () => {
  expect(await rig.violations(3, struck)).toEqual([]);
});
