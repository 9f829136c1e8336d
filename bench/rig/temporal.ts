import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import { findFreePort } from '../../src/dev/ports';
import { startProcess, type ManagedProcess } from '../../src/dev/processes';
import { waitFor } from '../../test/support/wait';
import type { BenchPostgres } from './postgres';
import {
  temporalConfiguration,
  TEMPORAL_DYNAMIC_CONFIGURATION,
  type TemporalPorts,
} from './temporal-settings';
import { installTemporal, type TemporalPrograms } from './temporal-install';
import { copyTables, makeTables } from './temporal-tables';

export const NAMESPACE = 'default';
const TEMPLATES = { store: 'temporal_template', visibility: 'temporal_visibility_template' };
/** Temporal keeps its ports in columns that end at 32,767. */
const FIRST_PORT = 17_233;
/** Measured: 4 s. */
const START_MS_MAX = 90_000;
/** It waits for clients that have gone; what it has is in PostgreSQL. */
const STOP_TIMEOUT_MS = 3_000;
/** The least that Temporal takes. */
const RETENTION = '1 day';
/** A backend of PostgreSQL that falls idle tells what it counted within this time. Source: PGSTAT_IDLE_INTERVAL, 10 s. */
const COUNTS_TOLD_MS = 11_000;

/** A Temporal server that runs, on databases that nobody used before. */
export interface RunningTemporal {
  address: string;
  pid: number;
  /** Its databases: what happens in them is Temporal's. */
  databases: readonly string[];
  /** Events of all histories, those of closed runs included. */
  historyEvents(): Promise<number>;
  /** Stops the server; its databases stay until `forget`. */
  stop(): Promise<void>;
  forget(): Promise<void>;
}

/** Starts real Temporal servers on the bench's PostgreSQL. */
export interface TemporalRig {
  /** @param settle - wait until its start has been counted, so that commits can be */
  start(options: { settle: boolean }): Promise<RunningTemporal>;
}

/** Installs the server when it is not there, and makes databases with a namespace that each start gets a copy of. */
export async function prepareTemporal(postgres: BenchPostgres, directory: string): Promise<TemporalRig> {
  const programs = await installTemporal(process.env);
  await mkdir(directory, { recursive: true });
  await makeTables(programs, postgres, TEMPLATES.store, 'temporal');
  await makeTables(programs, postgres, TEMPLATES.visibility, 'visibility');
  const ports = await choosePorts();
  const address = `127.0.0.1:${ports.frontend}`;
  const start = async (databases: { store: string; visibility: string }): Promise<ManagedProcess> => {
    const { port, password } = new URL(postgres.urlOf('bench'));
    const file = path.join(directory, 'dynamic.yaml');
    await writeFile(file, TEMPORAL_DYNAMIC_CONFIGURATION);
    await writeFile(
      path.join(directory, 'bench.yaml'),
      temporalConfiguration({ ports, databases, password, postgresPort: port, dynamicConfiguration: file }),
      { mode: 0o600 },
    );
    return startServer(programs, directory, address);
  };
  const first = await start(TEMPLATES);
  await registerNamespace(address);
  await first.stop();

  let starts = 0;
  return {
    async start({ settle }) {
      starts += 1;
      const store = `temporal_${starts}`;
      const visibility = `temporal_visibility_${starts}`;
      await copyTables(postgres, TEMPLATES.store, store);
      await copyTables(postgres, TEMPLATES.visibility, visibility);
      const server = await start({ store, visibility });
      await untilNamespaceIsThere(address, server);
      if (settle) await delay(COUNTS_TOLD_MS);
      return {
        address,
        pid: server.pid,
        databases: [store, visibility],
        async historyEvents() {
          // The id of the next event is one more than there are.
          const [row] = await postgres.query<{ events: number }>(
            'select coalesce(sum(next_event_id - 1), 0)::float8 as events from executions',
            [],
            store,
          );
          return row?.events ?? 0;
        },
        stop: async () => void (await server.stop()),
        async forget() {
          await postgres.drop(store);
          await postgres.drop(visibility);
        },
      };
    },
  };
}

async function choosePorts(): Promise<TemporalPorts> {
  const taken = new Set<number>();
  const next = async (): Promise<number> => {
    const port = await findFreePort({ name: 'Temporal', preferred: FIRST_PORT, taken });
    taken.add(port);
    return port;
  };
  return {
    frontend: await next(),
    http: await next(),
    history: await next(),
    matching: await next(),
    worker: await next(),
    membership: [await next(), await next(), await next(), await next()],
  };
}

async function startServer(
  { server }: TemporalPrograms,
  directory: string,
  address: string,
): Promise<ManagedProcess> {
  const child = await startProcess({
    name: 'temporal-server',
    command: server,
    args: ['--root', directory, '--config', '.', '--env', 'bench', '--allow-no-auth', 'start'],
    cwd: directory,
    // Source of the number: what is known of a rig with two cores; its default of 100 collects garbage four times as often.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], GOGC: '400' },
    logFile: path.join(directory, 'temporal.log'),
    pidFile: path.join(directory, 'temporal.pid.json'),
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
  await waitFor('Temporal answers', () => !child.isRunning() || answers(address), {
    deadlineMs: START_MS_MAX,
    describe: () => child.lastLines(),
  });
  if (!child.isRunning()) throw new Error(`Temporal ended at its start:\n${child.lastLines()}`);
  return child;
}

async function answers(address: string): Promise<boolean> {
  await withConnection(address, (connection) => connection.workflowService.getSystemInfo({}));
  return true;
}

async function registerNamespace(address: string): Promise<void> {
  await withConnection(address, (connection) =>
    connection.workflowService.registerNamespace({
      namespace: NAMESPACE,
      workflowExecutionRetentionPeriod: msToTs(RETENTION),
    }),
  );
}

async function untilNamespaceIsThere(address: string, server: ManagedProcess): Promise<void> {
  await waitFor(
    'Temporal knows the namespace',
    () =>
      withConnection(address, (connection) =>
        connection.workflowService.countWorkflowExecutions({ namespace: NAMESPACE }),
      ),
    { deadlineMs: START_MS_MAX, describe: () => server.lastLines() },
  );
}

async function withConnection<T>(address: string, use: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address, connectTimeout: 2_000 });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}
