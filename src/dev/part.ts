import { setting, type Environment } from './cache';
import type { Ports } from './part-ports';
import type { ManagedProcess } from './processes';

export interface PartsOptions {
  environment: Environment;
  dataDirectory: string;
  /** Where the compiled programs are. */
  programs: string;
  say: (line: string) => void;
  /** Tried first in place of the usual ones. */
  ports?: Partial<Ports>;
}

/** One part that runs, as a process of its own. */
export interface Started {
  name: string;
  /** Settings that lead API and worker to it. */
  settings: Record<string, string>;
  places: [name: string, place: string][];
  process: ManagedProcess;
  stop(): Promise<void>;
}

/** Set by itself, or through a file. */
export function has(environment: Environment, name: string): boolean {
  return setting(environment, name) !== undefined || setting(environment, `${name}_FILE`) !== undefined;
}
