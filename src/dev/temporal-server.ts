import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { ConfigError } from '../errors';
import { errorMessage } from './error-code';
import { startProcess, type ManagedProcess } from './processes';

/** What the development server needs. */
export interface TemporalServerOptions {
  /** The Temporal CLI; see findTemporalCli. */
  executable: string;
  /** gRPC, on 127.0.0.1 only. */
  port: number;
  /** The Web UI, on 127.0.0.1 only. Left out: no Web UI. */
  uiPort?: number;
  /** Made when missing. Default "default". */
  namespace?: string;
  /** SQLite file that keeps workflows between starts. Left out: they end with the server. */
  dbFile?: string;
  /** Name and type (Keyword, Bool, …) of search attributes to have before the server answers. */
  searchAttributes?: Readonly<Record<string, string>>;
  logFile: string;
  pidFile?: string;
}

/** A running development server. */
export interface TemporalServer {
  /** host:port for clients and workers. */
  address: string;
  /** Base URL of the Web UI; undefined when it was not asked for. */
  uiUrl: string | undefined;
  process: ManagedProcess;
  /** Resolves when the server is gone; what it has stored stays in dbFile. */
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
/** Measured: 3 s; a loaded 2-core machine may need a multiple. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 100;
const CONNECT_TIMEOUT_MS = 2_000;
/** The server drains its connections first, which takes up to 10 s while workers poll. */
const STOP_TIMEOUT_MS = 15_000;

/** What the development server leaves off or checks needlessly. */
const DYNAMIC_CONFIG = [
  // Saves the round trip of the first workflow task when starter and worker share a process.
  'system.enableEagerWorkflowStart=true',
  // It would ask the vendor for newer versions.
  'frontend.enableServerVersionCheck=false',
  // A search attribute that was just registered is used at once; the default waits for a minute's cache.
  'system.forceSearchAttributesCacheRefreshOnRead=true',
];

/**
 * Starts Temporal's development server and waits until its namespace, and the Web UI if asked for, answer.
 * @throws ConfigError when it does not start, with the end of its log
 */
export async function startTemporalServer(options: TemporalServerOptions): Promise<TemporalServer> {
  if (options.dbFile !== undefined) await mkdir(path.dirname(options.dbFile), { recursive: true });
  const server = await startProcess({
    name: 'temporal',
    command: options.executable,
    args: serverArguments(options),
    logFile: options.logFile,
    ...(options.pidFile === undefined ? {} : { pidFile: options.pidFile }),
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
  const address = `${HOST}:${options.port}`;
  const uiUrl = options.uiPort === undefined ? undefined : `http://${HOST}:${options.uiPort}`;
  const failure = await waitUntilReady({ server, address, namespace: options.namespace ?? 'default', uiUrl });
  if (failure !== undefined) {
    await server.stop();
    throw new ConfigError(`Temporal does not start on ${address}: ${failure}\n${server.lastLines()}`);
  }
  return { address, uiUrl, process: server, stop: async () => void (await server.stop()) };
}

function serverArguments(options: TemporalServerOptions): string[] {
  const { port, uiPort, namespace = 'default', dbFile, searchAttributes = {} } = options;
  return [
    'server',
    'start-dev',
    `--ip=${HOST}`,
    `--port=${port}`,
    `--namespace=${namespace}`,
    '--log-level=warn',
    ...(uiPort === undefined ? ['--headless'] : [`--ui-ip=${HOST}`, `--ui-port=${uiPort}`]),
    ...(dbFile === undefined ? [] : [`--db-filename=${dbFile}`]),
    ...DYNAMIC_CONFIG.map((value) => `--dynamic-config-value=${value}`),
    ...Object.entries(searchAttributes).map(([name, type]) => `--search-attribute=${name}=${type}`),
  ];
}

/** Undefined once everything answers; otherwise why it did not. */
async function waitUntilReady(parts: {
  server: ManagedProcess;
  address: string;
  namespace: string;
  uiUrl: string | undefined;
}): Promise<string | undefined> {
  const { server, address, namespace, uiUrl } = parts;
  const deadline = Date.now() + START_TIMEOUT_MS;
  let last = '';
  while (server.isRunning()) {
    try {
      await askNamespace(address, namespace);
      if (uiUrl !== undefined) await askWebUi(uiUrl);
      if (server.isRunning()) return undefined;
    } catch (error) {
      last = errorMessage(error);
    }
    if (Date.now() > deadline) return `it does not answer after ${START_TIMEOUT_MS / 1000} s (${last})`;
    await delay(POLL_MS);
  }
  return 'it ended by itself';
}

/** The port answers before the namespace is there, and a worker that starts in between fails for good. */
async function askNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: CONNECT_TIMEOUT_MS });
  try {
    await connection.withDeadline(Date.now() + CONNECT_TIMEOUT_MS, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
  } finally {
    await connection.close();
  }
}

async function askWebUi(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the Web UI answers ${response.status}`);
}
