import { createServer } from 'node:http';
import { Pool } from 'pg';
import { createConsumer, createTables } from '.';

const { DATABASE_URL, WEBHOOK_SECRETS, PORT = '3100', HOST = '127.0.0.1' } = process.env;
/** Below the sender's `timeoutMs` of 5 s: whoever waits for a lock or a dead server longer than that answers to nobody. */
const DATABASE_TIMEOUT_MS = 4_000;

async function main(): Promise<void> {
  if (!DATABASE_URL || !WEBHOOK_SECRETS) {
    throw new Error(
      'DATABASE_URL and WEBHOOK_SECRETS must be set (several secrets with commas between them)',
    );
  }
  const pool = new Pool({
    connectionString: DATABASE_URL,
    connectionTimeoutMillis: DATABASE_TIMEOUT_MS,
    statement_timeout: DATABASE_TIMEOUT_MS,
    query_timeout: DATABASE_TIMEOUT_MS,
  });
  pool.on('error', (error) => say(`an idle database connection broke: ${nameOf(error)}`));
  await createTables(pool);
  const app = createConsumer({
    pool,
    secrets: WEBHOOK_SECRETS.split(','),
    onEvent: ({ id, type }) => say(`${type} ${id}`),
    onError: (error) => say(`failed: ${nameOf(error)}`),
  });
  const server = createServer(app).listen(Number(PORT), HOST, () =>
    say(`receives deliveries at http://${HOST}:${PORT}/events`),
  );
  // What was accepted is finished: its answer tells the sender that it need not come again.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close(() => void pool.end()));
}

/** Never the message: PostgreSQL's may hold values of the event. */
function nameOf(error: unknown): string {
  const { name = 'Error', code = '' } = (error ?? {}) as { name?: string; code?: string };
  return `${name} ${code}`.trimEnd();
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : 'failed to start'}\n`);
  process.exitCode = 1;
});
