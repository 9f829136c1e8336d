import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * What the checker looks at: rows of the database and the logs of the simulated providers. It shares no code with the
 * product, so that a mistake there is not made here too.
 */

/** What can run a query, for instance a client of the pg package. */
export interface Database {
  query<Row extends object>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/** One line of a provider's log. */
export interface LogEntry {
  type: string;
  at: string;
  [member: string]: unknown;
}

export interface Violation {
  /** The invariant, as the reliability document names it. */
  name: string;
  detail: string;
}

/** Whose logs there are: the simulated systems of others. */
export const LOGS = ['twilio', 'payments', 'carrier', 'points', 'cart', 'sink'] as const;
export type Logs = Record<(typeof LOGS)[number], LogEntry[]>;

export interface Evidence extends Logs {
  database: Database;
  /** Idempotency keys that orders were asked for with, without quotes; absent: not checked. */
  keys?: { caller: string; key: string }[];
  /** A phone number that must be nowhere but in its own column. */
  canary?: string;
  /** Texts that must not hold the canary: histories, logs of processes. */
  texts?: { name: string; text: string }[];
  counts?: Counts;
}

/** What a run set out to do and what came of it. */
export interface Counts {
  planned: number;
  attempted: number;
  succeeded: number;
  /** How often each planned fault struck. */
  faults: Record<string, number>;
}

/** One invariant: everything that breaks it, in words. */
export interface Invariant {
  name: string;
  find: (evidence: Evidence) => Promise<string[]> | string[];
}

/** Reads a JSONL log. A torn last line is no fact. */
export function readLog(file: string): LogEntry[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as LogEntry];
      } catch {
        return [];
      }
    });
}

export function readLogs(files: Record<(typeof LOGS)[number], string>): Logs {
  return Object.fromEntries(LOGS.map((name) => [name, readLog(files[name])])) as Logs;
}

/** RFC 9562, version 5. */
export function nameBasedId(namespace: string, name: string): string {
  const digest = createHash('sha1')
    .update(Buffer.from(namespace.replace(/-/g, ''), 'hex'))
    .update(Buffer.from(name, 'utf8'))
    .digest('hex');
  const variant = ((Number.parseInt(digest.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `5${digest.slice(13, 16)}`,
    `${variant}${digest.slice(18, 20)}`,
    digest.slice(20, 32),
  ].join('-');
}

/** Groups by a key, in order of appearance. */
export function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

export function sumOf(amounts: readonly number[]): number {
  return amounts.reduce((sum, amount) => sum + amount, 0);
}
