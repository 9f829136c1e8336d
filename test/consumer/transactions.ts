import type { Pool, PoolClient } from 'pg';

/** A transaction that the test ends itself. */
export interface OpenTransaction {
  client: PoolClient;
  end(how: 'commit' | 'rollback'): Promise<void>;
}

export async function startTransaction(
  pool: Pool,
  isolation: 'read committed' | 'serializable' = 'read committed',
): Promise<OpenTransaction> {
  const client = await pool.connect();
  // Some tests kill the connection; its end is seen in what `end` throws.
  client.on('error', () => undefined);
  await client.query(`begin isolation level ${isolation}`);
  return {
    client,
    async end(how) {
      try {
        await client.query(how);
      } finally {
        client.release(true);
      }
    },
  };
}

export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const transaction = await startTransaction(pool);
  try {
    const result = await work(transaction.client);
    await transaction.end('commit');
    return result;
  } catch (error) {
    await transaction.end('rollback').catch(() => undefined);
    throw error;
  }
}

/** A promise of which a test can ask whether it has ended. */
export function settled<T>(promise: Promise<T>): { promise: Promise<T>; readonly done: boolean } {
  let done = false;
  const end = (): void => void (done = true);
  promise.then(end, end);
  return {
    promise,
    get done() {
      return done;
    },
  };
}

export async function countRows(pool: Pool, table: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`select count(*)::int as count from ${table}`);
  return rows[0]!.count;
}
