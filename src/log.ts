import pino from 'pino';

export type Logger = pino.Logger;

/**
 * Members that must never reach a log line, wherever they stand. Personal data and secrets live in PostgreSQL only;
 * this is the second fence behind not logging bodies at all.
 */
const REDACTED_PATHS = [
  'phone',
  'to',
  'body',
  'secret',
  'password',
  'authorization',
  '*.phone',
  '*.secret',
  '*.password',
  '*.authorization',
  'req.headers.authorization',
  'req.headers["idempotency-key"]',
];

/** One JSON line per entry on stderr, so that stdout stays free for results. */
export function createLogger(options: { level: string; name: string }): Logger {
  return pino(
    { name: options.name, level: options.level, redact: { paths: REDACTED_PATHS, censor: '[redacted]' } },
    pino.destination(2),
  );
}
