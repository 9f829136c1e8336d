import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Client, ServiceError } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { DeliveryDeps } from './activities/deliveries';
import { startBridge } from './bridge';
import { ConfigError } from './errors';
import type { Logger } from './log';
import { findFreePort, serveMetrics, type MetricsServer } from './metrics-server';
import { openActivities, openDeliveries, temporalConnection, type Services } from './services';
import { BUNDLE, workerOptions, type Role } from './worker-options';
import { TASK_QUEUES } from './workflows/messages';

export const ROLES = Object.keys(TASK_QUEUES) as Role[];

/** The workers of a process, and what they run on. */
export interface Workers {
  /** On the workers' own connection: what it starts may begin here, without a detour over a task queue. */
  client: Client;
  /** What the workers' activities deliver with. */
  deliveries: DeliveryDeps;
  /** Settles when the workers have ended; rejects when one of them failed. */
  ended: Promise<void>;
  /** Running activities end first. Call it once, also after a failure. */
  close(): Promise<void>;
}

/**
 * Starts the workers of these roles, one for each task queue.
 * @throws TransportError when Temporal does not answer
 */
export async function openWorkers(services: Services, roles: readonly Role[]): Promise<Workers> {
  const { config, log } = services;
  if (!existsSync(BUNDLE)) throw new ConfigError('The workflow bundle is missing. Run: npm run build');
  const metricsServer = await installRuntime(services);
  const connection = await NativeConnection.connect(nativeConnection(config.temporal.address, services));
  const client = new PunctualClient({ connection, namespace: config.temporal.namespace });
  const deliveries = openDeliveries(services, () => client);
  const opened = openActivities(services, deliveries, () => client);
  const workers = await Promise.all(
    roles.map((role) => Worker.create({ connection, ...workerOptions(role, opened.activities, config) })),
  );
  const running = workers.map((worker) => worker.run());
  const ended = Promise.all(running).then(() => undefined);
  // Heard by whoever waits for it; a failure during a shutdown has nobody else.
  ended.catch((error: unknown) => log.error({ error: String(error) }, 'a worker failed'));
  const bridge = roles.includes('publish') ? startBridge({ ...services, client }) : null;
  log.info({ roles }, 'the worker is running');
  return {
    client,
    deliveries: deliveries.deps,
    ended,
    async close() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(running);
      await bridge?.close();
      await connection.close();
      await metricsServer.close();
      await opened.close();
      await deliveries.close();
      log.info('the worker has stopped');
    },
  };
}

/** Temporal's core: one for each process. Its figures are served with ours. */
async function installRuntime({ config, log, metrics }: Services): Promise<MetricsServer> {
  const corePort = await findFreePort();
  Runtime.install({
    logger: temporalLogger(log),
    // Whoever runs the workers shuts them down: a request that waits for its commit ends before them.
    shutdownSignals: [],
    telemetryOptions: {
      logging: { filter: { core: 'WARN', other: 'WARN' }, forward: {} },
      metrics: { prometheus: { bindAddress: `127.0.0.1:${corePort}` } },
    },
  });
  return serveMetrics({ metrics, corePort, log, host: config.host, port: config.metricsPort });
}

/** Temporal's own lines in ours; its notes of every start and stop are not worth a line. */
function temporalLogger(log: Logger): DefaultLogger {
  return new DefaultLogger('WARN', ({ level, message, meta }) => {
    log[level === 'ERROR' ? 'error' : 'warn'](meta ?? {}, message);
  });
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/;

/** Compression (gzip) is for networks: on loopback it costs CPU on both sides and saves nothing. */
function nativeConnection(
  address: string,
  { config }: Services,
): Parameters<typeof NativeConnection.connect>[0] {
  return {
    ...temporalConnection(config),
    ...(LOOPBACK.test(address) ? { grpcCompression: { codec: 'none' } } : {}),
  };
}

/**
 * A client whose deadlines hold. The core beneath repeats a call that failed, and each repeat has the whole time again;
 * whoever names a deadline means all of them together.
 */
class PunctualClient extends Client {
  override async withDeadline<Result>(deadline: number | Date, work: () => Promise<Result>): Promise<Result> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const leftMs = Math.max(0, Number(deadline) - Date.now());
      timer = setTimeout(() => reject(new ServiceError('the deadline has passed')), leftMs);
    });
    try {
      return await Promise.race([super.withDeadline(deadline, work), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** `--roles` of the command line; without it, all. */
export function readRoles(): Role[] {
  const { values } = parseArgs({ options: { roles: { type: 'string' } } });
  if (values.roles === undefined) return ROLES;
  const names = values.roles.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !(ROLES as string[]).includes(name));
  if (unknown.length > 0)
    throw new ConfigError(`--roles: there is no ${unknown.join(', ')}; there are ${ROLES.join(', ')}.`);
  return names as Role[];
}
