import type { Client } from '@temporalio/client';
import { startBridge } from '../src/bridge';
import { createTestDatabase, silentLog, type TestDatabase } from './support/database';
import { waitFor } from './support/wait';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** Stands for a Temporal that refuses some starts; what a real server does with them is shown by the end-to-end tests. */
function refusingClient(refusals: number): { client: Client; calls: string[] } {
  const calls: string[] = [];
  const start = (_type: string, { workflowId }: { workflowId: string }): Promise<void> => {
    calls.push(workflowId);
    return calls.length > refusals ? Promise.resolve() : Promise.reject(new Error('unavailable'));
  };
  return { client: { workflow: { start } } as unknown as Client, calls };
}

it('goes on trying a start that failed more than once, without waiting for the reconciliation', async () => {
  const { client, calls } = refusingClient(2);
  await database.pool.query(`select aftercommit.enqueue_workflow('greet', 'greet-1', 'app')`);

  const bridge = startBridge({ pool: database.pool, client, log: silentLog });
  try {
    const isStarted = async (): Promise<boolean> => {
      const { rows } = await database.pool.query<{ started: boolean }>(
        `select started_at is not null as started from aftercommit.workflow_starts where workflow_id = 'greet-1'`,
      );
      return rows[0]!.started;
    };
    await waitFor('the workflow is started', isStarted);
  } finally {
    await bridge.close();
  }

  expect(calls).toEqual(['greet-1', 'greet-1', 'greet-1']);
});
