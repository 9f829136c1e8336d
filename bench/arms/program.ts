import path from 'node:path';
import { startProcess, type ManagedProcess } from '../../src/dev/processes';
import { waitFor } from '../../test/support/wait';

/** A loaded machine may need a multiple of the usual five seconds: the plain arm bundles its workflows at its start. */
const READY_MS_MAX = 90_000;
/** Running work is let finish first. */
const STOP_TIMEOUT_MS = 40_000;

export interface ProgramOptions {
  name: string;
  file: string;
  settings: Record<string, string>;
  directory: string;
}

/** Starts a compiled or plain JavaScript program with these settings and nothing of our own. */
export function startNode({ name, file, settings, directory }: ProgramOptions): Promise<ManagedProcess> {
  return startProcess({
    name,
    command: process.execPath,
    args: [file],
    cwd: path.dirname(file),
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_ENV: 'production', ...settings },
    logFile: path.join(directory, `${name}.log`),
    pidFile: path.join(directory, `${name}.${process.hrtime.bigint()}.pid.json`),
    stopTimeoutMs: STOP_TIMEOUT_MS,
  });
}

/** Waits until the API says that it is ready. @throws Error with the end of its log when it does not */
export async function untilReady(url: string, children: readonly ManagedProcess[]): Promise<void> {
  const dead = (): ManagedProcess | undefined => children.find((child) => !child.isRunning());
  await waitFor(`${url} is ready`, async () => dead() !== undefined || (await fetch(`${url}/readyz`)).ok, {
    deadlineMs: READY_MS_MAX,
    describe: () => children.map((child) => child.lastLines()).join('\n'),
  });
  const ended = dead();
  if (ended !== undefined) throw new Error(`${ended.name} ended at its start:\n${ended.lastLines()}`);
}

/** Stops the last first. */
export async function stopAll(children: readonly ManagedProcess[]): Promise<void> {
  for (const child of [...children].reverse()) await child.stop();
}
