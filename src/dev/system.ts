import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readConfig } from '../config';
import { migrate } from '../database/migrate';
import { createPool } from '../database/pool';
import { ConfigError } from '../errors';
import { createLogger } from '../log';
import { setUpTemporal } from '../setup';
import type { Environment } from './cache';
import type { PartsOptions } from './part';
import { startParts, type Parts } from './parts';
import { untilPolled } from './pollers';
import { startProcess, type ManagedProcess } from './processes';

/** The API answers its readiness within this time, or something is wrong. A loaded machine may need a multiple of 2 s. */
const READY_MAX_MS = 60_000;
const POLL_MS = 50;

/** The whole product, each part a process of its own. */
export interface System {
  /** Of the API. */
  url: string;
  parts: Parts;
  /** Resolves once an order can be placed. */
  ready: Promise<void>;
  /** Resolves with the name of the first process that ended by itself. */
  firstToEnd: Promise<string>;
  /** Stops what was started, last first. */
  stop(): Promise<void>;
}

/** Starts embedded parts where the environment names none, prepares them, then the API and the worker. */
export async function startSystem(options: PartsOptions): Promise<System> {
  const parts = await startParts(options);
  try {
    await prepare(parts.environment);
    const children = await startOwn(parts, options);
    const url = parts.places[0]![1];
    const ready = Promise.all([
      untilReady(`${url}/readyz`, children),
      untilPolled(readConfig(parts.environment)),
    ]).then(() => undefined);
    return {
      url,
      parts,
      ready,
      firstToEnd: Promise.race([
        parts.firstToEnd,
        ...children.map(async (child) => (await child.exited, child.name)),
      ]),
      async stop() {
        for (const child of children.reverse()) await child.stop();
        await parts.stop();
      },
    };
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

/** Migrations and what Temporal must have. Both are safe to repeat. */
export async function prepare(environment: Environment): Promise<void> {
  const config = readConfig(environment);
  const log = createLogger({ level: 'warn', name: 'aftercommit-dev' });
  const pool = createPool({ url: config.databaseUrl, size: 1, name: 'aftercommit-dev', log });
  try {
    await Promise.all([migrate(pool, log), setUpTemporal(config)]);
  } finally {
    await pool.end();
  }
}

/** The API and the worker, as in production. */
function startOwn(parts: Parts, { dataDirectory, programs }: PartsOptions): Promise<ManagedProcess[]> {
  const env = Object.fromEntries(
    Object.entries(parts.environment).filter(([, value]) => value !== undefined),
  );
  return Promise.all(
    ['worker', 'api'].map((name) =>
      startProcess({
        name,
        command: process.execPath,
        args: [path.join(programs, `${name}.js`)],
        env,
        logFile: path.join(dataDirectory, `${name}.log`),
        pidFile: path.join(dataDirectory, `${name}.pid.json`),
        // Running activities are let finish first.
        stopTimeoutMs: 40_000,
      }),
    ),
  );
}

/**
 * Waits until the API at this address is ready.
 * @throws ConfigError when one of its processes ended, or it is not ready in time
 */
export async function untilReady(url: string, children: ManagedProcess[]): Promise<void> {
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
