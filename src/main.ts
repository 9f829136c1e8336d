import { ConfigError } from './errors';

/** Exit codes. Source: the HTTP contract, "Access", the line on the command line. */
export const EXIT = { ok: 0, failure: 1, config: 2, unreachable: 3, refused: 5, broken: 8 } as const;

/**
 * Runs a process: a wrong configuration ends it with 2 and its text, anything else that escapes with 1. On stderr,
 * without a stack for what the reader can mend.
 */
export function runMain(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`);
      process.exit(EXIT.config);
    }
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(isUnreachable(error) ? EXIT.unreachable : EXIT.failure);
  });
}

/** Resolves when the process is told to stop: `docker stop`, or Ctrl-C. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}

/** PostgreSQL or Temporal did not answer at start. */
function isUnreachable(error: unknown): boolean {
  const text =
    error instanceof Error ? `${error.name} ${error.message} ${(error as { code?: string }).code ?? ''}` : '';
  return /ECONNREFUSED|TransportError|Failed to connect|database_unavailable/i.test(text);
}
