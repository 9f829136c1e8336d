import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks of Linux's /proc a second. Source: USER_HZ, which is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const MS_PER_TICK = 1_000 / TICKS_PER_SECOND;

interface Stat {
  parent: number;
  /** Of the process itself and of its children that have ended. */
  ticks: number;
}

/**
 * CPU time that processes and all below them have used so far, in milliseconds. A difference of two readings is right
 * also for children that ended in between: their parent counts them.
 */
export function cpuMsOf(pids: readonly number[]): number {
  const stats = readStats();
  const wanted = new Set<number>(pids);
  // A child's number may be below its parent's, so as long as it grows.
  for (let before = -1; before !== wanted.size;) {
    before = wanted.size;
    for (const [pid, { parent }] of stats) if (wanted.has(parent)) wanted.add(pid);
  }
  let ticks = 0;
  for (const pid of wanted) ticks += stats.get(pid)?.ticks ?? 0;
  return ticks * MS_PER_TICK;
}

/** Resident memory of a process, in bytes; 0 when it is gone. */
export function residentBytesOf(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`));
  return Number(line?.[1] ?? 0) * 1_024;
}

function readStats(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = read(`/proc/${name}/stat`);
    // The command's name is in parentheses and may hold anything; what follows are numbers.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (fields.length < 15) continue;
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    stats.set(Number(name), { parent: Number(fields[1]), ticks });
  }
  return stats;
}

/** Empty for a process that ended meanwhile. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
