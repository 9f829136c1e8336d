import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { ConfigError } from '../errors';
import type { Config } from '../config';
import { temporalConnection } from '../services';
import { TASK_QUEUES } from '../workflows/messages';

/** TASK_QUEUE_TYPE_ACTIVITY of Temporal's API: every role polls for activities. */
const ACTIVITY = 2;
/** A worker is up in two seconds; a loaded machine may need a multiple. */
const WAIT_MAX_MS = 60_000;
const POLL_MS = 50;

/**
 * Waits until a worker asks for work on each task queue: an order that is placed before waits for it.
 * @throws ConfigError when none does in time
 */
export async function untilPolled(config: Config): Promise<void> {
  const connection = await Connection.connect(temporalConnection(config));
  const deadline = Date.now() + WAIT_MAX_MS;
  try {
    for (const name of Object.values(TASK_QUEUES)) {
      while (!(await isPolled(connection, config.temporal.namespace, name))) {
        if (Date.now() > deadline)
          throw new ConfigError(`No worker asks for work on the task queue ${name}.`);
        await delay(POLL_MS);
      }
    }
  } finally {
    await connection.close();
  }
}

async function isPolled(connection: Connection, namespace: string, name: string): Promise<boolean> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name },
    taskQueueType: ACTIVITY,
  });
  return pollers.length > 0;
}
