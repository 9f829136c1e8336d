import path from 'node:path';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createActivities } from './activities';
import { createBookingApp } from './booking-app';
import { createBookingTables, TASK_QUEUE } from './bookings';
import { openPool, required, serve } from './server';

/** The booking service: its API, and the worker of its workflows, in one process. */
async function main(): Promise<void> {
  const pool = openPool(required('DATABASE_URL'));
  await createBookingTables(pool);
  const connection = await NativeConnection.connect({ address: required('TEMPORAL_ADDRESS') });
  const worker = await Worker.create({
    connection,
    taskQueue: TASK_QUEUE,
    workflowsPath: path.join(__dirname, 'workflows.ts'),
    activities: createActivities({ pool, paymentsUrl: required('PAYMENTS_URL') }),
    shutdownGraceTime: '5s',
  });
  const running = worker.run();
  await serve('the booking service', {
    app: createBookingApp({ pool }),
    port: Number(required('PORT')),
    async close() {
      // The SDK stops the worker at the same signals by itself.
      await running;
      await connection.close();
      await pool.end();
    },
  });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
