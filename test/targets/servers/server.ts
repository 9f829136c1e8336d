import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setting } from '../../../src/dev/cache';
import { startProcess, type ProcessOptions } from '../../../src/dev/processes';
import { waitFor } from '../../support/wait';

/** A real counterpart of a target, in a process of its own. */
export interface Server {
  pid: number;
  /** Stops the process and removes what it stored. */
  stop(): Promise<void>;
}

export interface ServerOptions extends Pick<
  ProcessOptions,
  'command' | 'args' | 'env' | 'stopSignal' | 'user'
> {
  /** Short, for messages and file names: "moto". */
  name: string;
  /** True once it answers; what it throws means not yet. */
  answers: () => Promise<boolean>;
  /** How long it may take to answer, in milliseconds. Default 60,000. */
  startMs?: number;
  /** Where it stores things and writes its log; removed at `stop`. Default: a new directory. */
  directory?: string;
}

/** Brokers on the Java machine took 3 to 12 s on two idle cores; a busy machine is slower. */
const START_MS = 60_000;

/** A directory of its own for a server's settings and files. */
export function serverDirectory(name: string): Promise<string> {
  return mkdtemp(path.join(tmpdir(), `aftercommit-${name}-`));
}

/**
 * Starts a server and waits until it answers.
 * @throws Error with the end of its log when it ends before that or does not answer in time
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { name, answers, startMs = START_MS } = options;
  const directory = options.directory ?? (await serverDirectory(name));
  const child = await startProcess({ ...options, cwd: directory, logFile: path.join(directory, 'log') });
  const stop = async (): Promise<void> => {
    await child.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const ended = child.exited.then(() => {
      throw new Error(`${name} ended while it was starting:\n${child.lastLines()}`);
    });
    const started = waitFor(`${name} answers`, async () => !child.isRunning() || (await answers()), {
      deadlineMs: startMs,
      describe: () => child.lastLines(),
    });
    await Promise.race([started, ended]);
    if (!child.isRunning()) await ended;
    return { pid: child.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const SKIPPED = (setting(process.env, 'AFTERCOMMIT_TEST_TARGETS_SKIP') ?? '')
  .split(',')
  .map((name) => name.trim());

/**
 * The tests that need a server. One that is named in AFTERCOMMIT_TEST_TARGETS_SKIP has them counted as skipped; without
 * it, a server that cannot be had fails them.
 * @param server - its name in that variable: "moto"
 */
export function describeWith(server: string, title: string, tests: () => void): void {
  if (SKIPPED.includes(server)) describe.skip(`${title} (skipped: ${server})`, tests);
  else describe(title, tests);
}
