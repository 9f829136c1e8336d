import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../errors';
import { errorCode } from './error-code';
import { identify, isAlive, sendSignal, type ProcessIdentity } from './process-identity';

/** What a pid file holds: the child, and the process that started it and is responsible for it. */
interface PidFile {
  name: string;
  child: ProcessIdentity;
  owner: ProcessIdentity;
  stopSignal: NodeJS.Signals;
}

/** The ending that stopLeftovers looks for. */
export const PID_FILE_ENDING = '.pid.json';

const STOP_TIMEOUT_MS = 15_000;
const KILL_TIMEOUT_MS = 5_000;
const POLL_MS = 50;

/** Notes that a child of ours runs. Does nothing where processes cannot be told apart (Windows). */
export function writePidFile(
  file: string,
  child: { pid: number; name: string; stopSignal: NodeJS.Signals },
): void {
  const identity = identify(child.pid);
  const owner = identify(process.pid);
  if (identity === undefined || owner === undefined) return;
  const content: PidFile = { name: child.name, child: identity, owner, stopSignal: child.stopSignal };
  mkdirSync(path.dirname(file), { recursive: true });
  // Renamed into place: a start that reads while we write sees the old file or the new one, never half of it.
  writeFileSync(`${file}.${process.pid}`, JSON.stringify(content), { mode: 0o600 });
  renameSync(`${file}.${process.pid}`, file);
}

/** Removes the file unless it meanwhile tells of another process. */
export function removePidFile(file: string, pid: number): void {
  if (readPidFile(file)?.child.pid === pid) rmSync(file, { force: true });
}

/**
 * Ends the children that an earlier run left behind because it was killed outright. A number that meanwhile belongs
 * to another process is left alone.
 * @param directory - where the earlier run wrote its pid files; it may not exist
 * @returns the names of the children that were ended
 * @throws ConfigError when the run that started them is still alive: two runs must not share a data directory
 */
export async function stopLeftovers(directory: string): Promise<string[]> {
  const stopped: string[] = [];
  const files = listPidFiles(directory).map((file) => ({ file, content: readPidFile(file) }));
  for (const { content } of files) {
    if (content !== undefined && isAlive(content.child) && isAlive(content.owner)) {
      throw new ConfigError(
        `${content.name} (process ${content.child.pid}) already runs for process ${content.owner.pid} with the data in ` +
          `${directory}. Stop that one first, or choose another AFTERCOMMIT_DATA_DIR.`,
      );
    }
  }
  for (const { file, content } of files) {
    if (content !== undefined && isAlive(content.child)) {
      await stopProcess(content.child, content.stopSignal);
      stopped.push(content.name);
    }
    rmSync(file, { force: true });
  }
  return stopped;
}

/**
 * Ends a process that is not our child: the signal, then SIGKILL when it is still there after 15 s.
 * @throws ConfigError when it survives even that, or belongs to another user
 */
export async function stopProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  try {
    sendSignal(identity.pid, signal);
    if (await goneWithin(identity, STOP_TIMEOUT_MS)) return;
    sendSignal(identity.pid, 'SIGKILL');
    if (await goneWithin(identity, KILL_TIMEOUT_MS)) return;
  } catch (error) {
    if (errorCode(error) !== 'EPERM') throw error;
    throw new ConfigError(`Process ${identity.pid} belongs to another user and must be stopped first.`, {
      cause: error,
    });
  }
  throw new ConfigError(`Process ${identity.pid} cannot be stopped.`);
}

async function goneWithin(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(identity)) {
    if (Date.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

function listPidFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(PID_FILE_ENDING))
      .map((name) => path.join(directory, name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function readPidFile(file: string): PidFile | undefined {
  try {
    const content = JSON.parse(readFileSync(file, 'utf8')) as Partial<PidFile>;
    if (typeof content.child?.pid !== 'number' || typeof content.owner?.pid !== 'number') return undefined;
    return content as PidFile;
  } catch {
    return undefined;
  }
}
