import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import type { Activities } from '../../src/activities';
import { INDEXED_VALUE_TYPES } from '../../src/setup';
import { searchAttributes, TASK_QUEUES } from '../../src/workflows/messages';
import { stepsOf } from '../support/history';
import { startTimeSkipping } from '../support/temporal';
import { bundleWorkflows } from '../support/workflow-bundle';
import { endWaiting, type Scenario } from './scenario';

/** Runs scenarios on a time-skipping server with the real workflow code. One per test file. */
export interface Rig {
  bundle: WorkflowBundle;
  run(scenario: Scenario): Promise<Played>;
  close(): Promise<void>;
}

export interface Played {
  handle: WorkflowHandle;
  result: unknown;
  asked: string[];
}

const ACTIVITY_NAMES: (keyof Activities)[] = [
  'commitOrder',
  'closeTransaction',
  'readProgress',
  'settleOrder',
  'beginEnding',
  'endOrder',
  'chargePayment',
  'undoPayment',
  'refundPayment',
  'retryRefund',
  'failRefund',
  'deliverEvents',
  'sendReplay',
  'redriveDeadLetters',
  'wakeBacklog',
  'testTarget',
  'purgeArchive',
  'continueNotification',
  'wakeSilent',
  'announceDecline',
  'bookShipment',
  'cancelShipment',
  'lookUpShipment',
  'completeShipment',
  'awardPoints',
  'reversePoints',
  'clearCart',
  'restoreCart',
  'closeStep',
  'parkStep',
  'unparkStep',
  'beginReconciliation',
  'reconcileSource',
  'rebuildOpenWork',
  'finishReconciliation',
  'advanceSale',
  'reconcileSale',
  'closeGroup',
  'finishGroup',
];

export async function createRig(): Promise<Rig> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR' } } });
  const [environment, bundle] = await Promise.all([startTimeSkipping(), bundleWorkflows()]);
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(
      Object.values(searchAttributes).map(({ name, type }) => [name, INDEXED_VALUE_TYPES[type]]),
    ),
  });
  let stage: { scenario: Scenario; reached: (name: string) => void } | undefined;

  const play = (name: keyof Activities) => (input: never) => {
    const { scenario, reached } = stage!;
    reached(name);
    const answer = scenario.activities[name] as ((input: never) => Promise<unknown>) | undefined;
    if (answer === undefined) throw new Error(`nobody expected ${name}`);
    return answer(input);
  };
  const activities = Object.fromEntries(ACTIVITY_NAMES.map((name) => [name, play(name)]));
  const { running, stop } = await startWorkers(environment, bundle, activities);

  return {
    bundle,
    async run(scenario) {
      const reachedNames = new Map<string, () => void>();
      const reach = (name: string): Promise<void> =>
        new Promise((resolve) => reachedNames.set(name, resolve));
      stage = { scenario, reached: (name) => reachedNames.get(name)?.() };
      const reached = scenario.meanwhile === undefined ? undefined : reach(scenario.meanwhile.when);
      const handle = await environment.client.workflow.start(scenario.workflowType, {
        workflowId: `${scenario.name}/${randomUUID()}`,
        taskQueue: TASK_QUEUES.orders,
        args: scenario.input,
      });
      const acted = reached?.then(() => scenario.meanwhile!.act(handle));
      const ended: Promise<unknown> = handle.result();
      await acted;
      const result = await ended.finally(endWaiting);
      return { handle, result, asked: await askedBy(handle) };
    },
    async close() {
      stop();
      await running;
      await environment.teardown();
      await Runtime.instance().shutdown();
    },
  };
}

/** The steps in the order in which the history has them: those that run at once may start in any order. */
async function askedBy(handle: WorkflowHandle): Promise<string[]> {
  return stepsOf(await handle.fetchHistory());
}

async function startWorkers(
  environment: TestWorkflowEnvironment,
  workflowBundle: WorkflowBundle,
  activities: Record<string, (input: never) => Promise<unknown>>,
): Promise<{ running: Promise<unknown>; stop: () => void }> {
  const workers = await Promise.all(
    Object.values(TASK_QUEUES).map((taskQueue) =>
      Worker.create({
        connection: environment.nativeConnection,
        taskQueue,
        activities,
        ...(taskQueue === TASK_QUEUES.orders ? { workflowBundle } : {}),
      }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  return { running, stop: () => workers.forEach((worker) => worker.shutdown()) };
}
