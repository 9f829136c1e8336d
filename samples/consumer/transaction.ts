import type { Pool, PoolClient } from 'pg';

/**
 * Runs `work` between begin and commit, and resolves only when the commit is certain.
 * @throws what `work` or the database throws; then nothing was kept, or, when the connection was lost under the commit,
 *   nobody knows: the sender repeats the event, and the inbox decides
 */
export async function inTransaction(pool: Pool, work: (client: PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  let failure: Error | undefined;
  // The pool listens for errors of idle clients only; a connection that dies under us must not end the process.
  const remember = (error: Error): void => void (failure = error);
  client.on('error', remember);
  try {
    await client.query('begin');
    await work(client);
    const { command } = await client.query('commit');
    // A statement failed and its error was swallowed: PostgreSQL then answers COMMIT with ROLLBACK, without an error.
    if (command !== 'COMMIT') throw new Error('the transaction was rolled back');
  } catch (error) {
    failure = error instanceof Error ? error : new Error('the handler failed', { cause: error });
    throw error;
  } finally {
    client.removeListener('error', remember);
    // With an error the connection is closed, which rolls back; a half-open transaction never goes back to the pool.
    client.release(failure);
  }
}
