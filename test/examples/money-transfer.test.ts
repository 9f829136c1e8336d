import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { createActivities } from '../../examples/money-transfer/activities';
import { createBank, createBankTables, type Bank } from '../../examples/money-transfer/bank';
import { decide, waitingUndo, type Transfer } from '../../examples/money-transfer/workflows';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { startTimeSkipping } from '../support/temporal';
import { waitFor } from '../support/wait';
import { bundleWorkflows } from '../support/workflow-bundle';

/** Two banks, a database each, and a transfer that happens in both or in neither. */
const TASK_QUEUE = 'money-transfer';
const AMOUNT_MINOR = 2_500;

let environment: TestWorkflowEnvironment;
let databases: [TestDatabase, TestDatabase];
let worker: Worker;
let running: Promise<void>;
/** What the second bank does instead, for the tests in which it is not well. */
let toBank: Partial<Bank> = {};

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'ERROR' } } });
  const [first, second, started, workflowBundle] = await Promise.all([
    createTestDatabase(),
    createTestDatabase(),
    startTimeSkipping(),
    bundleWorkflows(path.resolve(__dirname, '../../examples/money-transfer/workflows.ts')),
  ]);
  databases = [first, second];
  environment = started;
  for (const { pool } of databases) await createBankTables(pool);
  const [from, real] = databases.map(({ pool }) => createBank(pool)) as [Bank, Bank];
  const to: Bank = {
    debit: (posting) => real.debit(posting),
    undoDebit: (posting) => real.undoDebit(posting),
    credit: (posting) => (toBank.credit ?? real.credit)(posting),
    undoCredit: (posting) => (toBank.undoCredit ?? real.undoCredit)(posting),
  };
  worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: TASK_QUEUE,
    workflowBundle,
    activities: createActivities({ from, to }),
  });
  running = worker.run();
}, 90_000);
beforeEach(async () => {
  toBank = {};
  for (const { pool } of databases) await pool.query('truncate accounts');
  await put(0, 'ann', 10_000);
  await put(1, 'bob', 0);
});
afterAll(async () => {
  worker.shutdown();
  await running;
  await environment.teardown();
  await Runtime.instance().shutdown();
  await Promise.all(databases.map((database) => database.drop()));
});

const put = (bank: 0 | 1, account: string, balanceMinor: number, closed = false) =>
  databases[bank].pool.query('insert into accounts values ($1, $2, $3)', [account, balanceMinor, closed]);
async function balances(): Promise<Record<string, number>> {
  const found = await Promise.all(
    databases.map(({ pool }) =>
      pool.query<{ account: string; balance_minor: number }>('select account, balance_minor from accounts'),
    ),
  );
  return Object.fromEntries(
    found.flatMap(({ rows }) => rows.map((row) => [row.account, row.balance_minor] as const)),
  );
}

function start(transfer: Partial<Transfer> = {}): Promise<WorkflowHandle> {
  const transferId = randomUUID();
  return environment.client.workflow.start('transferWorkflow', {
    workflowId: `transfer/${transferId}`,
    taskQueue: TASK_QUEUE,
    args: [{ transferId, from: 'ann', to: 'bob', amountMinor: AMOUNT_MINOR, ...transfer }],
  });
}
const end = async (transfer?: Partial<Transfer>): Promise<unknown> => (await start(transfer)).result();

it('moves the money once', async () => {
  expect(await end()).toEqual({ state: 'DONE' });

  expect(await balances()).toEqual({ ann: 7_500, bob: 2_500 });
});

it('moves nothing when the debit is refused', async () => {
  expect(await end({ amountMinor: 10_001 })).toEqual({
    state: 'UNDONE',
    because: 'refused',
    code: 'insufficient_funds',
  });

  expect(await balances()).toEqual({ ann: 10_000, bob: 0 });
});

it('gives the money back when the credit is refused', async () => {
  await put(1, 'gone', 0, true);

  expect(await end({ to: 'gone' })).toEqual({ state: 'UNDONE', because: 'refused', code: 'account_closed' });

  expect(await balances()).toEqual({ ann: 10_000, bob: 0, gone: 0 });
});

it('gives the money back when nobody can say what became of the credit, and takes that back too', async () => {
  const real = createBank(databases[1].pool);
  toBank.credit = async (posting) => {
    await real.credit(posting);
    throw new Error('the answer is lost');
  };

  expect(await end()).toMatchObject({ state: 'UNDONE', because: 'unknown' });

  expect(await balances()).toEqual({ ann: 10_000, bob: 0 });
});

it('refuses a credit that comes after its undo', async () => {
  const transferId = randomUUID();
  const credit = { transferId, account: 'bob', amountMinor: AMOUNT_MINOR };
  const bank = createBank(databases[1].pool);
  toBank.credit = () => Promise.reject(new Error('no answer'));

  expect(await end({ transferId })).toMatchObject({ state: 'UNDONE', because: 'unknown' });

  expect(await bank.credit(credit)).toMatchObject({ kind: 'refused', code: 'fenced' });
  expect(await balances()).toEqual({ ann: 10_000, bob: 0 });
});

it('waits for a person when money cannot be taken back, and gives the rest back all the same', async () => {
  const real = createBank(databases[1].pool);
  toBank.credit = async (posting) => {
    await real.credit(posting);
    // Spent before anybody noticed.
    await databases[1].pool.query(`update accounts set balance_minor = 0 where account = 'bob'`);
    throw new Error('the answer is lost');
  };
  const handle = await start();
  await environment.sleep('1m');
  await waitFor('it waits for a decision', () => handle.query(waitingUndo));

  expect(await handle.query(waitingUndo)).toEqual({ name: 'credit', reason: 'undo_refused' });
  await handle.signal(decide, 'skip');

  expect(await handle.result()).toMatchObject({ state: 'UNDONE', because: 'unknown' });
  expect(await balances()).toEqual({ ann: 10_000, bob: 0 });
});
