import path from 'node:path';
import { readConfig } from '../config';
import { createPool, type Pool } from '../database/pool';
import { createLogger } from '../log';
import type { Environment } from './cache';
import { startFakeSink } from './fake-sink';
import { startParts, type Parts } from './parts';
import { findFreePort } from './ports';
import { startProcess, type ManagedProcess } from './processes';
import { prepare, untilReady } from './system';

/** The whole product for a sale: two processes that are API and worker in one, side by side on one PostgreSQL and Temporal. */
export interface FlashSaleShop {
  /** Addresses of the two. */
  doors: readonly string[];
  webUi: string;
  pool: Pool;
  /** What the simulated systems of others saw and did, JSONL. */
  logFiles: Record<'payments' | 'twilio' | 'sink', string>;
  /** kill -9: nothing is finished, nothing is told. Started anew at once; resolves when it is ready again. */
  killAndRestart: (door: number) => Promise<void>;
  /** Resolves with what to say when a process ended by itself. */
  firstToEnd: Promise<string>;
  stop(): Promise<void>;
}

const DOORS = 2;
/** The target of all events; its own receiver is in this process. */
const TARGET = 'everything';

/** Waits that fit simulated systems of others, which answer in milliseconds; the defaults are for real ones. */
const SETTINGS: Record<string, string> = {
  AFTERCOMMIT_METRICS_PORT: '0',
  AFTERCOMMIT_PAYMENT_TIMEOUT_MS: '2000',
  AFTERCOMMIT_TWILIO_TIMEOUT_MS: '2000',
  AFTERCOMMIT_NOTIFY_FIRST_LOOK_UP_MS: '500',
  AFTERCOMMIT_NOTIFY_SECOND_LOOK_UP_MS: '1000',
  AFTERCOMMIT_NOTIFY_LATE_LOOK_UP_MS: '2000',
  // Reports go to the first process, and are lost while it is down: then the provider is asked.
  AFTERCOMMIT_NOTIFY_SILENCE_SECONDS: 'sms=20',
  // One number for all buyers.
  AFTERCOMMIT_NOTIFY_DAILY_MAX: '0',
  // Shorter than by default, so that a rush from one machine meets its end.
  AFTERCOMMIT_FLASH_QUEUE_MAX: '150',
  LOG_LEVEL: 'warn',
};

export interface ShopOptions {
  environment: Environment;
  dataDirectory: string;
  programs: string;
  say: (line: string) => void;
}

/** Starts everything and resolves when an order could be placed. */
export async function openShop(options: ShopOptions): Promise<FlashSaleShop> {
  const { dataDirectory, say } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const parts = await startParts({ ...options, environment: { ...options.environment, ...SETTINGS } });
    stops.push(() => parts.stop());
    const sinkFile = path.join(dataDirectory, 'sink.jsonl');
    const sink = await startFakeSink({ port: 0, logFile: sinkFile });
    stops.push(() => sink.close());
    say('Preparing the database and Temporal …');
    await prepare(parts.environment);
    const doors = await openDoors(parts, options);
    stops.push(() => doors.stop());
    await sendEventsTo(doors.urls[0]!, sink.url);
    const pool = openPool(parts.environment);
    stops.push(() => pool.end());
    return {
      doors: doors.urls,
      webUi: new Map(parts.places).get('Web UI') ?? '',
      pool,
      logFiles: {
        payments: path.join(dataDirectory, 'fake-payments.jsonl'),
        twilio: path.join(dataDirectory, 'fake-twilio.jsonl'),
        sink: sinkFile,
      },
      killAndRestart: doors.killAndRestart,
      firstToEnd: Promise.race([parts.firstToEnd, doors.firstToEnd]).then(
        (name) => `${name} ended by itself`,
      ),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function openPool(environment: Environment): Pool {
  const { databaseUrl } = readConfig(environment);
  const log = createLogger({ level: 'warn', name: 'aftercommit-demo' });
  return createPool({ url: databaseUrl, size: 2, name: 'aftercommit-demo', log });
}

interface Doors {
  urls: string[];
  killAndRestart: (door: number) => Promise<void>;
  firstToEnd: Promise<string>;
  stop(): Promise<void>;
}

async function openDoors(parts: Parts, { dataDirectory, programs }: ShopOptions): Promise<Doors> {
  // The first has the port that the simulated systems report to.
  const first = Number(parts.environment['PORT']);
  const taken = new Set([first]);
  const ports = [first];
  while (ports.length < DOORS) {
    const port = await findFreePort({ name: 'API', preferred: 0, taken });
    taken.add(port);
    ports.push(port);
  }
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  let tellEnded: (name: string) => void = () => undefined;
  const firstToEnd = new Promise<string>((resolve) => (tellEnded = resolve));
  const running: (ManagedProcess | undefined)[] = [];
  const opening = new Set<Promise<void>>();

  const start = async (door: number): Promise<void> => {
    const name = `service-${door + 1}`;
    const program = path.join(programs, 'service.js');
    const environment = { ...parts.environment, PORT: String(ports[door]) };
    const child = await startService(name, { program, environment, dataDirectory });
    running[door] = child;
    void child.exited.then(() => running[door] === child && tellEnded(name));
    await untilReady(`${urls[door]}/readyz`, [child]);
  };
  const open = (door: number): Promise<void> => {
    const one = start(door).finally(() => opening.delete(one));
    opening.add(one);
    return one;
  };
  const stop = async (): Promise<void> => {
    // What is being started is there to be stopped only then.
    await Promise.allSettled(opening);
    await Promise.all(running.splice(0).map(async (child) => child?.stop()));
  };
  const killAndRestart = async (door: number): Promise<void> => {
    const victim = running[door];
    if (victim === undefined) return;
    // It is forgotten first: its end is no surprise.
    running[door] = undefined;
    process.kill(victim.pid, 'SIGKILL');
    await victim.exited;
    await open(door);
  };
  try {
    await Promise.all(urls.map((_, door) => open(door)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { urls, firstToEnd, stop, killAndRestart };
}

function startService(
  name: string,
  {
    program,
    environment,
    dataDirectory,
  }: { program: string; environment: Environment; dataDirectory: string },
): Promise<ManagedProcess> {
  return startProcess({
    name,
    command: process.execPath,
    args: [program],
    env: Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)),
    logFile: path.join(dataDirectory, `${name}.log`),
    pidFile: path.join(dataDirectory, `${name}.pid.json`),
    // Running activities are let finish first.
    stopTimeoutMs: 40_000,
  });
}

async function sendEventsTo(door: string, sinkUrl: string): Promise<void> {
  await put(`${door}/v1/targets/${TARGET}`, { kind: 'http', url: `${sinkUrl}/${TARGET}` });
  const pattern = { source: ['ecommerce.orders'] };
  await put(`${door}/v1/rules/${TARGET}`, { pattern, targets: [{ target: TARGET }] });
}

/** @throws Error with the answer when it is no success */
export async function put(url: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`PUT ${url}: ${response.status} ${text}`);
}
