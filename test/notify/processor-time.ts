import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { PID_FILE_ENDING } from '../../src/dev/pid-files';
import type { Stack } from '../e2e/stack';

/** Linux counts processor time in hundredths of a second for every program. Source: man 5 proc, man 7 time (USER_HZ). */
const TICK_MS = 10;
/** Fields 14 and 15 of /proc/PID/stat, user and system; counted from behind the command, which may hold spaces. */
const USER_TIME = 14 - 3;
const SYSTEM_TIME = 15 - 3;

export const PARTS = ['worker', 'temporal'] as const;
/** Milliseconds of processor time since the start of each process; NaN where the system does not tell. */
export type ProcessorTime = Record<(typeof PARTS)[number], number>;

/** What worker and Temporal have used so far. */
export function processorTimeOf(stack: Stack): ProcessorTime {
  return { worker: timeOf(workerOf(stack)), temporal: timeOf(stack.temporalServer.process.pid) };
}

function timeOf(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return Number.NaN;
  const stat = readFileSync(file, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME])) * TICK_MS;
}

/** From its pid file, which stands beside the logs. */
function workerOf({ logFiles }: Stack): number {
  const directory = path.dirname(logFiles.twilio);
  const file = readdirSync(directory).find(
    (name) => name.startsWith('worker.') && name.endsWith(PID_FILE_ENDING),
  );
  if (file === undefined) return Number.NaN;
  const { child } = JSON.parse(readFileSync(path.join(directory, file), 'utf8')) as {
    child: { pid: number };
  };
  return child.pid;
}
