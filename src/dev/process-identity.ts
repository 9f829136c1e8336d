import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { errorCode } from './error-code';

/** A process number is used again after a while; with the moment of its start it names one process for good. */
export interface ProcessIdentity {
  pid: number;
  /** Opaque: compare only with another value from this module, on the same machine. */
  started: string;
}

/** Field 22 of /proc/PID/stat is the start time; counted from behind the command, which may hold spaces. */
const STAT_START_TIME = 22 - 3;
const PS_TIMEOUT_MS = 5_000;

/**
 * Tells which process has this number now.
 * @returns undefined when no process has it, when it is a zombie, or when the system cannot tell (Windows)
 */
export function identify(pid: number): ProcessIdentity | undefined {
  const started = existsSync('/proc/self/stat') ? startedByProc(pid) : startedByPs(pid);
  return started === undefined ? undefined : { pid, started };
}

/** True when the process that was identified earlier still runs; false when its number went to another one. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.started === identity.started;
}

/** The command line, or undefined when it cannot be read. */
export function commandLine(pid: number): string | undefined {
  try {
    if (existsSync('/proc/self/stat')) {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    }
    return ps(pid, 'command=');
  } catch {
    return undefined;
  }
}

/**
 * Sends a signal to a process, or to its whole group when the number is negative.
 * @returns false when it is already gone
 * @throws the system's error when the process belongs to another user
 */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

function startedByProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    // The start time counts from boot: without the boot's own id it would repeat after a restart of the machine.
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}/${fields[STAT_START_TIME]}`;
  } catch {
    return undefined;
  }
}

function startedByPs(pid: number): string | undefined {
  try {
    return ps(pid, 'lstart=');
  } catch {
    return undefined;
  }
}

function ps(pid: number, column: string): string | undefined {
  const output = execFileSync('ps', ['-o', column, '-p', String(pid)], {
    encoding: 'utf8',
    timeout: PS_TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return output.trim() || undefined;
}
