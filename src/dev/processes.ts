import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, statSync, truncateSync } from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../errors';
import { isExecutableFile } from './commands';
import { errorCode } from './error-code';
import { removePidFile, writePidFile } from './pid-files';
import { sendSignal } from './process-identity';
import { CAN_WATCH, LIFELINE, watched } from './watcher';

/** A child to be started and watched. */
export interface ProcessOptions {
  /** Short name for messages: "temporal". */
  name: string;
  command: string;
  args: string[];
  cwd?: string;
  /** The child's whole environment. Default: ours. */
  env?: NodeJS.ProcessEnv;
  /** Run as this user; only root can. */
  user?: { uid: number; gid: number } | undefined;
  /** Gets the child's stdout and stderr, appended. */
  logFile: string;
  /** Written while the child runs; see stopLeftovers. */
  pidFile?: string;
  /** True lets the child go on when we are killed outright. Default false. */
  outlivesUs?: boolean;
  /** Default SIGTERM. */
  stopSignal?: NodeJS.Signals;
  /** How long the child may take to end before it is killed, in milliseconds. Default 10,000. */
  stopTimeoutMs?: number;
}

/** How a child ended. */
export interface ExitStatus {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A child that runs under our supervision. */
export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the child has ended, whatever the reason; never rejects. */
  readonly exited: Promise<ExitStatus>;
  isRunning(): boolean;
  /** The end of what the child wrote since this start; at most 20 lines. */
  lastLines(): string;
  /**
   * Sends the stop signal, waits, and kills the child and all of its group when it has not ended in time. Resolves
   * when it is gone. Safe to call again, and when it has already ended.
   */
  stop(): Promise<ExitStatus>;
}

const STOP_TIMEOUT_MS = 10_000;
/** A log is emptied at the start once it is longer: it is for finding out what just happened. */
const LOG_BYTES_MAX = 10 * 1024 * 1024;
const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 20;

const running = new Map<ChildProcess, NodeJS.Signals>();

/**
 * Starts a child in a process group of its own, so that Ctrl-C in the terminal reaches us alone and we stop the
 * children in our order. If we leave without stopping it, it is signalled at exit; if we are killed outright, a
 * watcher ends it, and failing that its pid file lets the next start find it.
 * @throws ConfigError when the command cannot be run
 */
export async function startProcess(options: ProcessOptions): Promise<ManagedProcess> {
  const log = openLog(options.logFile);
  let child: ChildProcess;
  try {
    child = await spawnChild(options, log.descriptor);
  } finally {
    // The child has its own copy of the descriptor.
    closeSync(log.descriptor);
  }
  const exited = new Promise<ExitStatus>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const pid = await spawned(child, options);
  watchExit(child, pid, options);
  return supervise({ child, pid, exited, options, logStart: log.start });
}

async function spawnChild(options: ProcessOptions, log: number): Promise<ChildProcess> {
  // The shell that runs the watcher would report it less clearly.
  if (path.isAbsolute(options.command) && !(await isExecutableFile(options.command))) {
    throw new ConfigError(`${options.name} cannot be run: ${options.command} is not an executable file.`);
  }
  const isWatched = CAN_WATCH && options.outlivesUs !== true;
  const { command, args } = isWatched ? watched(options, options.stopSignal ?? 'SIGTERM') : options;
  return spawn(command, args, {
    detached: true,
    stdio: ['ignore', log, log, ...(isWatched ? (['pipe'] as const) : [])],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.user ?? {}),
  });
}

async function spawned(child: ChildProcess, options: ProcessOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      reject(
        new ConfigError(`${options.name} cannot be run (${options.command}): ${error.message}`, {
          cause: error,
        }),
      );
    });
  });
  if (child.pid === undefined) throw new TypeError(`${options.name} started without a process number`);
  return child.pid;
}

function watchExit(child: ChildProcess, pid: number, options: ProcessOptions): void {
  const stopSignal = options.stopSignal ?? 'SIGTERM';
  const lifeline = child.stdio[LIFELINE] as Socket | null | undefined;
  // It must not keep us alive by itself, and it breaks when the child is killed.
  lifeline?.unref();
  lifeline?.on('error', () => undefined);
  if (running.size === 0) process.once('exit', signalAll);
  running.set(child, stopSignal);
  const forget = (): void => {
    running.delete(child);
    // With it goes the watcher, which otherwise would wait for us for ever.
    if (CAN_WATCH) killGroup(pid);
    lifeline?.destroy();
    if (running.size === 0) process.removeListener('exit', signalAll);
    if (options.pidFile !== undefined) removePidFile(options.pidFile, pid);
  };
  child.once('exit', forget);
  if (options.pidFile === undefined) return;
  writePidFile(options.pidFile, { pid, name: options.name, stopSignal });
  // It may have ended while the file was being written; then nobody else would remove it.
  if (child.exitCode !== null || child.signalCode !== null) forget();
}

function supervise(state: {
  child: ChildProcess;
  pid: number;
  exited: Promise<ExitStatus>;
  options: ProcessOptions;
  logStart: number;
}): ManagedProcess {
  const { child, pid, exited, options } = state;
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  let stopping: Promise<ExitStatus> | undefined;
  const stop = async (): Promise<ExitStatus> => {
    if (isRunning()) sendSignal(pid, options.stopSignal ?? 'SIGTERM');
    const ended = await endsWithin(exited, options.stopTimeoutMs ?? STOP_TIMEOUT_MS);
    if (!ended) child.kill('SIGKILL');
    return exited;
  };
  return {
    name: options.name,
    pid,
    exited,
    isRunning,
    lastLines: () => tail(options.logFile, state.logStart),
    stop: () => (stopping ??= stop()),
  };
}

async function endsWithin(exited: Promise<ExitStatus>, timeoutMs: number): Promise<boolean> {
  const timeout = new AbortController();
  try {
    return await Promise.race([
      exited.then(() => true),
      delay(timeoutMs, false, { signal: timeout.signal }).catch(() => false),
    ]);
  } finally {
    timeout.abort();
  }
}

/** What the child started in its group must not outlive it. */
function killGroup(pid: number): void {
  try {
    sendSignal(-pid, 'SIGKILL');
  } catch (error) {
    // macOS answers so for a group in which only ended processes are left.
    if (errorCode(error) !== 'EPERM') throw error;
  }
}

/** At exit nothing can be waited for any more; a signal still lets every child end by itself. */
function signalAll(): void {
  for (const [child, signal] of running) child.kill(signal);
}

function openLog(file: string): { descriptor: number; start: number } {
  mkdirSync(path.dirname(file), { recursive: true });
  const descriptor = openSync(file, 'a', 0o600);
  let start = statSync(file).size;
  if (start > LOG_BYTES_MAX) {
    truncateSync(file);
    start = 0;
  }
  return { descriptor, start };
}

function tail(file: string, start: number): string {
  const descriptor = openSync(file, 'r');
  try {
    const size = statSync(file).size;
    const from = Math.max(start, size - TAIL_BYTES);
    const buffer = Buffer.alloc(Math.max(0, size - from));
    const length = readSync(descriptor, buffer, 0, buffer.length, from);
    return buffer.toString('utf8', 0, length).trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  } finally {
    closeSync(descriptor);
  }
}
