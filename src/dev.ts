import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { processEnvironment, readConfig } from './config';
import { migrate } from './database/migrate';
import { createPool } from './database/pool';
import { setting, type Environment } from './dev/cache';
import { removeData, startParts, type Parts } from './dev/parts';
import { untilPolled } from './dev/pollers';
import { startProcess, type ManagedProcess } from './dev/processes';
import { curlLine, stockSample, tellSampleOrder } from './dev/story';
import { ConfigError } from './errors';
import { createLogger } from './log';
import { EXIT, runMain } from './main';
import { setUpTemporal } from './setup';

/** The API answers its readiness within this time, or something is wrong. A loaded machine may need a multiple of 2 s. */
const READY_MAX_MS = 60_000;
const POLL_MS = 50;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** `npm start`: the whole system in one command, on embedded parts where the environment names none. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { fresh: { type: 'boolean', default: false } } });
  const environment = processEnvironment();
  const dataDirectory = path.resolve(setting(environment, 'AFTERCOMMIT_DATA_DIR') ?? '.data');
  const stopAsked = untilStopAsked();
  if (values.fresh) await removeData(dataDirectory);

  const stops: (() => Promise<unknown>)[] = [];
  let exitCode: number = EXIT.ok;
  try {
    say('Starting PostgreSQL, Temporal and the simulated providers …');
    const parts = await startParts({ environment, dataDirectory, programs: __dirname, say });
    stops.push(() => parts.stop());
    await prepare(parts.environment);
    const children = await startOwn(parts, dataDirectory);
    stops.push(...children.map((child) => () => child.stop()));
    const ended = Promise.race([
      parts.firstToEnd,
      ...children.map(async (child) => (await child.exited, child.name)),
    ]);
    await Promise.race([show(parts, children), stopAsked, ended]);
    const name = await Promise.race([stopAsked.then(() => null), ended]);
    if (name !== null) {
      say(`${name} ended by itself. Its log is in ${dataDirectory}.`);
      exitCode = EXIT.failure;
    }
  } finally {
    say('Stopping …');
    for (const stop of stops.reverse()) await stop();
  }
  say('Stopped. The data is kept; npm start goes on with it, npm start -- --fresh begins anew.');
  process.exit(exitCode);
}

/** Migrations and what Temporal must have. Both are safe to repeat. */
async function prepare(environment: Environment): Promise<void> {
  const config = readConfig(environment);
  const log = createLogger({ level: 'warn', name: 'aftercommit-dev' });
  const pool = createPool({ url: config.databaseUrl, size: 1, name: 'aftercommit-dev', log });
  try {
    await Promise.all([migrate(pool, log), setUpTemporal(config)]);
  } finally {
    await pool.end();
  }
}

/** The API and the worker, each a process of its own, as in production. */
function startOwn(parts: Parts, dataDirectory: string): Promise<ManagedProcess[]> {
  const env = Object.fromEntries(
    Object.entries(parts.environment).filter(([, value]) => value !== undefined),
  );
  return Promise.all(
    ['worker', 'api'].map((name) =>
      startProcess({
        name,
        command: process.execPath,
        args: [path.join(__dirname, `${name}.js`)],
        env,
        logFile: path.join(dataDirectory, `${name}.log`),
        pidFile: path.join(dataDirectory, `${name}.pid.json`),
        // Running activities are let finish first.
        stopTimeoutMs: 40_000,
      }),
    ),
  );
}

/** Prints where everything is, and one order's story when no real system would be touched. */
async function show(parts: Parts, children: ManagedProcess[]): Promise<void> {
  const url = parts.places[0]![1];
  await Promise.all([untilReady(`${url}/readyz`, children), untilPolled(readConfig(parts.environment))]);
  say('');
  for (const [name, place] of parts.places) say(`${name.padEnd(14)} ${place}`);
  say('');
  if (parts.allEmbedded) {
    await stockSample(url);
    await tellSampleOrder(url, say);
    say('');
  }
  say('Place an order yourself:');
  say(`  ${curlLine(url)}`);
  say('');
  say('Ctrl-C stops everything.');
}

async function untilReady(url: string, children: ManagedProcess[]): Promise<void> {
  const deadline = Date.now() + READY_MAX_MS;
  for (;;) {
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok === true) return;
    const dead = children.find((child) => !child.isRunning());
    if (dead !== undefined) throw new ConfigError(`${dead.name} ended at its start:\n${dead.lastLines()}`);
    if (Date.now() > deadline) {
      throw new ConfigError(
        `The API is not ready after ${READY_MAX_MS / 1_000} s:\n${(await answer?.text()) ?? 'no answer'}`,
      );
    }
    await delay(POLL_MS);
  }
}

function untilStopAsked(): Promise<void> {
  return new Promise((resolve) => {
    process.on('SIGINT', () => resolve());
    process.on('SIGTERM', () => resolve());
  });
}

runMain(main);
