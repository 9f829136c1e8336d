import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { Pool } from 'pg';
import { openService } from '../service';
import { createActivities } from './activities';
import { createBank, createBankTables } from './bank';
import type { Transfer, TransferEnd } from './workflows';

/** `npm run example:money-transfer`: one transfer that is done, and one whose credit is refused. */

const TASK_QUEUE = 'money-transfer';
const AMOUNT_MINOR = 2_500;

async function main(): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  say('Starting aftercommit and two banks …');
  const service = await openService(process.env);
  const banks = ['bank_a', 'bank_b'].map((schema) => openBank(service.databaseUrl, schema));
  const connection = await NativeConnection.connect({ address: service.temporalAddress });
  try {
    const [from, to] = banks.map(createBank);
    const worker = await Worker.create({
      connection,
      taskQueue: TASK_QUEUE,
      workflowsPath: path.join(__dirname, 'workflows.ts'),
      activities: createActivities({ from: from!, to: to! }),
    });
    await worker.runUntil(() => tell(service.temporalAddress, banks));
  } finally {
    await connection.close();
    await Promise.all(banks.map((pool) => pool.end()));
    await service.stop();
  }
}

/** Each in a schema of its own; two servers would do as well, for no transaction is in both. */
function openBank(databaseUrl: string, schema: string): Pool {
  return new Pool({ connectionString: databaseUrl, max: 5, options: `-c search_path=${schema}` });
}

async function tell(address: string, banks: Pool[]): Promise<void> {
  for (const [n, pool] of banks.entries()) {
    await pool.query(`create schema if not exists ${n === 0 ? 'bank_a' : 'bank_b'}`);
    await createBankTables(pool);
  }
  await banks[0]!.query(
    `insert into accounts values ('ann', 10000) on conflict (account) do update set balance_minor = 10000`,
  );
  await banks[1]!.query(
    `insert into accounts values ('bob', 0, false), ('gone', 0, true)
     on conflict (account) do update set balance_minor = 0`,
  );
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  const transfer = async (to: string): Promise<void> => {
    const input: Transfer = { transferId: randomUUID(), from: 'ann', to, amountMinor: AMOUNT_MINOR };
    const end = (await client.workflow.execute('transferWorkflow', {
      workflowId: `transfer/${input.transferId}`,
      taskQueue: TASK_QUEUE,
      args: [input],
    })) as TransferEnd;
    const { rows } = await banks[0]!.query<{ balance: string }>(
      `select balance_minor as balance from accounts where account = 'ann'`,
    );
    const why = end.state === 'DONE' ? '' : ` (${end.because}: ${end.code})`;
    say(`ann → ${to}, ${AMOUNT_MINOR}: ${end.state}${why}; ann has ${rows[0]!.balance}`);
  };
  await transfer('bob');
  await transfer('gone');
  await connection.close();
}

function say(line: string): void {
  console.log(line);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
