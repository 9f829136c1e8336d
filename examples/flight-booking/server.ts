import { createServer, type RequestListener } from 'node:http';
import { Pool } from 'pg';

/** A lock that is not had in time fails the statement; the transaction is then repeated whole. */
const LOCK_TIMEOUT_MS = 2_000;
const STATEMENT_TIMEOUT_MS = 4_000;

export function openPool(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  });
  pool.on('error', () => console.error('an idle database connection broke'));
  return pool;
}

/** Listens on loopback, prints where, and finishes what it is at when it is told to stop. */
export async function serve(
  name: string,
  { app, port, close }: { app: RequestListener; port: number; close: () => Promise<void> },
): Promise<void> {
  const server = createServer(app).listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const stop = (): void => {
    server.close(() => void close());
    server.closeIdleConnections();
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);
  console.log(`${name} is ready at http://127.0.0.1:${port}`);
}

export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} must be set`);
  return value;
}
