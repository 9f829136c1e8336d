import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { createReceipts, doStep, transaction, undoStep, type StepKey } from 'aftercommit/transactions';
import type { PoolClient } from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { startTimeSkipping } from '../support/temporal';
import { bundleWorkflows } from '../support/workflow-bundle';
import type { SagaActivities, StepInput } from './workflows';

const TASK_QUEUE = 'saga-test';

/** What a test lets happen at a place of a step. What it throws, the step's activity throws. */
export type Happening = () => unknown;

/** `before` is outside of the transaction, `inside` between its work and its commit. */
type Place = `${'before' | 'inside'} ${'do' | 'undo'} ${string}`;

/** Sagas with real workflows on a time-skipping server, and real steps in PostgreSQL. */
export interface SagaRig {
  database: TestDatabase;
  start(workflowType: string, input?: object): Promise<{ sagaId: string; handle: WorkflowHandle }>;
  /** What happens there, each time. Undone by `reset`. */
  at(place: Place, happening: Happening): void;
  reset(): void;
  /** Effects that were committed, in order: `do a`, `undo a`. */
  effectsOf(sagaId: string): Promise<string[]>;
  /** Calls of activities, in order. */
  calls: string[];
  /** What the steps came to, in order, also of those that nobody waits for any more. */
  outcomes: unknown[];
  close(): Promise<void>;
}

export const keyOf = ({ sagaId, name }: StepInput): StepKey => ({ aggregate: sagaId, step: name });

export async function createSagaRig(): Promise<SagaRig> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR' } } });
  const [database, environment, workflowBundle] = await Promise.all([
    createTestDatabase(),
    startTimeSkipping(),
    bundleWorkflows(path.join(__dirname, 'workflows.ts')),
  ]);
  await createReceipts(database.pool);
  await database.pool.query(
    'create table effects (position int generated always as identity, saga_id text, effect text)',
  );
  const happenings = new Map<Place, Happening>();
  const calls: string[] = [];
  const outcomes: unknown[] = [];
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: TASK_QUEUE,
    workflowBundle,
    activities: createActivities(database, { happenings, calls, outcomes }),
  });
  const running = worker.run();

  return {
    database,
    calls,
    outcomes,
    async start(workflowType, input = {}) {
      const sagaId = randomUUID();
      const args = [{ sagaId, ...input }];
      const handle = await environment.client.workflow.start(workflowType, {
        workflowId: sagaId,
        taskQueue: TASK_QUEUE,
        args,
      });
      return { sagaId, handle };
    },
    at: (place, happening) => void happenings.set(place, happening),
    reset() {
      happenings.clear();
      calls.length = 0;
      outcomes.length = 0;
    },
    async effectsOf(sagaId) {
      const { rows } = await database.pool.query<{ effect: string }>(
        'select effect from effects where saga_id = $1 order by position',
        [sagaId],
      );
      return rows.map(({ effect }) => effect);
    },
    close: () => closeAll(worker, { running, environment, database }),
  };
}

function createActivities(
  { pool }: TestDatabase,
  {
    happenings,
    calls,
    outcomes,
  }: { happenings: Map<Place, Happening>; calls: string[]; outcomes: unknown[] },
): SagaActivities {
  const happen = (place: Place): unknown => happenings.get(place)?.();
  const effect = async (tx: PoolClient, { sagaId, name }: StepInput, op: 'do' | 'undo'): Promise<unknown> => {
    await tx.query('insert into effects (saga_id, effect) values ($1, $2)', [sagaId, `${op} ${name}`]);
    return happen(`inside ${op} ${name}`);
  };
  return {
    async doIt(step) {
      calls.push(`do ${step.name}`);
      await happen(`before do ${step.name}`);
      const outcome = await transaction(pool, (tx) => doStep(tx, keyOf(step), () => effect(tx, step, 'do')));
      outcomes.push(outcome);
      return outcome;
    },
    async undoIt(step) {
      calls.push(`undo ${step.name}`);
      await happen(`before undo ${step.name}`);
      return transaction(pool, (tx) => undoStep(tx, keyOf(step), () => effect(tx, step, 'undo')));
    },
  };
}

async function closeAll(
  worker: Worker,
  parts: { running: Promise<void>; environment: TestWorkflowEnvironment; database: TestDatabase },
): Promise<void> {
  worker.shutdown();
  await parts.running;
  await parts.environment.teardown();
  await Runtime.instance().shutdown();
  await parts.database.drop();
}
