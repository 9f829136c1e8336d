import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../errors';
import { errorCode } from './error-code';
import { identify, isAlive, type ProcessIdentity } from './process-identity';

/** Slower than any build or download that is guarded by a lock, with the longest at about 15 minutes. */
const WAIT_MS_MAX = 30 * 60_000;
const POLL_MS = 500;

/** How a lock is taken. */
export interface LockOptions {
  /** The lock file; its directory is made. */
  file: string;
  /** Called once when another process holds the lock, before waiting for it. */
  onWait?: (holderPid: number) => void;
}

/**
 * Runs a step while no other process runs a step under the same file. A lock whose holder died is taken over.
 * @throws ConfigError when the holder keeps it for more than 30 minutes
 */
export async function withLock<T>(options: LockOptions, step: () => Promise<T>): Promise<T> {
  await mkdir(path.dirname(options.file), { recursive: true });
  const content = JSON.stringify({ ...ownIdentity(), token: randomUUID() });
  await acquire(options, content);
  try {
    return await step();
  } finally {
    await rm(options.file, { force: true });
  }
}

async function acquire(options: LockOptions, content: string): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  let told = false;
  while (!(await create(options.file, content))) {
    const held = await readFile(options.file, 'utf8').catch(() => undefined);
    if (held === undefined) continue;
    const holder = parseHolder(held);
    if (holder === undefined || !isAlive(holder)) {
      await discard(options.file, held);
      continue;
    }
    if (!told) options.onWait?.(holder.pid);
    told = true;
    if (Date.now() > deadline) {
      throw new ConfigError(`${options.file} has been held by process ${holder.pid} for 30 minutes.`);
    }
    await delay(POLL_MS);
  }
}

/** A hard link to a finished file makes the lock appear with its content, so a reader never sees half of it. */
async function create(file: string, content: string): Promise<boolean> {
  const draft = `${file}.${process.pid}.${randomUUID()}`;
  await writeFile(draft, content);
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Two processes may find the same dead lock: the one that moved a newer lock aside by mistake puts it back. */
async function discard(file: string, expected: string): Promise<void> {
  const aside = `${file}.${process.pid}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  const moved = await readFile(aside, 'utf8');
  if (moved !== expected) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

function ownIdentity(): ProcessIdentity {
  return identify(process.pid) ?? { pid: process.pid, started: '' };
}

function parseHolder(content: string): ProcessIdentity | undefined {
  try {
    const parsed = JSON.parse(content) as Partial<ProcessIdentity>;
    if (typeof parsed.pid !== 'number' || typeof parsed.started !== 'string') return undefined;
    return { pid: parsed.pid, started: parsed.started };
  } catch {
    return undefined;
  }
}
