import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { createParkedActivities } from '../../src/activities/parked';
import { listParked, type ParkedStepView } from '../../src/database/parked';
import { resolveParked } from '../../src/database/parked-decisions';
import type { Decision } from '../../src/domain/parked';
import { INDEXED_VALUE_TYPES } from '../../src/setup';
import { parkedStepResolved, searchAttributes, TASK_QUEUES } from '../../src/workflows/messages';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { startTimeSkipping } from '../support/temporal';
import { waitFor } from '../support/wait';
import { bundleWorkflows } from '../support/workflow-bundle';

let database: TestDatabase;
let environment: TestWorkflowEnvironment;
let worker: Worker;
let running: Promise<void>;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR' } } });
  let workflowBundle;
  [database, environment, workflowBundle] = await Promise.all([
    createTestDatabase(),
    startTimeSkipping(),
    bundleWorkflows(path.join(__dirname, 'parked-steps.ts')),
  ]);
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(
      Object.values(searchAttributes).map(({ name, type }) => [name, INDEXED_VALUE_TYPES[type]]),
    ),
  });
  worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: TASK_QUEUES.orders,
    workflowBundle,
    activities: createParkedActivities({ pool: database.pool }),
  });
  running = worker.run();
}, 300_000);

afterAll(async () => {
  worker?.shutdown();
  await running;
  await environment?.teardown();
  await Runtime.instance().shutdown();
  await database?.drop();
}, 60_000);

interface Case {
  orderId: string;
  handle: WorkflowHandle;
}

async function start(workflowType: string, input: object, orderId = randomUUID()): Promise<Case> {
  const handle = await environment.client.workflow.start(workflowType, {
    workflowId: `order/${orderId}`,
    taskQueue: TASK_QUEUES.orders,
    args: [{ orderId, ...input }],
  });
  return { orderId, handle };
}

/** The parkings of an order's step, the oldest first, once there are so many. */
const parkings = ({ orderId }: { orderId: string }, step: string, count = 1): Promise<ParkedStepView[]> =>
  waitFor(`parking ${count} of ${step}`, async () => {
    const { data } = await listParked(database.pool, { orderId, step, limit: 10 });
    return data.length >= count && data.reverse();
  });

/** As the HTTP room does it: the row, then the signal. */
async function decide(parked: ParkedStepView, decision: Decision, { handle }: Case): Promise<void> {
  const { parkedId, step } = parked;
  await resolveParked(database.pool, parkedId, { decision, reason: 'test', actor: 'test' });
  await handle.signal(parkedStepResolved, { step, decision, parkedId });
}

/** What `NeedsAttention` was set to, in order. */
async function attention({ handle }: Case): Promise<boolean[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ upsertWorkflowSearchAttributesEventAttributes: upserted }) => {
    const value = upserted?.searchAttributes?.indexedFields?.[searchAttributes.needsAttention.name]?.data;
    return value === undefined || value === null ? [] : [String(Buffer.from(value)) === 'true'];
  });
}

describe('several steps of one run that wait at once', () => {
  it('get their own decision each, and the run needs attention until the last of them', async () => {
    const run = await start('parksSeveral', { steps: ['a:1', 'b:1', 'c:1'] });
    const [a, b, c] = await Promise.all(['a:1', 'b:1', 'c:1'].map((step) => parkings(run, step)));

    await decide(b![0]!, 'skip', run);
    await waitFor('b is resolved', async () => (await parkings(run, 'b:1'))[0]!.state === 'RESOLVED');
    await decide(a![0]!, 'fail', run);
    await waitFor('a is resolved', async () => (await parkings(run, 'a:1'))[0]!.state === 'RESOLVED');
    expect((await attention(run)).at(-1)).toBe(true);
    await decide(c![0]!, 'retry', run);

    expect(await run.handle.result()).toEqual({ 'a:1': 'fail', 'b:1': 'skip', 'c:1': 'retry' });
    const seen = await attention(run);
    expect([seen.at(-1), seen.filter((value) => !value)]).toEqual([false, [false]]);
  });
});

describe('a step that is parked again', () => {
  it('is not decided by the late repeat of a signal for its first parking', async () => {
    const run = await start('parksAgain', { step: 'a:2' });
    const [first] = await parkings(run, 'a:2');
    await decide(first!, 'retry', run);
    const [, second] = await parkings(run, 'a:2', 2);

    const { parkedId, step } = first!;
    await run.handle.signal(parkedStepResolved, { step, decision: 'retry', parkedId });
    await decide(second!, 'skip', run);

    expect(await run.handle.result()).toEqual(['retry', 'skip']);
    expect((await parkings(run, 'a:2', 2)).map(({ state, decision }) => [state, decision])).toEqual([
      ['RESOLVED', 'retry'],
      ['RESOLVED', 'skip'],
    ]);
  });
});

describe('a decision', () => {
  it('that no run heard of counts for the next one', async () => {
    const orderId = randomUUID();
    const gone = await start('parksAgain', { step: 'a:3' }, orderId);
    const [parked] = await parkings(gone, 'a:3');
    await gone.handle.terminate();
    const verdict = { decision: 'skip', reason: 'test', actor: 'test' } as const;
    await resolveParked(database.pool, parked!.parkedId, verdict);

    const next = await start('parksAgain', { step: 'a:3' }, orderId);

    expect(await next.handle.result()).toEqual(['skip']);
    expect(await parkings(next, 'a:3')).toMatchObject([{ parkedId: parked!.parkedId, state: 'RESOLVED' }]);
  });

  it('may come as a signal by hand, and is in the row then', async () => {
    const run = await start('parksAgain', { step: 'a:4' });
    await parkings(run, 'a:4');

    await run.handle.signal(parkedStepResolved, { step: 'another:1', decision: 'fail' });
    await run.handle.signal(parkedStepResolved, { step: 'a:4', decision: 'skip' });

    expect(await run.handle.result()).toEqual(['skip']);
    expect(await parkings(run, 'a:4')).toMatchObject([
      { state: 'RESOLVED', decision: 'skip', decidedBy: null },
    ]);
  });
});
