/**
 * Is the worker of this host well? Asks Temporal whether it polls each of its task queues. Exits 0 when it does, else 1
 * with the reason. Takes the worker's own `--roles`. A health check of the container: the worker listens on no port.
 */
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';

/** A poll is repeated after a minute at the latest; one that is older is of a worker that hangs or is gone. */
const POLL_AGE_MS_MAX = 150_000;
const DEADLINE_MS = 8_000;
/** TASK_QUEUE_TYPE_ACTIVITY of Temporal's API: every role polls for activities. */
const ACTIVITY = 2;

const require = createRequire(import.meta.url);
const { Connection } = require('@temporalio/client');
const { processEnvironment, readConfig } = require('../dist/config.js');
const { temporalConnection } = require('../dist/services.js');
const { TASK_QUEUES } = require('../dist/workflows/messages.js');

async function missingQueues(roles) {
  const config = readConfig(processEnvironment());
  const connection = await Connection.connect({
    ...temporalConnection(config),
    connectTimeout: DEADLINE_MS,
  });
  try {
    const queues = roles.map((role) => TASK_QUEUES[role] ?? role);
    const polled = await connection.withDeadline(Date.now() + DEADLINE_MS, () =>
      Promise.all(queues.map((name) => isPolledFromHere(connection, config.temporal.namespace, name))),
    );
    return queues.filter((_name, index) => !polled[index]);
  } finally {
    await connection.close();
  }
}

/** Temporal names a poller `pid@host`. */
async function isPolledFromHere(connection, namespace, name) {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name },
    taskQueueType: ACTIVITY,
  });
  return pollers.some(
    ({ identity, lastAccessTime }) =>
      identity.endsWith(`@${hostname()}`) &&
      Date.now() - Number(lastAccessTime.seconds) * 1_000 < POLL_AGE_MS_MAX,
  );
}

try {
  const { values } = parseArgs({ options: { roles: { type: 'string' } } });
  const roles = values.roles?.split(',').map((role) => role.trim()) ?? Object.keys(TASK_QUEUES);
  const missing = await missingQueues(roles);
  if (missing.length > 0) {
    console.error(`No worker of this host polls ${missing.join(', ')}.`);
    process.exitCode = 1;
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
