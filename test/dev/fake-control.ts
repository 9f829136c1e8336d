import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoredEvidence } from '../../src/dev/evidence-log';

/** A log file of its own in a new directory. */
export function temporaryLog(): { logFile: string; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'aftercommit-fake-'));
  return {
    logFile: join(directory, 'log.jsonl'),
    remove: () => {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Changes a running fake. @throws Error when it refuses the document */
export async function controlFake(url: string, document: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/_control`, { method: 'POST', body: JSON.stringify(document) });
  const settings = (await response.json()) as Record<string, unknown>;
  if (!response.ok) throw new Error(`control refused: ${JSON.stringify(settings)}`);
  return settings;
}

/** The evidence of one type, or all of it, oldest first. */
export async function evidenceOf(url: string, type?: string): Promise<StoredEvidence[]> {
  const response = await fetch(`${url}/_log`);
  const entries = (await response.json()) as StoredEvidence[];
  return type === undefined ? entries : entries.filter((entry) => entry.type === type);
}

/** Asks until the condition holds. @throws Error after 10 s */
export async function eventually(
  condition: () => Promise<boolean> | boolean,
  withinMs = 10_000,
): Promise<void> {
  const deadlineMs = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`the condition did not hold within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
