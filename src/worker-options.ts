import { join } from 'node:path';
import type { WorkerOptions } from '@temporalio/worker';
import type { Activities } from './activities';
import { appErrorsAsFailures } from './activities/interceptors';
import type { Config } from './config';
import { TASK_QUEUES } from './workflows/messages';

export type Role = keyof typeof TASK_QUEUES;

/** Made by `npm run build`: no bundler at start, and every worker of one build runs the same workflow code. */
export const BUNDLE = join(__dirname, 'workflow-bundle.js');

/** How long running activities may take to end at a shutdown. Longer than any call to someone else (30 s). */
const SHUTDOWN_GRACE = '35s';

/** Options of the worker of one role. Each has its reason beside it. */
export function workerOptions(
  role: Role,
  activities: Activities,
  config: Config,
): Omit<WorkerOptions, 'connection'> {
  return { ...sharedOptions(config), ...roleOptions(role, activities, config) };
}

/**
 * Of a Worker Deployment that has versions, each run moves to the newest one by itself: stored histories replay on every
 * version, which `npm test` proves.
 */
function versionOf({ temporal }: Config): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (temporal.deployment === null) return {};
  const { name, buildId } = temporal.deployment;
  return {
    workerDeploymentOptions: {
      version: { deploymentName: name, buildId },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'AUTO_UPGRADE',
    },
  };
}

function sharedOptions(config: Config): Omit<WorkerOptions, 'taskQueue' | 'connection'> {
  return {
    namespace: config.temporal.namespace,
    interceptors: { activity: [() => ({ inbound: appErrorsAsFailures })] },
    shutdownGraceTime: SHUTDOWN_GRACE,
    ...versionOf(config),
    // A worker that died keeps its workflows for this long; then any other goes on with them. The default is 10 s.
    stickyQueueScheduleToStartTimeout: '5s',
    // Left to the SDK, which knows better than a number here: `maxCachedWorkflows` follows the heap (about 1 MB each;
    // slots for tasks are cut down to it), one V8 context serves all workflows, and ten pollers are enough for two cores
    // (source: the SDK's documentation of its worker options).
  };
}

/**
 * A workflow that starts here at once needs a free slot, and the commit, a local activity, holds it. With the default of 40,
 * pollers among them, some of 32 requests at once got none: they waited behind the others on the task queue, cost two events
 * more, and the p99 of 201 was 6 to 23 s; with 200 all started at once, and it was 2 s (200 orders, Temporal's development
 * server, two busy cores). More than 200 requests at once wait for each other anyway: 2 cores commit about 100 a second.
 */
const WORKFLOW_TASKS_MAX = 200;

const ORDERS = {
  maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASKS_MAX,
  // Each of those tasks may be at a commit; the default, 100, would make half of them wait within their 3 s.
  maxConcurrentLocalActivityExecutions: WORKFLOW_TASKS_MAX,
} satisfies Partial<WorkerOptions>;

/** What each task queue runs: `orders` and `notify` hold workflows too, `publish` activities only. */
function roleOptions(role: Role, activities: Activities, config: Config): Omit<WorkerOptions, 'connection'> {
  const workflowBundle = { codePath: BUNDLE };
  switch (role) {
    case 'orders':
      return { taskQueue: TASK_QUEUES[role], workflowBundle, activities, ...ORDERS };
    case 'maintenance':
      return { taskQueue: TASK_QUEUES[role], workflowBundle, activities };
    case 'notify':
      return { taskQueue: TASK_QUEUES[role], workflowBundle, activities, ...notifyLimit(config) };
    case 'publish':
      return { taskQueue: TASK_QUEUES[role], activities };
  }
}

/**
 * With a rate on every channel that there is, the queue hands out no more than all of them allow together, so that a
 * backlog does not come back again and again for a share. Each channel's own rate is kept in the database, because first
 * attempts are made beside this queue.
 */
function notifyLimit({ notify, twilio }: Config): Pick<WorkerOptions, 'maxTaskQueueActivitiesPerSecond'> {
  const { sms, whatsapp, voice } = notify.rates;
  const rates = [
    sms,
    ...(twilio.whatsappFrom === undefined ? [] : [whatsapp]),
    ...(twilio.voiceFrom === undefined ? [] : [voice]),
  ].filter((rate) => rate !== undefined);
  const channels = [twilio.from, twilio.whatsappFrom, twilio.voiceFrom].filter((from) => from !== undefined);
  if (rates.length < channels.length) return {};
  return { maxTaskQueueActivitiesPerSecond: rates.reduce((sum, rate) => sum + rate, 0) };
}
