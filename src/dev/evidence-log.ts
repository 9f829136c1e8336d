import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** One fact: what happened and when. The other members depend on `type`. */
export interface Evidence {
  type: string;
  [member: string]: unknown;
}

export type StoredEvidence = Evidence & { at: string };

/**
 * The append-only JSONL file in which a fake writes what it saw and did, one fact a line. It is the oracle of the
 * tests: a fact is in the file before its answer leaves, so killing either side loses no evidence.
 */
export class EvidenceLog {
  readonly #descriptor: number;

  /** Opens or creates the file, readable by its owner only, because it holds phone numbers and message texts. */
  constructor(readonly file: string) {
    mkdirSync(dirname(file), { recursive: true });
    this.#descriptor = openSync(file, 'a', 0o600);
    if (endsInTornLine(file)) appendFileSync(this.#descriptor, '\n');
  }

  /** Writes the facts in one call, so that a kill leaves all of them or none. */
  append(...facts: Evidence[]): void {
    const at = new Date().toISOString();
    const lines = facts.map(({ type, ...rest }) => `${JSON.stringify({ type, at, ...rest })}\n`);
    appendFileSync(this.#descriptor, lines.join(''));
  }

  /** Everything in the file, oldest first. */
  entries(): StoredEvidence[] {
    return readEvidence(this.file);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/**
 * Reads a log that a fake wrote, also while it runs. A line that does not parse was cut by a full disk before its
 * answer left: nobody was told of it, so it is no fact and is left out.
 */
export function readEvidence(file: string): StoredEvidence[] {
  return readFileSync(file, 'utf8').split('\n').flatMap(parseLine);
}

function parseLine(line: string): StoredEvidence[] {
  if (line === '') return [];
  try {
    return [JSON.parse(line) as StoredEvidence];
  } catch {
    return [];
  }
}

function endsInTornLine(file: string): boolean {
  const text = readFileSync(file, 'utf8');
  return text !== '' && !text.endsWith('\n');
}
