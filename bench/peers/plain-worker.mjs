/** The worker of the plain arm, with the options that the SDK has by itself. */
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import * as activities from './plain-activities.mjs';

const connection = await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS });
const worker = await Worker.create({
  connection,
  taskQueue: 'plain',
  workflowsPath: fileURLToPath(new URL('./plain-workflows.mjs', import.meta.url)),
  activities,
});
await worker.run();
await connection.close();
process.exit(0);
