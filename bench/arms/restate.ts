import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { findFreePort } from '../../src/dev/ports';
import { startProcess, type ManagedProcess } from '../../src/dev/processes';
import { waitFor } from '../../test/support/wait';
import type { Arm, ArmPlaces, RunningArm } from './arm';
import { SHOP_BOOKS } from './books';
import { startNode, stopAll, untilReady } from './program';

const PEERS = path.resolve(__dirname, '../peers');
/** npm brings the server's program for each system in a package of its own. */
const SERVER = path.join(
  PEERS,
  `node_modules/@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`,
);
const START_MS_MAX = 60_000;
/** Each shard of work has a loop and a log of its own; 24 is for a cluster, and costs two cores more than it gives. */
const PARTITIONS = 4;

/** Restate, with a server of its own that keeps its log on the same disk. */
export const RESTATE_ARM: Arm = {
  name: 'restate',
  title: 'Restate, durable steps',
  needsTemporal: false,
  books: SHOP_BOOKS,
  unavailable: () => (existsSync(SERVER) ? null : 'its server is not installed: npm ci in bench/peers'),
  start,
};

interface Ports {
  api: number;
  service: number;
  ingress: number;
  admin: number;
  node: number;
}

async function start(places: ArmPlaces): Promise<RunningArm> {
  const ports = await choosePorts();
  const storage = await mkdtemp(path.join(places.directory, 'restate-'));
  const server = await startServer(storage, ports);
  const started = [server];
  const stop = async (): Promise<void> => {
    await stopAll(started);
    await rm(storage, { recursive: true, force: true });
  };
  try {
    const node = await startNode({
      name: 'restate',
      file: path.join(PEERS, 'restate.mjs'),
      directory: places.directory,
      settings: {
        PORT: String(ports.api),
        DATABASE_URL: places.databaseUrl,
        SINK_URL: places.sinkUrl,
        TWILIO_URL: places.twilioUrl,
        RESTATE_INGRESS_URL: `http://127.0.0.1:${ports.ingress}`,
        RESTATE_ADMIN_URL: `http://127.0.0.1:${ports.admin}`,
        RESTATE_SERVICE_PORT: String(ports.service),
      },
    });
    started.push(node);
    const url = `http://127.0.0.1:${ports.api}`;
    await untilReady(url, [node]);
    return { url, nodes: [node], engines: [server], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function choosePorts(): Promise<Ports> {
  const taken = new Set<number>();
  const next = async (): Promise<number> => {
    const port = await findFreePort({ name: 'Restate', preferred: 0, taken });
    taken.add(port);
    return port;
  };
  return {
    api: await next(),
    service: await next(),
    ingress: await next(),
    admin: await next(),
    node: await next(),
  };
}

async function startServer(storage: string, ports: Ports): Promise<ManagedProcess> {
  const server = await startProcess({
    name: 'restate-server',
    command: SERVER,
    args: ['--no-logo', '--listen-mode', 'tcp', '--bind-ip', '127.0.0.1', '--node-name', 'bench'],
    cwd: storage,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      RESTATE_BASE_DIR: storage,
      RESTATE_BIND_PORT: String(ports.node),
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${ports.node}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ports.ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${ports.admin}`,
      RESTATE_DEFAULT_NUM_PARTITIONS: String(PARTITIONS),
      RESTATE_DISABLE_TELEMETRY: 'true',
      RESTATE_LOG_FILTER: 'warn',
    },
    logFile: path.join(storage, 'restate.log'),
    pidFile: path.join(storage, 'restate.pid.json'),
  });
  await waitFor(
    'Restate answers',
    async () =>
      !server.isRunning() ||
      ((await fetch(`http://127.0.0.1:${ports.admin}/health`)).ok &&
        (await fetch(`http://127.0.0.1:${ports.ingress}/restate/health`)).ok),
    { deadlineMs: START_MS_MAX, describe: () => server.lastLines() },
  );
  if (!server.isRunning()) throw new Error(`Restate ended at its start:\n${server.lastLines()}`);
  return server;
}
