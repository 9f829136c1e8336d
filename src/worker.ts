import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Activities } from './activities';
import { appErrorsAsFailures } from './activities/interceptors';
import { startBridge } from './bridge';
import { processEnvironment, readConfig, type Config } from './config';
import { ConfigError } from './errors';
import type { Logger } from './log';
import { findFreePort, serveMetrics } from './metrics-server';
import { openActivities, openServices, temporalConnection } from './services';
import { runMain } from './main';
import { TASK_QUEUES } from './workflows/messages';

export type Role = keyof typeof TASK_QUEUES;
const ROLES = Object.keys(TASK_QUEUES) as Role[];

/** Made by `npm run build`: no bundler at start, and every worker of one build runs the same workflow code. */
const BUNDLE = join(__dirname, 'workflow-bundle.js');

/** How long running activities may take to end at a shutdown. Longer than any call to someone else (30 s). */
const SHUTDOWN_GRACE = '35s';

/** Options that are the same for each role. */
function sharedOptions(config: Config, connection: NativeConnection): Omit<WorkerOptions, 'taskQueue'> {
  return {
    connection,
    namespace: config.temporal.namespace,
    interceptors: { activity: [() => ({ inbound: appErrorsAsFailures })] },
    shutdownGraceTime: SHUTDOWN_GRACE,
    // A worker that died keeps its workflows for this long; then any other goes on with them. The default is 10 s.
    stickyQueueScheduleToStartTimeout: '5s',
  };
}

/** What each task queue runs: `orders` and `notify` hold workflows too, `publish` activities only. */
function roleOptions(role: Role, activities: Activities, config: Config): Omit<WorkerOptions, 'connection'> {
  const workflowBundle = { codePath: BUNDLE };
  switch (role) {
    case 'orders':
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

/** Runs the workers of these roles in this process until it is told to stop. */
async function main(): Promise<void> {
  const roles = readRoles();
  const config = readConfig(processEnvironment());
  if (!existsSync(BUNDLE)) throw new ConfigError('The workflow bundle is missing. Run: npm run build');
  const services = openServices(config, 'aftercommit-worker');
  const { log, metrics } = services;
  const corePort = await findFreePort();
  Runtime.install({
    logger: temporalLogger(log),
    telemetryOptions: {
      logging: { filter: { core: 'WARN', other: 'WARN' }, forward: {} },
      metrics: { prometheus: { bindAddress: `127.0.0.1:${corePort}` } },
    },
  });
  const metricsServer = await serveMetrics({
    metrics,
    corePort,
    log,
    host: config.host,
    port: config.metricsPort,
  });
  const opened = openActivities(services);
  const connection = await NativeConnection.connect(temporalConnection(config));
  try {
    const workers = await Promise.all(
      roles.map((role) =>
        Worker.create({
          ...sharedOptions(config, connection),
          ...roleOptions(role, opened.activities, config),
        }),
      ),
    );
    const client = new Client({ connection, namespace: config.temporal.namespace });
    const bridge = roles.includes('publish') ? startBridge({ ...services, client }) : null;
    services.log.info({ roles }, 'the worker is running');
    // SIGINT and SIGTERM make each worker drain and its run end.
    await Promise.all(workers.map((worker) => worker.run()));
    await bridge?.close();
  } finally {
    await connection.close();
    await metricsServer.close();
    await opened.close();
    await services.close();
    services.log.info('the worker has stopped');
  }
}

/** Temporal's own lines in ours; its notes of every start and stop are not worth a line. */
function temporalLogger(log: Logger): DefaultLogger {
  return new DefaultLogger('WARN', ({ level, message, meta }) => {
    log[level === 'ERROR' ? 'error' : 'warn'](meta ?? {}, message);
  });
}

function readRoles(): Role[] {
  const { values } = parseArgs({ options: { roles: { type: 'string' } } });
  if (values.roles === undefined) return ROLES;
  const names = values.roles.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !(ROLES as string[]).includes(name));
  if (unknown.length > 0)
    throw new ConfigError(`--roles: there is no ${unknown.join(', ')}; there are ${ROLES.join(', ')}.`);
  return names as Role[];
}

runMain(main);
